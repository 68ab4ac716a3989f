//! The node's kubelet, as far as processes go: it asks a pod's probes, says
//! whether the pod is ready, kills a container that does not start or no longer
//! lives, and starts one again that has ended, with a back-off.
//!
//! Three things are not as on a node. A success that nobody has seen yet is looked
//! for every 20 ms, not at the probe's next turn; failures count by the
//! manifest's turns. A process that ends by itself is started again only where the
//! pod is supervised, so that a test may look at one that has ended. And a `preStop`
//! sleep is not slept, though its time counts (`lifecycle.rs`).

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc::UnboundedSender;

use crate::back_off::BackOff;
use crate::probes::{Kill, Kind, Probe, Probes};
use crate::running_pod::{BETWEEN_LOOKS, RunningPod};

/// Something that the kubelet did.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A process ended by itself; the kubelet starts another.
    Ended {
        /// The pod.
        pod: String,
        /// How, and the last lines of its log.
        how: String,
        /// How long the kubelet waits before that.
        wait: Duration,
    },
    /// A probe failed as often as it may; the container is ended.
    Unhealthy {
        /// The pod.
        pod: String,
        /// Which probe.
        probe: Kind,
        /// How long the kubelet waits before it starts another.
        wait: Duration,
    },
    /// Another process runs.
    Restarted {
        /// The pod.
        pod: String,
    },
}

/// Looks after one pod; never returns.
pub(crate) async fn look_after(
    pod: Arc<RunningPod>,
    client: reqwest::Client,
    told: UnboundedSender<Happening>,
) {
    let mut care = Care {
        probes: pod.lifecycle.probes.clone().impatient(BETWEEN_LOOKS),
        back_off: pod.lifecycle.back_off,
        epoch: 0,
        pod,
        client,
        told,
    };
    loop {
        if let Err(error) = care.look().await {
            tracing::warn!(pod = care.pod.name(), "does not start again: {error:#}");
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// What the kubelet knows about one pod.
struct Care {
    pod: Arc<RunningPod>,
    probes: Probes,
    back_off: BackOff,
    epoch: u32,
    client: reqwest::Client,
    told: UnboundedSender<Happening>,
}

impl Care {
    async fn look(&mut self) -> Result<()> {
        let epoch = self.pod.condition().borrow().epoch;
        if epoch != self.epoch {
            self.epoch = epoch;
            self.probes.restarted();
        }
        if let Err(ended) = self.pod.check_running().await {
            self.pod.set_ready(epoch, false);
            if self.pod.is_supervised() {
                self.start_again(&ended).await?;
            }
            return Ok(());
        }
        let age = self.pod.age().await;
        for (kind, probe) in self.probes.due(age) {
            let succeeded = self.ask(&probe).await;
            if let Some(kill) = self.probes.answered(kind, age, succeeded) {
                return self.kill(kill).await;
            }
        }
        self.pod.set_ready(epoch, self.probes.is_ready());
        Ok(())
    }

    /// An HTTP probe: an answer below 400, in time.
    async fn ask(&self, probe: &Probe) -> bool {
        let Some(address) = self.pod.address_of(probe.port) else {
            return false;
        };
        let url = format!("http://{address}{}", probe.path);
        let asked = self.client.get(url).timeout(probe.timeout).send();
        asked
            .await
            .is_ok_and(|answer| answer.status().as_u16() < 400)
    }

    async fn start_again(&mut self, ended: &anyhow::Error) -> Result<()> {
        let wait = self.back_off.after(self.pod.age().await);
        self.tell(Happening::Ended {
            pod: self.pod.name().to_owned(),
            how: format!("{ended:#}"),
            wait,
        });
        self.start_after(wait).await
    }

    async fn kill(&mut self, Kill { kind, grace }: Kill) -> Result<()> {
        let wait = self.back_off.after(self.pod.age().await);
        self.tell(Happening::Unhealthy {
            pod: self.pod.name().to_owned(),
            probe: kind,
            wait,
        });
        let grace = grace.unwrap_or(self.pod.lifecycle.grace);
        self.pod.stop_within(grace).await?;
        self.start_after(wait).await
    }

    async fn start_after(&self, wait: Duration) -> Result<()> {
        tokio::time::sleep(wait).await;
        self.pod.restart(&[]).await?;
        self.tell(Happening::Restarted {
            pod: self.pod.name().to_owned(),
        });
        Ok(())
    }

    fn tell(&self, happening: Happening) {
        // Nobody listens when the workload is ending.
        drop(self.told.send(happening));
    }
}
