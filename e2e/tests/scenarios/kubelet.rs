//! What the kubelet does with a pod, by what its manifest says: probes that gate
//! and restart, a back-off, and the time that a pod has to end.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use e2e::kubelet::Happening;
use e2e::probes::Kind;
use e2e::stack::{Options, Stack};
use rustix::process::{Pid, Signal, kill_process};

use crate::edited::Edited;
use crate::stage::{PATIENCE, prepare, start};

/// The next thing that the kubelet does.
async fn next(stack: &mut Stack) -> Happening {
    let next = tokio::time::timeout(PATIENCE, stack.next_happening()).await;
    let next = next.expect("the kubelet does something in time");
    next.expect("the cloud runs")
}

/// Stops a pod's process without ending it: it answers nothing, and does not
/// notice when it is asked to end.
async fn freeze(stack: &Stack, pod: &str) {
    let pid = stack.pid(pod).await.expect("it runs");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id"));
    kill_process(pid.expect("not zero"), Signal::STOP).expect("signalled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_no_longer_lives_is_killed_after_its_grace_and_started_again() {
    let manifests = Edited::base()
        .with(
            "worker.yaml",
            "          livenessProbe:\n",
            "          livenessProbe:\n            periodSeconds: 1\n            failureThreshold: 2\n",
        )
        .with(
            "worker.yaml",
            "terminationGracePeriodSeconds: 60",
            "terminationGracePeriodSeconds: 1",
        );
    let mut stack = start(manifests.options(&["worker"])).await;
    let before = stack.pid("worker").await.expect("it runs");

    freeze(&stack, "worker").await;

    let first = next(&mut stack).await;
    assert!(
        matches!(&first, Happening::Unhealthy { probe: Kind::Liveness, wait, .. } if wait.is_zero()),
        "{first:?}"
    );
    let second = next(&mut stack).await;
    assert!(matches!(second, Happening::Restarted { .. }), "{second:?}");
    stack.wait_until_ready("worker").await.expect("ready again");
    assert_ne!(stack.pid("worker").await.expect("it runs"), before);

    freeze(&stack, "worker").await;
    let ended = stack.end_pod("worker").await.expect("it ended");
    assert_eq!(ended.signal(), Some(9), "{ended}");
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_start_is_killed_and_never_ready() {
    let manifests = Edited::base().with(
        "worker.yaml",
        "          startupProbe:\n            httpGet:\n              path: /livez\n              port: management\n            periodSeconds: 2\n            failureThreshold: 30\n",
        "          startupProbe:\n            httpGet:\n              path: /nowhere\n              port: management\n            periodSeconds: 1\n            failureThreshold: 2\n",
    );
    prepare();
    let options = manifests
        .options(&["worker"])
        .back_off(Duration::from_millis(5));
    let mut stack = Stack::begin(options, |_| {}).await.expect("it begins");

    for expected in [Duration::ZERO, Duration::from_millis(5)] {
        let happening = next(&mut stack).await;
        assert!(
            matches!(&happening, Happening::Unhealthy { probe: Kind::Startup, wait, .. } if *wait == expected),
            "{happening:?}"
        );
        let happening = next(&mut stack).await;
        assert!(
            matches!(happening, Happening::Restarted { .. }),
            "{happening:?}"
        );
    }
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_ends_again_and_again_waits_before_it_is_started() {
    let wait = Duration::from_millis(50);
    let options = Options::base().only(&["worker"]).back_off(wait);
    let mut stack = start(options).await;
    stack.supervise();

    for expected in [Duration::ZERO, wait] {
        stack.kill_pod("worker").await.expect("killed");
        let happening = next(&mut stack).await;
        assert!(
            matches!(&happening, Happening::Ended { wait, .. } if *wait == expected),
            "{happening:?}"
        );
        let happening = next(&mut stack).await;
        assert!(
            matches!(happening, Happening::Restarted { .. }),
            "{happening:?}"
        );
        stack.wait_until_ready("worker").await.expect("ready again");
    }
    stack.stop(|_| {}).await.expect("everything ends");
}
