//! The child alone: for this crate's tests, which must not wait for the whole product to be built.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some(pages::child::COMMAND) => {
            pages::child::run_child(&mut io::stdin().lock(), &mut io::stdout().lock())
        }
        #[cfg(target_os = "linux")]
        Some(pages::child::NURSERY) => pages::child::run_nursery(),
        _ => return ExitCode::from(2),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
