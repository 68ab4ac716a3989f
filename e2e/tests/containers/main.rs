//! The images, and the workload in containers of them. Without a Docker daemon or
//! without the images these tests are ignored, and say so; with `E2E_STRICT=1` they
//! fail.
//!
//! The access matrix and the scenarios run in containers too, as they are, with
//! `E2E_TARGET=containers`.

#![cfg(test)]

mod images;
mod running;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use containers::Docker;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;

/// The daemon with the images, or what is missing.
type Found = Result<Docker, String>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    e2e::use_executable(env!("CARGO_BIN_EXE_e2e"));
    platform::pod::install_crypto_provider();
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let found = runtime.block_on(Docker::connect());
    let found: Arc<Found> = Arc::new(found.map_err(|error| format!("{error:#}")));
    let mut trials = images::trials(&runtime, &found);
    trials.extend(running::trials(&runtime, &found));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that needs the daemon and the images.
fn trial<F>(name: String, runtime: &Arc<Runtime>, found: &Arc<Found>, test: F) -> Trial
where
    F: AsyncFnOnce(&Docker) -> Result<()> + Send + 'static,
{
    let (runtime, found) = (Arc::clone(runtime), Arc::clone(found));
    Trial::ignorable_test(name, move || match &*found {
        Ok(docker) => {
            let tested = runtime.block_on(test(docker));
            tested.map_err(|error| Failed::from(format!("{error:?}")))?;
            Ok(Completion::Completed)
        }
        Err(missing) if e2e::is_strict() => Err(missing.into()),
        Err(missing) => Ok(Completion::ignored_with(missing)),
    })
}
