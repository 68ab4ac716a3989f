//! Changes that have not arrived everywhere.

use std::time::Duration;

use local_cloud::FederatedCredential;
use local_cloud::control::GrantBody;
use local_cloud::faults::{Name, Switch};

use super::Scene;
use crate::grants::{outcomes, probe};

/// Short, because pods do not go with the cloud's clock.
const SECONDS: u32 = 20;

fn delayed(fault: Name) -> Switch {
    Switch {
        seconds: Some(SECONDS),
        ..Switch::on(fault)
    }
}

impl Scene {
    async fn advance(&self, seconds: u32) {
        let by = Duration::from_secs(seconds.into());
        self.stack.control().advance(by).await.expect("advanced");
    }

    /// The pod's identity has lost its trust, long enough ago for everybody to
    /// know, and gets it back now.
    async fn trust_is_written_anew(&self) {
        let control = self.stack.control();
        let credentials = control.federated_credentials(self.pod).await;
        let [credential] = &credentials.expect("the trust")[..] else {
            panic!("the identity trusts one service account")
        };
        let FederatedCredential { name, .. } = credential;
        let deleted = control.delete_federated_credential(self.pod, name).await;
        deleted.expect("deleted");
        self.advance(SECONDS).await;
        let put = control.put_federated_credential(self.pod, credential).await;
        put.expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_credential_is_waited_for_until_it_has_arrived() {
    let scene = Scene::of("frontend").await;
    scene.fault(delayed(Name::TrustDelay)).await;
    scene.trust_is_written_anew().await;

    scene.starts_again().await;
    scene.waits_for("AADSTS70025").await;
    scene.advance(SECONDS).await;

    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_some_nodes_have_not_heard_of_is_tried_until_it_is_found() {
    let scene = Scene::of("worker").await;
    // Longer than the story: it is the retries that get there.
    let since = scene
        .fault(Switch {
            seconds: Some(SECONDS * 5),
            ..Switch::on(Name::TrustFlapping)
        })
        .await;
    let credentials = scene.stack.control().federated_credentials("worker").await;
    let [credential] = &credentials.expect("the trust")[..] else {
        panic!("the identity trusts one service account")
    };
    // Before this one, the identity trusted another subject.
    let other = FederatedCredential {
        subject: "system:serviceaccount:todolist:other".to_owned(),
        ..credential.clone()
    };
    let control = scene.stack.control();
    let put = control.put_federated_credential("worker", &other).await;
    put.expect("written");
    scene.advance(SECONDS * 5).await;
    let put = control.put_federated_credential("worker", credential).await;
    put.expect("written");

    scene.starts_again().await;
    scene.is_ready().await;

    let exchanges = scene.exchanges(since).await;
    assert!(exchanges.iter().any(Option::is_none), "{exchanges:?}");
    assert!(
        scene.refused(since, "AADSTS700213").await > 0,
        "{exchanges:?}"
    );
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_taken_or_given_counts_once_that_has_arrived() {
    const CELL: &str = "vault/secrets/session-key get";
    let scene = Scene::of("frontend").await;
    scene.fault(delayed(Name::RoleDelay)).await;
    let role = GrantBody {
        identity: "frontend".to_owned(),
        role: "Key Vault Secrets User".to_owned(),
        scope: "vault/secrets/session-key".to_owned(),
    };
    let control = scene.stack.control();
    let says = async || outcomes(&probe(&scene.stack, "frontend").await)[CELL].clone();
    let before = says().await;

    control.revoke(&role).await.expect("revoked");
    assert_eq!(says().await, before, "it has not arrived");
    scene.advance(SECONDS).await;
    assert_eq!(says().await, "403 ForbiddenByRbac");
    control.grant(&role).await.expect("granted");
    assert_eq!(says().await, "403 ForbiddenByRbac", "it has not arrived");
    scene.advance(SECONDS).await;
    assert_eq!(says().await, before);

    scene.recovers().await;
}
