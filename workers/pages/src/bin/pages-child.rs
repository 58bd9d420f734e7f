//! The child alone: for this crate's tests, which must not wait for the whole product to be built.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let order = match (arguments.next(), arguments.next()) {
        (Some(command), Some(order)) if command == pages::child::COMMAND => order,
        _ => return ExitCode::from(2),
    };
    match pages::child::run_child(&order, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
