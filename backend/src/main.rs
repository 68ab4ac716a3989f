//! The program: `backend api` or `backend worker`.

use std::process::ExitCode;

use platform::pod::EndsWith;
use platform::settings::Vars;

fn main() -> ExitCode {
    backend::main(
        std::env::args().skip(1),
        &Vars::from_process(),
        EndsWith::Signals,
    )
}
