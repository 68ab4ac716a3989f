//! What a pod's manifest says about its life: its probes, where they are
//! answered, and how long it may take to end.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::back_off::BackOff;
use crate::pod::only_container;
use crate::probes::Probes;

/// What Kubernetes gives a pod that says nothing.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// The life of one pod.
#[derive(Clone, Debug)]
pub(crate) struct Lifecycle {
    /// Its container's probes.
    pub(crate) probes: Probes,
    /// How long it may take to end when it is asked to: what a `preStop` sleep
    /// leaves of the manifest's time. The sleep itself is left out. It is for those
    /// that still send to a pod that ends, and the harness' Service never does.
    pub(crate) grace: Duration,
    /// The waits between its restarts.
    pub(crate) back_off: BackOff,
    /// The variable that says where each port of the container is opened.
    listeners: BTreeMap<i32, String>,
}

impl Lifecycle {
    /// Reads a pod; what the harness does not do is an error.
    pub(crate) fn of(pod: &Pod, back_off: BackOff) -> Result<Self> {
        let spec = pod.spec.as_ref().context("the pod has no spec")?;
        let container = only_container(spec)?;
        let first = spec.init_containers.as_deref().unwrap_or_default();
        if let Some(first) = first.first() {
            bail!(
                "the pod has the init container {}, which the harness does not run",
                first.name
            );
        }
        let grace = spec.termination_grace_period_seconds.map(u64::try_from);
        let grace = grace
            .transpose()
            .context("terminationGracePeriodSeconds is not negative")?;
        let grace = grace.map_or(DEFAULT_GRACE, Duration::from_secs);
        Ok(Self {
            probes: Probes::of(container)?,
            grace: grace
                .checked_sub(sleep_before_end(container)?)
                .context("terminationGracePeriodSeconds is longer than the preStop sleep")?,
            back_off,
            listeners: listeners(container),
        })
    }

    /// The variable by which the container learns where to open a port.
    pub(crate) fn listener(&self, port: i32) -> Option<&str> {
        self.listeners.get(&port).map(String::as_str)
    }
}

/// How long the container sleeps before it is asked to end; no other hook is known.
fn sleep_before_end(container: &Container) -> Result<Duration> {
    let Some(hooks) = &container.lifecycle else {
        return Ok(Duration::ZERO);
    };
    let sleep = hooks.pre_stop.as_ref().and_then(|hook| hook.sleep.as_ref());
    match sleep.map(|sleep| u64::try_from(sleep.seconds)) {
        Some(Ok(seconds)) if hooks.post_start.is_none() => Ok(Duration::from_secs(seconds)),
        _ => bail!(
            "the container {} has a hook (lifecycle) that is no preStop sleep, which the harness does not run",
            container.name
        ),
    }
}

fn listeners(container: &Container) -> BTreeMap<i32, String> {
    let variables = container.env.iter().flatten();
    let listeners = variables.filter_map(|variable| {
        let value = variable.value.as_deref()?;
        let port = value.strip_prefix("0.0.0.0:")?.parse().ok()?;
        Some((port, variable.name.clone()))
    });
    listeners.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::manifests::{Manifests, default_directory};

    fn lifecycle(spec: &Value) -> Result<Lifecycle> {
        let pod = serde_json::from_value(json!({ "metadata": {}, "spec": spec }));
        Lifecycle::of(&pod.expect("a pod"), BackOff::default())
    }

    #[test]
    fn the_pods_of_the_workload_live_as_their_manifests_say() {
        let manifests = Manifests::load(&default_directory()).expect("valid manifests");
        for (name, grace, listener) in [
            // 45 and 50 s, less the 10 s of preStop.
            ("frontend", 35, Some("LISTEN")),
            ("backend", 40, Some("LISTEN")),
            ("worker", 60, None),
        ] {
            let pod = manifests.pod(name, name).expect("a pod");
            let life = Lifecycle::of(&pod, BackOff::default()).expect("known");
            assert_eq!(life.grace, Duration::from_secs(grace), "{name}");
            assert_eq!(life.listener(8080), listener, "{name}");
            assert_eq!(life.listener(9090), Some("MANAGEMENT_LISTEN"), "{name}");
            assert!(!life.probes.has_started(), "{name} has a startup probe");
        }
    }

    #[test]
    fn a_pod_that_says_nothing_has_half_a_minute_to_end() {
        let life = lifecycle(&json!({ "containers": [{ "name": "c" }] })).expect("known");
        assert_eq!(life.grace, DEFAULT_GRACE);
    }

    #[test]
    fn a_sleep_before_the_end_is_part_of_the_time_to_end() {
        let spec = |grace: u64| {
            let sleep = json!({ "preStop": { "sleep": { "seconds": 10 } } });
            json!({
                "terminationGracePeriodSeconds": grace,
                "containers": [{ "name": "c", "lifecycle": sleep }]
            })
        };

        let life = lifecycle(&spec(12)).expect("known");
        assert_eq!(life.grace, Duration::from_secs(2));
        let refusal = lifecycle(&spec(9)).expect_err("too short").to_string();
        assert!(
            refusal.contains("longer than the preStop sleep"),
            "{refusal}"
        );
    }

    #[test]
    fn what_the_harness_does_not_run_is_an_error() {
        let hook = json!({ "preStop": { "exec": { "command": ["true"] } } });
        let start = json!({
            "preStop": { "sleep": { "seconds": 1 } },
            "postStart": { "sleep": { "seconds": 1 } }
        });
        for (what, spec) in [
            (
                "2 containers",
                json!({ "containers": [{ "name": "a" }, { "name": "b" }] }),
            ),
            (
                "init container i",
                json!({ "containers": [{ "name": "a" }], "initContainers": [{ "name": "i" }] }),
            ),
            (
                "a hook",
                json!({ "containers": [{ "name": "a", "lifecycle": hook }] }),
            ),
            (
                "a hook",
                json!({ "containers": [{ "name": "a", "lifecycle": start }] }),
            ),
        ] {
            let refusal = lifecycle(&spec).expect_err(what).to_string();
            assert!(refusal.contains(what), "{refusal}");
        }
    }
}
