//! The child alone: for this crate's tests, which must not wait for the whole product to be built.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(pages::child::COMMAND) {
        return ExitCode::from(2);
    }
    match pages::child::run_child(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
