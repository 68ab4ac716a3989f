//! The frontend's process.

use std::process::ExitCode;

use platform::pod::EndsWith;
use platform::settings::Vars;

fn main() -> ExitCode {
    frontend::main(
        std::env::args().skip(1),
        &Vars::from_process(),
        EndsWith::Signals,
    )
}
