//! The whole workload on a cloud of which third-party emulators may hold a part: each
//! pod tries every action with its own identity and the official clients.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use e2e::expected::{self, Cell};
use e2e::parity::Combination;
use e2e::stack::{Options, PODS, Stack};
use local_cloud::Behind;

pub(crate) async fn run(name: &str, expected: &[Cell], behind: Vec<Behind>) -> Result<Combination> {
    let options = Options {
        behind,
        ..Options::default()
    };
    let stack = Stack::start(options, |_| {}).await?;
    let mut found = BTreeMap::new();
    for pod in PODS {
        let report = stack.probe(pod).await;
        let report = report.with_context(|| format!("the probe of {pod}"))?;
        found.extend(expected::found(pod, &report));
    }
    stack.stop(|_| {}).await?;
    Ok(Combination::gated(name, expected, &found))
}
