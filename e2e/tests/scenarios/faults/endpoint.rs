//! Entra ID's token endpoint has a trouble of its own.

use local_cloud::faults::{Name, Switch};

use super::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_pod_comes_again_when_it_was_told_to() {
    let scene = Scene::of("backend").await;
    let since = scene
        .fault(Switch {
            identity: Some("backend".to_owned()),
            times: Some(2),
            ..Switch::on(Name::TokenThrottled)
        })
        .await;

    scene.starts_again().await;
    scene.is_ready().await;

    assert_eq!(scene.refused(since, "AADSTS90055").await, 2);
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_shall_wait_for_a_minute_says_so() {
    let scene = Scene::of("worker").await;
    scene
        .fault(Switch {
            seconds: Some(60),
            ..Switch::on(Name::TokenThrottled)
        })
        .await;

    scene.starts_again().await;
    scene.waits_for("AADSTS90055").await;
    scene.clear().await;

    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_away_is_named_with_its_code_until_it_is_back() {
    let scene = Scene::of("frontend").await;
    scene.fault(Switch::on(Name::TokenUnavailable)).await;

    scene.starts_again().await;
    scene.waits_for("AADSTS90024").await;
    scene.clear().await;

    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_of_the_endpoint_is_tried_again_and_nobody_notices() {
    let scene = Scene::of("backend").await;
    let since = scene
        .fault(Switch {
            times: Some(1),
            code: Some(504),
            ..Switch::on(Name::TokenUnavailable)
        })
        .await;

    scene.starts_again().await;
    scene.is_ready().await;

    assert_eq!(scene.refused(since, "AADSTS90024").await, 1);
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_taken_for_a_loop_says_so_and_goes_on_when_it_may() {
    let scene = Scene::of("worker").await;
    scene.fault(Switch::on(Name::TokenLoop)).await;

    scene.starts_again().await;
    scene.waits_for("AADSTS50196").await;
    scene.clear().await;

    scene.recovers().await;
}
