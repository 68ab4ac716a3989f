//! When which key is rolled over.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::control::Control;
use local_cloud::keys::{KeyState, PublishedKey};

/// One thing that an issuer does with its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rollover {
    /// The cluster signs with its next key; the one before is good for a day.
    ClusterRotates,
    /// The same again within that day: the first key is gone at once. By then
    /// kubelet has replaced every token that it signed.
    ClusterEndsTheFirst,
    /// A day after its rotation a key of the cluster has gone by itself.
    ClusterKeyHasGone,
    /// Entra ID publishes the key that will sign next.
    EntraPublishes,
    /// Entra ID signs with it.
    EntraRotates,
    /// Entra ID takes the key back whose last tokens have expired.
    EntraWithdraws,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// What happens when, from the beginning.
const PLAN: [(u64, Rollover); 11] = [
    (15 * MINUTE, Rollover::EntraPublishes),
    (30 * MINUTE, Rollover::ClusterRotates),
    (45 * MINUTE, Rollover::EntraRotates),
    (105 * MINUTE, Rollover::ClusterEndsTheFirst),
    (10 * HOUR, Rollover::ClusterRotates),
    (26 * HOUR, Rollover::EntraWithdraws),
    (27 * HOUR, Rollover::EntraPublishes),
    (28 * HOUR, Rollover::EntraRotates),
    (35 * HOUR, Rollover::ClusterKeyHasGone),
    (36 * HOUR, Rollover::ClusterRotates),
    (54 * HOUR, Rollover::EntraWithdraws),
];

/// What is due after `before` and until `now`.
pub(crate) fn due(before: Duration, now: Duration) -> impl Iterator<Item = Rollover> {
    let is_due = move |at: &u64| (before.as_secs() + 1..=now.as_secs()).contains(at);
    let due = PLAN.into_iter().filter(move |(at, _)| is_due(at));
    due.map(|(_, rollover)| rollover)
}

impl Rollover {
    /// Does it, and checks what is published then.
    pub(crate) async fn happen(self, control: &Control) -> Result<()> {
        use KeyState::{Next, Retired, Signing};
        match self {
            Self::ClusterRotates | Self::ClusterEndsTheFirst => {
                let keys = control.rotate_cluster_key().await?;
                expect(&keys, &[Retired, Signing, Next])
            }
            Self::ClusterKeyHasGone => expect(&control.cluster_keys().await?, &[Signing, Next]),
            Self::EntraPublishes => expect(&control.publish_entra_key().await?, &[Signing, Next]),
            Self::EntraRotates => expect(&control.rotate_entra_key().await?, &[Retired, Signing]),
            Self::EntraWithdraws => {
                let keys = control.entra_keys().await?;
                let retired = keys.iter().find(|key| key.state == Retired);
                let retired = retired.context("Entra ID has no retired key")?;
                let keys = control.withdraw_entra_key(&retired.kid).await?;
                ensure!(keys.iter().all(|key| key.state != Retired), "{keys:?}");
                Ok(())
            }
        }
    }
}

fn expect(keys: &[PublishedKey], states: &[KeyState]) -> Result<()> {
    let found: Vec<_> = keys.iter().map(|key| key.state).collect();
    ensure!(found == states, "not {states:?} are published but {keys:?}");
    Ok(())
}
