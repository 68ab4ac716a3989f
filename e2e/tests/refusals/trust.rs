//! What people get wrong in a federated credential, done to a running cloud: it
//! is written without a word, and the next exchange fails until it is healed.

use local_cloud::FederatedCredential;

use crate::cloud::{Cloud, KEY_VAULT, TokenCall};

const FRONTEND: &str = "frontend";

/// The code that the frontend is refused with, if it is.
async fn exchange(cloud: &Cloud) -> Option<u64> {
    let call = TokenCall::of(FRONTEND, KEY_VAULT, &cloud.assertion(FRONTEND).await);
    let answer = call.send(cloud).await;
    answer.json()["error_codes"][0].as_u64()
}

#[tokio::test]
async fn a_wrong_credential_fails_at_the_exchange_and_is_healed() {
    let cloud = Cloud::shared().await;
    let credentials = cloud.control.federated_credentials(FRONTEND).await;
    let right = credentials.expect("its credentials").remove(0);
    let put = async |credential: &FederatedCredential| {
        let put = cloud.control.put_federated_credential(FRONTEND, credential);
        put.await.expect("its form is right");
    };

    for (what, wrong, code) in [
        (
            "wrong subject",
            FederatedCredential {
                subject: "system:serviceaccount:todolist:fronted".to_owned(),
                ..right.clone()
            },
            700_213,
        ),
        (
            "an issuer without its slash",
            FederatedCredential {
                issuer: right.issuer.trim_end_matches('/').to_owned(),
                ..right.clone()
            },
            700_211,
        ),
        (
            "wrong audience",
            FederatedCredential {
                audience: "api://AzureADTokenExchang".to_owned(),
                ..right.clone()
            },
            700_212,
        ),
    ] {
        put(&wrong).await;
        assert_eq!(exchange(&cloud).await, Some(code), "{what}");
    }

    put(&right).await;
    assert_eq!(exchange(&cloud).await, None, "healed");
}

#[tokio::test]
async fn a_form_that_azure_refuses_is_refused_with_its_text() {
    let cloud = Cloud::shared().await;
    let credentials = cloud.control.federated_credentials(FRONTEND).await;
    let again = FederatedCredential {
        name: "again".to_owned(),
        ..credentials.expect("its credentials").remove(0)
    };

    let refused = cloud
        .control
        .put_federated_credential(FRONTEND, &again)
        .await;

    let why = refused.expect_err("it is there already").to_string();
    assert!(why.contains("400 Bad Request"), "{why}");
    let text = "Issuer and subject combination already exists for this Managed Identity.";
    assert!(why.contains(text), "{why}");
}

#[tokio::test]
async fn the_identity_of_a_resource_is_its_own() {
    let cloud = Cloud::shared().await;
    let resource = "Microsoft.Compute/virtualMachines/build";
    cloud
        .control
        .create_resource(resource)
        .await
        .expect("created");

    let token = cloud.control.resource_token(resource, KEY_VAULT).await;
    assert_eq!(token.expect("a token").split('.').count(), 3);
    let credential = FederatedCredential {
        name: "pod".to_owned(),
        issuer: local_cloud::names::cluster_issuer(),
        subject: "system:serviceaccount:todolist:frontend".to_owned(),
        audience: local_cloud::EXCHANGE_AUDIENCE.to_owned(),
    };
    let refused = cloud
        .control
        .put_federated_credential("build", &credential)
        .await;
    let why = refused.expect_err("no pod gets in").to_string();
    assert!(why.contains("ParentResourceNotFound"), "{why}");

    cloud
        .control
        .delete_resource(resource)
        .await
        .expect("deleted");
    let token = cloud.control.resource_token(resource, KEY_VAULT).await;
    token.expect_err("it went with the resource");
}
