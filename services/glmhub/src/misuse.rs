//! The two ways in which a command ends badly.

use std::process::ExitCode;

/// Something was asked for that cannot be: the message says what to ask for instead. Exit code 2, as for
/// arguments that cannot be parsed. Every other error is a fault and has exit code 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// The exit code that tells a shell what kind of error this is.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(|cause| cause.is::<Misuse>()) {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn misuse_is_found_below_its_context() {
        let error = Err::<(), _>(Misuse("no".into()))
            .context("reading settings")
            .unwrap_err();
        assert_eq!(
            format!("{:?}", exit_code(&error)),
            format!("{:?}", ExitCode::from(2))
        );
        let fault = anyhow::anyhow!("the disk is full");
        assert_eq!(
            format!("{:?}", exit_code(&fault)),
            format!("{:?}", ExitCode::FAILURE)
        );
    }
}
