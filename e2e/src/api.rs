//! `e2e api`: the workload for a program that calls the backend's API, such as
//! `.ci/schemathesis`.

use std::process::ExitCode;

use anstream::println;
use anyhow::Result;
use e2e::stack::{Options, Stack};
use local_cloud::TokenRequest;
use platform::server::Shutdown;
use serde_json::json;

/// Starts the workload, says in one line of JSON where the API is and with which
/// token it may be called for an hour, and runs until it is asked to end.
pub(crate) async fn run() -> Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    let stack = Stack::start(Options::default(), |_| {}).await?;
    let caller = TokenRequest {
        namespace: "todolist".to_owned(),
        service_account: "frontend".to_owned(),
        audience: "todolist-backend".to_owned(),
        lifetime_seconds: 3600,
        age_seconds: 0,
    };
    let token = stack.control().sign_token(&caller).await?;
    let address = stack.address("backend")?;
    let logs = stack.logs();
    println!(
        "{}",
        json!({ "url": format!("http://{address}"), "token": token, "logs": logs })
    );
    shutdown.requested().await;
    stack.stop(|_| {}).await?;
    Ok(ExitCode::SUCCESS)
}
