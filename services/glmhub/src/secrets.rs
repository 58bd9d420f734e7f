//! Passwords that stand in files of their own, so that neither settings nor the environment need hold them.

use anyhow::Context as _;
use std::{fs, path::Path};

/// The password in `file`, which the setting `name` names; none if it names none. A line's end after it is no part of it.
pub fn password(name: &str, file: &Path) -> anyhow::Result<Option<String>> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let text = fs::read_to_string(file).with_context(|| format!("{name}, {}", file.display()))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Some(password.strip_suffix('\r').unwrap_or(password).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_file_without_the_end_of_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for (text, expected) in [("a b\n", "a b"), (" x\r\n", " x"), ("y", "y")] {
            fs::write(&file, text).unwrap();
            assert_eq!(password("p", &file).unwrap().as_deref(), Some(expected));
        }
        assert_eq!(password("p", Path::new("")).unwrap(), None);
        let error = password("queue.password_file", &folder.path().join("none")).unwrap_err();
        assert!(format!("{error:#}").contains("queue.password_file"), "{error:#}");
    }
}
