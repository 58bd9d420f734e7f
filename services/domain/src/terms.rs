//! The exact texts of licenses, by digest: what can be one, and where two of them are compared.

use crate::{digest::Sha256, names::LicenseName};

/// The bytes are no text of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTerms {
    /// There is nothing to read.
    #[error("the text is empty")]
    Empty,
    /// They are not text.
    #[error("the text is not UTF-8, or has a zero character")]
    NotText,
}

/// The text that `bytes` are. It is kept as it came, byte for byte: its digest is what tenants accept.
pub fn read(bytes: Vec<u8>) -> Result<String, BadTerms> {
    let text = String::from_utf8(bytes).map_err(|_| BadTerms::NotText)?;
    if text.contains('\0') {
        return Err(BadTerms::NotText);
    }
    if text.trim().is_empty() {
        return Err(BadTerms::Empty);
    }
    Ok(text)
}

/// The path of the API that tells how the text `new` of `license` differs from `old`.
pub fn diff_path(license: &LicenseName, old: &Sha256, new: &Sha256) -> String {
    format!("/v1/licenses/{license}/terms/{new}/diff?against={old}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_text_with_something_to_read() {
        assert_eq!(read(b"You may.\r\n".to_vec()), Ok("You may.\r\n".to_owned()));
        for (bytes, fault) in [
            (&b""[..], BadTerms::Empty),
            (b" \n\t", BadTerms::Empty),
            (b"a\0b", BadTerms::NotText),
            (b"\xff\xfe", BadTerms::NotText),
        ] {
            assert_eq!(read(bytes.to_vec()), Err(fault));
        }
    }
}
