//! Several pods of each Deployment: what a Service and a kubelet do for them.

use std::time::{Duration, Instant};

use e2e::stack::{Options, Stack};

use crate::person::Person;
use crate::stage::start;

/// Two pods of each Deployment.
pub(crate) fn two_of_each() -> Options {
    ["frontend", "backend", "worker"]
        .into_iter()
        .fold(Options::default(), |options, name| {
            options.replicas(name, 2)
        })
}

/// Waits until a supervised pod was started again as often as this.
pub(crate) async fn until_restarted(stack: &Stack, pod: &str, times: u32) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while stack.restarts(pod).expect("a pod") < times {
        assert!(Instant::now() < deadline, "{pod} is not started again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_pod_is_passed_over_and_comes_back_at_its_address() {
    let stack = start(two_of_each()).await;
    let pods: Vec<String> = stack.pods().map(str::to_owned).collect();
    assert_eq!(
        pods,
        [
            "backend-0",
            "backend-1",
            "frontend-0",
            "frontend-1",
            "worker-0",
            "worker-1"
        ]
    );
    let person = Person::at(&stack);

    for pod in ["frontend-0", "backend-0"] {
        stack.kill_pod(pod).await.expect("killed");
    }
    for _ in 0..4 {
        let page = person.open("/").await;
        assert!(page.status.is_success(), "{}", page.words());
    }

    let before = stack.address("frontend-0").expect("an address");
    stack.supervise();
    for pod in ["frontend-0", "backend-0"] {
        until_restarted(&stack, pod, 1).await;
        stack.wait_until_ready(pod).await.expect("ready again");
    }
    assert_eq!(stack.address("frontend-0").expect("an address"), before);
    let page = Person::at_pod(&stack, "frontend-0").open("/").await;
    assert!(page.status.is_success(), "{}", page.words());
    stack.stop(|_| {}).await.expect("everything ends");
}
