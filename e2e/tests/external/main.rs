//! A cluster that is not the local cloud's: its tokens are accepted by issuer URL
//! and CA, under a federated credential that names it, and not otherwise. The
//! issuer is a process of its own: this executable, started as `be-an-issuer`.

#![cfg(test)]

#[path = "../sdk/cloud_process.rs"]
mod cloud_process;
mod issuer;
mod trust;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::Arguments;

/// The first argument of the process that is an issuer.
const BE_AN_ISSUER: &str = "be-an-issuer";

fn main() -> ExitCode {
    let given: Vec<_> = std::env::args().skip(1).collect();
    if let [BE_AN_ISSUER, directory, issuer, published, account] =
        &given.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let settings = issuer::Settings {
            directory: Path::new(directory),
            issuer,
            published,
            account,
        };
        return match issuer::run(&settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the issuer ended: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    platform::pod::install_crypto_provider();
    libtest_mimic::run(&Arguments::from_args(), trust::trials()).exit_code()
}
