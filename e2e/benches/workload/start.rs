//! How soon a service listens, and what it holds while nobody asks it anything.

use std::time::Duration;

use anyhow::Result;
use e2e::stack::Stack;

use crate::resources::{Pid, megabytes};
use crate::table::Row;

const SERVICES: [&str; 3] = ["frontend", "backend", "worker"];

/// Starts of each service.
const STARTS: usize = 5;

pub(crate) async fn measure(stack: &Stack) -> Result<Vec<Row>> {
    let mut slowest = [Duration::ZERO; SERVICES.len()];
    for _ in 0..STARTS {
        for (name, slowest) in SERVICES.iter().zip(&mut slowest) {
            stack.kill_pod(name).await?;
            stack.restart_pod(name).await?;
            *slowest = (*slowest).max(stack.listened_after(name)?);
        }
    }
    // Everything has settled: caches are filled, and the worker's links stand.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut rows = Vec::new();
    for (name, slowest) in SERVICES.iter().zip(slowest) {
        rows.push(Row {
            what: format!("`{name}` listens, the slowest of {STARTS} starts"),
            measured: format!("{} ms", slowest.as_millis()),
            wanted: "within 100 ms",
            met: slowest <= Duration::from_millis(100),
        });
        let resident = Pid::of_pod(stack.pid(name).await?)?.resident()?;
        rows.push(Row {
            what: format!("`{name}` idles"),
            measured: format!("{:.1} MB", megabytes(resident)),
            wanted: "under 40 MB",
            met: megabytes(resident) < 40.0,
        });
    }
    Ok(rows)
}
