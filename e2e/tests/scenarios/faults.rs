//! Faults of the identity plane: nobody has made a mistake, and yet tokens are not
//! to be had, or changes have not arrived. The workload survives, or says clearly
//! what it waits for; when the fault is over it goes on by itself.
//!
//! A pod that runs has its tokens for a day, so each story begins with a pod that
//! starts: it needs all of them at once.

mod endpoint;
mod issuer;
mod propagation;

use std::time::{Duration, Instant};

use e2e::stack::{Options, Stack};
use local_cloud::audit::{Decision, Record};
use local_cloud::faults::Switch;

use crate::person::Person;
use crate::replicas::until_restarted;
use crate::stage::{PATIENCE, start, story};

/// The workload, and the pod that starts while there is a fault.
struct Scene {
    stack: Stack,
    pod: &'static str,
}

impl Scene {
    async fn of(pod: &'static str) -> Self {
        let stack = start(Options::default()).await;
        stack.supervise();
        Self { stack, pod }
    }

    /// Switches a fault on; returns the audit's place then.
    async fn fault(&self, switch: Switch) -> u64 {
        let control = self.stack.control();
        control.switch_on(&switch).await.expect("a fault");
        let records = control.audit(0).await.expect("the audit");
        records.last().map_or(0, |last| last.sequence)
    }

    /// The pod's process is killed, and its next one begins.
    async fn starts_again(&self) {
        let before = self.stack.restarts(self.pod).expect("a pod");
        self.stack.kill_pod(self.pod).await.expect("killed");
        until_restarted(&self.stack, self.pod, before + 1).await;
    }

    /// Waits until the pod says that it waits, and why.
    async fn waits_for(&self, why: &str) {
        let url = self.stack.management_url(self.pod, "readyz");
        let url = url.expect("a management port");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let says = match reqwest::get(&url).await {
                Ok(answer) if answer.status() == 503 => answer.text().await.unwrap_or_default(),
                Ok(answer) => format!("it answers {}", answer.status()),
                Err(error) => error.to_string(),
            };
            if says.contains(why) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not wait for {why}: {says}\n{}",
                self.pod,
                story(&self.stack).await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn is_ready(&self) {
        if let Err(not) = self.stack.wait_until_ready(self.pod).await {
            panic!("{not:?}\n{}", story(&self.stack).await);
        }
    }

    /// The fault is over: the pod becomes ready by itself, and a person can work.
    async fn recovers(self) {
        self.is_ready().await;
        let person = Person::at(&self.stack);
        let page = person.add("Keep going").await;
        assert_eq!(page.titles(), ["Keep going"], "{}", page.words());
        person
            .until(&self.stack, "the activity tells of it", |page| {
                page.activity().len() == 1
            })
            .await;
        self.stack.stop(|_| {}).await.expect("everything ends");
    }

    async fn clear(&self) {
        let cleared = self.stack.control().clear_faults(None).await;
        cleared.expect("cleared");
    }

    /// The exchanges of the pod since a place in the audit: their codes, where they
    /// were refused.
    async fn exchanges(&self, since: u64) -> Vec<Option<String>> {
        let records = self.stack.control().audit(since).await.expect("the audit");
        let own =
            |record: &&Record| record.by == "entra" && record.identity.as_deref() == Some(self.pod);
        let code = |record: &Record| match record.decision {
            Decision::Allowed => None,
            Decision::Denied => record.code.clone(),
        };
        records.iter().filter(own).map(code).collect()
    }

    /// How often the exchange was refused with this code since a place.
    async fn refused(&self, since: u64, code: &str) -> usize {
        let exchanges = self.exchanges(since).await;
        let of_code = |refused: &&Option<String>| refused.as_deref() == Some(code);
        exchanges.iter().filter(of_code).count()
    }
}
