//! The probes of a container, as kubelet counts them (Kubernetes,
//! `pkg/kubelet/prober/worker.go`): one that says when it has started, one that
//! says whether it lives, one that says whether it takes requests.
//!
//! A state machine without a clock and without a network: it is told when a probe
//! answered, and what. Times are those since the start of the container.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe as Manifest};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whether the container has started. Until then no other probe is asked.
    Startup,
    /// Whether it lives. If not, it is killed and started again.
    Liveness,
    /// Whether it takes requests.
    Readiness,
}

/// A probe as the manifest has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The path that is asked for.
    pub path: String,
    /// The container's port.
    pub port: i32,
    /// How long an answer may take.
    pub timeout: Duration,
    initial_delay: Duration,
    period: Duration,
    success_threshold: u32,
    failure_threshold: u32,
    grace: Option<Duration>,
}

/// The container has to end: a probe failed as often as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Which probe.
    pub kind: Kind,
    /// How long it may take to end, where the probe says so itself.
    pub grace: Option<Duration>,
}

/// The probes of one container, and what they said so far.
#[derive(Clone, Debug)]
pub struct Probes {
    startup: Option<Worker>,
    liveness: Option<Worker>,
    readiness: Option<Worker>,
    /// How often a success that nobody has seen yet is looked for.
    impatience: Option<Duration>,
    killed: bool,
}

/// One probe, and what it said last.
#[derive(Clone, Debug)]
struct Worker {
    probe: Probe,
    /// What the answers so far amount to.
    passed: bool,
    /// How often in a row it answered the same.
    run: Option<(bool, u32)>,
    /// When it is asked next.
    next: Duration,
    /// When it would be asked next if nobody were impatient.
    turn: Duration,
}

impl Probes {
    /// The probes of a container. Only `httpGet` is known.
    pub fn of(container: &Container) -> Result<Self> {
        let read = |what: &str, probe: &Option<Manifest>| {
            let probe = probe.as_ref().map(|probe| Probe::read(probe, container));
            probe
                .transpose()
                .with_context(|| format!("the {what} of the container {}", container.name))
        };
        Ok(Self {
            startup: read("startupProbe", &container.startup_probe)?.map(Worker::new),
            liveness: read("livenessProbe", &container.liveness_probe)?.map(Worker::new),
            readiness: read("readinessProbe", &container.readiness_probe)?.map(Worker::new),
            impatience: None,
            killed: false,
        })
    }

    /// From now on a container that has not started, or is not ready, is also
    /// asked between its turns, this often. A success counts then as at its turn,
    /// if one is enough; a failure does not count. So nobody waits for a probe's
    /// turn, and a container that fails is killed no sooner than in a cluster.
    #[must_use]
    pub fn impatient(mut self, every: Duration) -> Self {
        self.impatience = Some(every);
        self
    }

    /// Another container runs in place of the last one.
    pub fn restarted(&mut self) {
        self.killed = false;
        for worker in [&mut self.startup, &mut self.liveness, &mut self.readiness] {
            *worker = worker.take().map(|worker| Worker::new(worker.probe));
        }
    }

    /// Whether the container has started.
    pub fn has_started(&self) -> bool {
        self.startup.as_ref().is_none_or(|worker| worker.passed)
    }

    /// Whether it takes requests.
    pub fn is_ready(&self) -> bool {
        let passed = self.readiness.as_ref().is_none_or(|worker| worker.passed);
        !self.killed && self.has_started() && passed
    }

    /// The probes that are to be asked now.
    pub fn due(&self, at: Duration) -> Vec<(Kind, Probe)> {
        let asked = self.asked().into_iter();
        let due = asked.filter(|(_, worker)| worker.next <= at);
        due.map(|(kind, worker)| (kind, worker.probe.clone()))
            .collect()
    }

    /// When a probe is to be asked next; never, if there is none.
    pub fn next(&self) -> Option<Duration> {
        let asked = self.asked().into_iter();
        asked.map(|(_, worker)| worker.next).min()
    }

    fn asked(&self) -> Vec<(Kind, &Worker)> {
        let started = self.has_started();
        let workers = [
            (Kind::Startup, &self.startup, !started),
            (Kind::Liveness, &self.liveness, started),
            (Kind::Readiness, &self.readiness, started),
        ];
        let asked = workers
            .into_iter()
            .filter(|(.., asked)| *asked && !self.killed);
        asked
            .filter_map(|(kind, worker, _)| Some((kind, worker.as_ref()?)))
            .collect()
    }

    /// A probe was asked at this time, and answered so. Says whether the
    /// container has to end.
    pub fn answered(&mut self, kind: Kind, at: Duration, succeeded: bool) -> Option<Kill> {
        let had_started = self.has_started();
        let impatience = self.impatience.filter(|_| kind != Kind::Liveness);
        let worker = match kind {
            Kind::Startup => self.startup.as_mut(),
            Kind::Liveness => self.liveness.as_mut(),
            Kind::Readiness => self.readiness.as_mut(),
        }?;
        let failed = worker.count(at, succeeded);
        worker.next = match impatience {
            Some(every) if !worker.passed => worker.turn.min(at + every),
            _ => worker.turn,
        };
        let grace = worker.probe.grace;
        if !had_started && self.has_started() {
            for other in [&mut self.liveness, &mut self.readiness]
                .into_iter()
                .flatten()
            {
                other.turn = other.turn.max(at);
                other.next = other.turn;
            }
        }
        self.killed |= failed && kind != Kind::Readiness;
        self.killed.then_some(Kill { kind, grace })
    }
}

impl Worker {
    fn new(probe: Probe) -> Self {
        Self {
            // A container lives until the opposite is known; it is not ready, and
            // has not started, until that is known.
            passed: false,
            run: None,
            next: probe.initial_delay,
            turn: probe.initial_delay,
            probe,
        }
    }

    /// Counts an answer. Returns whether the probe has failed now.
    fn count(&mut self, at: Duration, succeeded: bool) -> bool {
        let is_its_turn = at >= self.turn;
        let suffices = succeeded && self.probe.success_threshold == 1;
        if !is_its_turn && !suffices {
            return false;
        }
        self.turn = at + self.probe.period;
        let count = match self.run {
            Some((last, count)) if last == succeeded => count.saturating_add(1),
            _ => 1,
        };
        self.run = Some((succeeded, count));
        let threshold = if succeeded {
            self.probe.success_threshold
        } else {
            self.probe.failure_threshold
        };
        if count < threshold {
            return false;
        }
        self.passed = succeeded;
        !succeeded
    }
}

impl Probe {
    fn read(manifest: &Manifest, container: &Container) -> Result<Self> {
        let Some(HTTPGetAction {
            path,
            port,
            scheme,
            host,
            ..
        }) = &manifest.http_get
        else {
            bail!("the harness knows httpGet only");
        };
        if host.is_some() || scheme.as_deref().is_some_and(|scheme| scheme != "HTTP") {
            bail!("the harness asks the pod itself, over HTTP");
        }
        let seconds = |value: Option<i32>, default: u64| {
            let given = value.map_or(Ok(default), u64::try_from);
            given
                .map(Duration::from_secs)
                .context("a time is not negative")
        };
        let times = |value: Option<i32>, default: u32| {
            let given = value.map_or(Ok(default), u32::try_from);
            given.context("a threshold is not negative")
        };
        let grace = manifest.termination_grace_period_seconds;
        Ok(Self {
            path: path.clone().unwrap_or_else(|| "/".to_owned()),
            port: port_of(port, container)?,
            timeout: seconds(manifest.timeout_seconds, 1)?,
            initial_delay: seconds(manifest.initial_delay_seconds, 0)?,
            period: seconds(manifest.period_seconds, 10)?,
            success_threshold: times(manifest.success_threshold, 1)?,
            failure_threshold: times(manifest.failure_threshold, 3)?,
            grace: grace
                .map(u64::try_from)
                .transpose()
                .context("a time is not negative")?
                .map(Duration::from_secs),
        })
    }
}

fn port_of(port: &IntOrString, container: &Container) -> Result<i32> {
    match port {
        IntOrString::Int(number) => Ok(*number),
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            let named = ports.find(|port| port.name.as_deref() == Some(name));
            let named = named.with_context(|| format!("there is no port `{name}`"))?;
            Ok(named.container_port)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn probe(fields: Value) -> Value {
        let mut probe = json!({ "httpGet": { "path": "/livez", "port": "management" } });
        let Value::Object(fields) = fields else {
            panic!("fields of a probe")
        };
        for (name, value) in fields {
            probe[name] = value;
        }
        probe
    }

    /// A container with these probes: startup, liveness, readiness.
    fn container(probes: [Value; 3]) -> Container {
        let [startup, liveness, readiness] = probes;
        let container = json!({
            "name": "c",
            "ports": [{ "name": "management", "containerPort": 9090 }],
            "startupProbe": startup, "livenessProbe": liveness, "readinessProbe": readiness,
        });
        serde_json::from_value(container).expect("a container")
    }

    fn probes(probes: [Value; 3]) -> Probes {
        Probes::of(&container(probes)).expect("probes")
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A probe, and a time in seconds.
    type Moment = (Kind, u64);

    /// Asks whenever a probe is due, up to a time; each is told what it answers
    /// then. Returns when each was asked, and when it was killed.
    fn play(
        probes: &mut Probes,
        until: u64,
        answer: impl Fn(Kind, Duration) -> bool,
    ) -> (Vec<Moment>, Option<Moment>) {
        let mut asked = Vec::new();
        while let Some(now) = probes.next().filter(|next| *next <= at(until)) {
            for (kind, _) in probes.due(now) {
                asked.push((kind, now.as_secs()));
                if probes.answered(kind, now, answer(kind, now)).is_some() {
                    return (asked, Some((kind, now.as_secs())));
                }
            }
        }
        (asked, None)
    }

    use Kind::{Liveness, Readiness, Startup};

    #[test]
    fn what_the_manifest_leaves_out_has_the_defaults_of_kubernetes() {
        let container = container([probe(json!({})), Value::Null, Value::Null]);

        let probe = Probe::read(container.startup_probe.as_ref().expect("there"), &container);

        let expected = Probe {
            path: "/livez".to_owned(),
            port: 9090,
            timeout: at(1),
            initial_delay: at(0),
            period: at(10),
            success_threshold: 1,
            failure_threshold: 3,
            grace: None,
        };
        assert_eq!(probe.expect("a probe"), expected);
    }

    #[test]
    fn a_probe_that_the_harness_does_not_know_is_an_error() {
        for (what, fields) in [
            ("httpGet only", json!({ "exec": { "command": ["true"] } })),
            (
                "no port `gone`",
                json!({ "httpGet": { "path": "/", "port": "gone" } }),
            ),
            (
                "over HTTP",
                json!({ "httpGet": { "port": 1, "scheme": "HTTPS" } }),
            ),
        ] {
            let refusal = Probes::of(&container([Value::Null, fields, Value::Null]));
            let refusal = format!("{:#}", refusal.expect_err(what));
            assert!(
                refusal.contains(what) && refusal.contains("livenessProbe"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn until_it_has_started_no_other_probe_is_asked() {
        let every = |seconds: u64| probe(json!({ "periodSeconds": seconds }));
        let mut probes = probes([every(2), every(10), every(5)]);

        let (asked, killed) = play(&mut probes, 9, |kind, now| kind != Startup || now >= at(4));

        let expected = [
            (Startup, 0),
            (Startup, 2),
            (Startup, 4),
            (Liveness, 4),
            (Readiness, 4),
            (Readiness, 9),
        ];
        assert_eq!(asked, expected);
        assert_eq!(killed, None);
        assert!(probes.is_ready());
    }

    #[test]
    fn a_container_that_does_not_start_is_killed_at_its_last_chance() {
        let startup =
            json!({ "periodSeconds": 2, "failureThreshold": 3, "initialDelaySeconds": 5 });
        let mut probes = probes([probe(startup), Value::Null, Value::Null]);

        let (asked, killed) = play(&mut probes, 60, |_, _| false);

        assert_eq!(asked, [(Startup, 5), (Startup, 7), (Startup, 9)]);
        assert_eq!(killed, Some((Startup, 9)));
        assert!(!probes.has_started());
    }

    #[test]
    fn a_container_that_no_longer_lives_is_killed_after_failures_in_a_row() {
        let grace = json!({ "terminationGracePeriodSeconds": 7 });
        let mut probes = probes([Value::Null, probe(grace), Value::Null]);
        let fails = [at(10), at(20), at(40), at(50), at(60)];

        let (_, killed) = play(&mut probes, 100, |_, now| !fails.contains(&now));
        assert_eq!(killed, Some((Liveness, 60)), "40, 50 and 60, not 10 and 20");
        assert!(!probes.is_ready(), "it is ending");
        assert_eq!(
            probes.next(),
            None,
            "nobody asks a container that is ending"
        );

        probes.restarted();
        assert!(probes.is_ready());
        let kill = (0..3).filter_map(|turn| probes.answered(Liveness, at(turn * 10), false));
        assert_eq!(kill.last().and_then(|kill| kill.grace), Some(at(7)));
    }

    #[test]
    fn readiness_comes_and_goes_by_its_thresholds_and_kills_nobody() {
        let readiness = json!({ "periodSeconds": 5, "successThreshold": 2, "failureThreshold": 2 });
        let mut probes = probes([Value::Null, Value::Null, probe(readiness)]);
        let mut seen = Vec::new();

        for (turn, succeeds) in [true, true, false, true, false, false, true, true]
            .into_iter()
            .enumerate()
        {
            let now = at(turn as u64 * 5);
            assert_eq!(probes.next(), Some(now));
            assert_eq!(probes.answered(Readiness, now, succeeds), None);
            seen.push(probes.is_ready());
        }

        assert_eq!(seen, [false, true, true, true, true, false, false, true]);
    }

    #[test]
    fn the_impatient_see_a_success_at_once_and_count_failures_as_anybody() {
        let startup = json!({ "periodSeconds": 2, "failureThreshold": 3 });
        let every = Duration::from_millis(500);
        let fresh = || {
            let readiness = probe(json!({ "periodSeconds": 5 }));
            probes([probe(startup.clone()), Value::Null, readiness]).impatient(every)
        };

        let (asked, killed) = play(&mut fresh(), 60, |_, _| false);
        assert_eq!(asked.len(), 9, "0 to 4, twice a second");
        assert_eq!(
            killed,
            Some((Startup, 4)),
            "at 0, 2 and 4, as without haste"
        );

        let mut probes = fresh();
        play(&mut probes, 1, |_, now| now >= at(1));
        assert!(probes.is_ready(), "at once, not at its next turn");
        assert_eq!(probes.next(), Some(at(6)), "there is no haste any more");
    }

    #[test]
    fn a_container_without_probes_is_ready_at_once() {
        let probes = probes([Value::Null, Value::Null, Value::Null]);
        assert!(probes.is_ready());
        assert_eq!(probes.next(), None);
    }
}
