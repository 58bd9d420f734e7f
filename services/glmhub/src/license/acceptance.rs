//! Acceptances as the command line shows and takes them.

use serde_json::Value;
use std::io::{self, Write};
use time::{
    Date, Duration, OffsetDateTime, Time, format_description::well_known::Rfc3339, macros::format_description,
};

/// The end of an acceptance: a moment, or a day that is still part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End(OffsetDateTime);

impl std::str::FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self(moment));
        }
        let day = Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
        let midnight = day.and_then(|day| {
            day.with_time(Time::MIDNIGHT)
                .assume_utc()
                .checked_add(Duration::DAY)
        });
        midnight.map(Self).ok_or_else(|| {
            "give a day such as 2027-12-31 (through its end, in UTC) or a moment such as 2027-12-31T18:00:00Z".into()
        })
    }
}

impl End {
    /// The moment as the API takes it.
    pub fn moment(self) -> String {
        self.0.format(&Rfc3339).unwrap_or_default()
    }
}

/// Prints an acceptance: as lines, or as the API gave it.
pub fn print(acceptance: &Value, json: bool) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match json {
        true => writeln!(stdout, "{acceptance}")?,
        false => write(&mut stdout, acceptance)?,
    }
    Ok(())
}

fn write(out: &mut impl Write, acceptance: &Value) -> io::Result<()> {
    writeln!(
        out,
        "{} is {}",
        text(&acceptance["id"]),
        text(&acceptance["state"])
    )?;
    writeln!(
        out,
        "  tenant        {} (by {})",
        text(&acceptance["tenant"]),
        text(&acceptance["requested_by"])
    )?;
    writeln!(
        out,
        "  license       {} for {}",
        text(&acceptance["license"]),
        purposes(acceptance)
    )?;
    writeln!(out, "  terms         {}", text(&acceptance["terms_sha256"]))?;
    let signer = &acceptance["signer"];
    writeln!(
        out,
        "  signer        {}, {}",
        text(&signer["name"]),
        text(&signer["title"])
    )?;
    for (name, key) in [
        ("registration", "registration_number"),
        ("territory", "territory"),
        ("active since", "active_since"),
        ("valid until", "valid_until"),
        ("what changed", "diff"),
    ] {
        if let Some(value) = acceptance[key].as_str() {
            writeln!(out, "  {name:<13} {value}")?;
        }
    }
    for act in ["approval", "rejection", "suspension", "revocation"] {
        let judged = &acceptance[act];
        if judged.is_object() {
            let by = &judged["by"];
            let reason = judged["reason"].as_str();
            let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
            writeln!(
                out,
                "  {act:<13} {} by {}/{}{reason}",
                text(&judged["at"]),
                text(&by["tenant"]),
                text(&by["member"])
            )?;
        }
    }
    if let Some(by) = acceptance["supersession"]["by"].as_str() {
        writeln!(out, "  superseded    by {by}")?;
    }
    writeln!(
        out,
        "  files         {} of evidence, {} comments",
        acceptance["evidence_files"], acceptance["comments"]
    )
}

/// The purposes of an acceptance in one line.
pub fn purposes(acceptance: &Value) -> String {
    let all = acceptance["purposes"].as_array().into_iter().flatten();
    all.map(text).collect::<Vec<_>>().join(", ")
}

/// A text of the API.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_moment_or_the_end_of_a_day() {
        let end = |text: &str| text.parse::<End>().map(End::moment);
        assert_eq!(end("2027-12-31").unwrap(), "2028-01-01T00:00:00Z");
        assert_eq!(
            end("2027-12-31T18:00:00+01:00").unwrap(),
            "2027-12-31T18:00:00+01:00"
        );
        for bad in ["", "soon", "31.12.2027", "2027-13-01", "9999-12-31"] {
            assert!(end(bad).is_err(), "{bad}");
        }
    }
}
