//! The gate: from a bearer token to an admission, with the entry in the audit.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Result, anyhow};
use local_cloud::LocalCloud;
use local_cloud::gate::{Audience, Gate, Operation};
use local_cloud::model::Scope;
use local_cloud::roles::Permission;
use tokio::runtime::Runtime;

use crate::exchanges::Endpoint;
use crate::table::Row;
use crate::time::Stopwatch;

const TOKENS: usize = 400;
const AGAIN: u32 = 20_000;
const ROUNDS: usize = 7;

pub(crate) fn measure(here: &Runtime, cloud: &LocalCloud, endpoint: &Endpoint) -> Result<Vec<Row>> {
    let gate = cloud.gate();
    let key_vault = Audience::key_vault();
    here.block_on(async {
        let mut tokens = Vec::new();
        for _ in 0..TOKENS {
            tokens.push(endpoint.exchange().await?);
        }
        let mut new = Vec::new();
        for token in &tokens {
            let begin = Stopwatch::start();
            decide(&gate, token, &key_vault).await?;
            new.push(begin.elapsed());
        }
        let mut known = Vec::new();
        for _ in 0..ROUNDS {
            let begin = Stopwatch::start();
            for _ in 0..AGAIN {
                decide(&gate, &tokens[TOKENS - 1], &key_vault).await?;
            }
            known.push(begin.elapsed() / AGAIN);
        }
        let row = |what: String, median: Duration, wanted, below| Row {
            what,
            measured: format!("{:.1} µs", median.as_secs_f64() * 1e6),
            wanted,
            met: median < below,
        };
        Ok(vec![
            row(
                format!("A decision of the gate, with a token seen before; the median of {ROUNDS} × {AGAIN}"),
                median(known),
                "under 5 µs",
                Duration::from_micros(5),
            ),
            row(
                format!("The same, with a token that is new; the median of {TOKENS}"),
                median(new),
                "under 150 µs",
                Duration::from_micros(150),
            ),
        ])
    })
}

async fn decide(gate: &Gate, token: &str, audience: &Audience) -> Result<()> {
    let caller = gate.authenticate(Some(token), audience)?;
    let permission = Permission::DataAction("Microsoft.KeyVault/vaults/secrets/getSecret/action");
    let scope = Scope::new(["vault", "secrets", "session-key"]);
    let operation = Operation::at("GetSecret", permission, scope);
    let admitted = gate.admit(&caller, operation).await;
    black_box(admitted.map_err(|_| anyhow!("the frontend has the role"))?);
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
