//! The section `[model_uploads]` of the settings. What each setting means stands in `config.default.toml`.

use domain::model_upload::{LARGEST_PART, LEAST_PART, UploadBounds};
use serde::Deserialize;
use time::Duration;

/// How weights are uploaded in parts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelUploadSettings {
    /// How large parts are, in bytes.
    pub part_bytes: u64,
    /// The most files of an upload.
    pub most_files: usize,
    /// The most bytes of all files of an upload.
    pub most_bytes: u64,
    /// The most bytes of a file without weights.
    pub most_text_bytes: u64,
    /// The most uploads of a tenant that are not over.
    pub most_open: u32,
    /// How long an upload may take, in seconds.
    pub open_seconds: u32,
    /// How long an upload stays with a hub that gives no sign of life, in seconds.
    pub hold_seconds: u32,
}

impl ModelUploadSettings {
    /// Whether the values make sense, where what is unfinished in the bucket is given up after `unfinished`.
    pub fn check(&self, unfinished: Duration) -> Result<(), String> {
        if !(LEAST_PART..=LARGEST_PART).contains(&self.part_bytes) {
            return Err(format!(
                "model_uploads.part_bytes is {} and must be {LEAST_PART} to {LARGEST_PART}",
                self.part_bytes
            ));
        }
        let least = [
            ("most_files", self.most_files as u64),
            ("most_bytes", self.most_bytes),
            ("most_text_bytes", self.most_text_bytes),
            ("most_open", self.most_open.into()),
            ("open_seconds", self.open_seconds.into()),
            ("hold_seconds", self.hold_seconds.into()),
        ];
        if let Some((name, _)) = least.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("model_uploads.{name} is 0 and must be at least 1"));
        }
        match self.open() <= unfinished {
            true => Ok(()),
            false => Err(format!(
                "model_uploads.open_seconds is {} and must be no more than blobs.unfinished_hours, or parts are given up \
                 that are still wanted",
                self.open_seconds
            )),
        }
    }

    /// How much an upload may hold.
    pub fn bounds(&self) -> UploadBounds {
        UploadBounds {
            files: self.most_files,
            bytes: self.most_bytes,
            text_bytes: self.most_text_bytes,
        }
    }

    /// How long an upload may take.
    pub fn open(&self) -> Duration {
        Duration::seconds(self.open_seconds.into())
    }

    /// How long an upload stays with a hub that gives no sign of life.
    pub fn hold(&self) -> Duration {
        Duration::seconds(self.hold_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_hold_at_their_edges() {
        let day = Duration::DAY;
        let good = ModelUploadSettings {
            part_bytes: LEAST_PART,
            most_files: 1,
            most_bytes: 1,
            most_text_bytes: 1,
            most_open: 1,
            open_seconds: 86_400,
            hold_seconds: 1,
        };
        assert_eq!(good.check(day), Ok(()));
        let refused = |change: fn(&mut ModelUploadSettings), name: &str| {
            let mut bad = good.clone();
            change(&mut bad);
            let why = bad.check(day).unwrap_err();
            assert!(why.starts_with(&format!("model_uploads.{name} ")), "{why}");
        };
        refused(|bad| bad.part_bytes = LEAST_PART - 1, "part_bytes");
        refused(|bad| bad.part_bytes = LARGEST_PART + 1, "part_bytes");
        refused(|bad| bad.most_files = 0, "most_files");
        refused(|bad| bad.most_bytes = 0, "most_bytes");
        refused(|bad| bad.most_text_bytes = 0, "most_text_bytes");
        refused(|bad| bad.most_open = 0, "most_open");
        refused(|bad| bad.open_seconds = 0, "open_seconds");
        refused(|bad| bad.open_seconds = 86_401, "open_seconds");
        refused(|bad| bad.hold_seconds = 0, "hold_seconds");
    }
}
