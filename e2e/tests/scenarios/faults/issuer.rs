//! The cluster's issuer does not serve its documents, or takes long.

use local_cloud::faults::{Name, Switch};

use super::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_entra_cannot_reach_is_named_with_its_code_until_it_is_back() {
    let scene = Scene::of("frontend").await;
    scene
        .fault(Switch {
            code: Some(90061),
            ..Switch::on(Name::IssuerUnreachable)
        })
        .await;

    scene.starts_again().await;
    scene.waits_for("AADSTS90061").await;
    scene.clear().await;

    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_without_the_issuers_keys_is_not_ready_until_it_has_them() {
    let scene = Scene::of("backend").await;
    scene.fault(Switch::on(Name::IssuerUnreachable)).await;

    scene.starts_again().await;
    scene
        .waits_for(".well-known/openid-configuration answered 503")
        .await;
    scene.clear().await;

    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_keys_are_waited_for() {
    let scene = Scene::of("backend").await;
    let since = scene.fault(Switch::on(Name::SlowKeys)).await;

    scene.starts_again().await;
    scene.is_ready().await;

    let exchanges = scene.exchanges(since).await;
    assert!(exchanges.iter().all(Option::is_none), "{exchanges:?}");
    let slow = scene.stack.control().faults().await.expect("the faults");
    // Both documents, for Entra ID and for the backend.
    assert!(slow[0].happened >= 4, "{slow:?}");
    scene.clear().await;
    scene.recovers().await;
}
