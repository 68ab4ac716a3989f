//! The time to end: what the manifest gives has to be more than what the code may
//! take, or the kubelet kills work that was in hand.

use std::time::Duration;

use anyhow::{Context as _, Result};
use libtest_mimic::Trial;
use platform::pod::DRAIN;
use platform::telemetry::LAST_SPANS;
use service_bus::CLOSE_TIMEOUT;

use crate::objects::{self, NAMESPACE, Objects, Pods};
use crate::{Mistake, each_is_found, mistake, none, trial};

const MISTAKES: [Mistake; 6] = [
    mistake(
        "terminationGracePeriodSeconds: 45",
        "terminationGracePeriodSeconds: 40",
        "frontend: has 40 s to end, and takes up to 40 s",
    ),
    mistake(
        "terminationGracePeriodSeconds: 50",
        "terminationGracePeriodSeconds: 45",
        "backend: has 45 s to end, and takes up to 45 s",
    ),
    mistake(
        "terminationGracePeriodSeconds: 60",
        "terminationGracePeriodSeconds: 30",
        "worker: has 30 s to end, and takes up to 40 s",
    ),
    mistake(
        "                seconds: 10",
        "                seconds: 20",
        "frontend: has 45 s to end, and takes up to 50 s",
    ),
    mistake(
        "  COSMOS_DATABASE: todolist",
        "  COSMOS_DATABASE: todolist\n  DRAIN_SECONDS: \"60\"",
        "worker: has 60 s to end, and takes up to 75 s",
    ),
    mistake(
        "          lifecycle:\n            preStop:\n              sleep:\n                seconds: 10\n",
        "",
        "frontend: is sent SIGTERM while connections still arrive",
    ),
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "endings",
            "every pod has the time that it needs to end",
            || none(&problems(&Objects::parse(&objects::base()?)?)),
        ),
        trial("endings", "a pod with too little time is found", || {
            each_is_found(&objects::base()?, &MISTAKES, problems)
        }),
    ]
}

pub(crate) fn problems(objects: &Objects) -> Vec<String> {
    look(objects).unwrap_or_else(|error| vec![format!("{error:#}")])
}

fn look(objects: &Objects) -> Result<Vec<String>> {
    let drain = drain(objects)?;
    let mut problems = Vec::new();
    for pod in objects
        .pods()?
        .iter()
        .filter(|pod| pod.namespace == NAMESPACE)
    {
        let name = &pod.name;
        let last = match name.as_str() {
            "frontend" => Duration::ZERO,
            "backend" => backend::LAST_EVENTS,
            "worker" => backend::LAST_SETTLEMENTS,
            other => anyhow::bail!("nobody said how {other} ends"),
        };
        let sleep = sleep(pod);
        if name != "worker" && sleep.is_zero() {
            problems.push(format!(
                "{name}: is sent SIGTERM while connections still arrive"
            ));
        }
        let takes = sleep + drain + last + CLOSE_TIMEOUT + LAST_SPANS;
        let grace = pod.spec.termination_grace_period_seconds.unwrap_or(30);
        let grace = Duration::from_secs(u64::try_from(grace)?);
        if grace <= takes {
            let (grace, takes) = (grace.as_secs(), takes.as_secs());
            problems.push(format!(
                "{name}: has {grace} s to end, and takes up to {takes} s"
            ));
        }
    }
    Ok(problems)
}

/// How long open work may take: what the estate says, or else what the code does.
fn drain(objects: &Objects) -> Result<Duration> {
    let mut maps = objects.bare("ConfigMap");
    let estate = maps
        .find(|map| map["metadata"]["name"] == "estate")
        .context("the estate")?;
    match estate["data"]["DRAIN_SECONDS"].as_str() {
        Some(seconds) => Ok(Duration::from_secs(seconds.parse()?)),
        None => Ok(DRAIN),
    }
}

fn sleep(pod: &Pods) -> Duration {
    let hooks = pod
        .spec
        .containers
        .iter()
        .filter_map(|container| container.lifecycle.as_ref());
    let sleeps = hooks.filter_map(|hooks| hooks.pre_stop.as_ref()?.sleep.as_ref());
    let longest = sleeps.map(|sleep| sleep.seconds).max().unwrap_or_default();
    Duration::from_secs(u64::try_from(longest).unwrap_or_default())
}
