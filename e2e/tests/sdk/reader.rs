//! An identity that may only read, and only some things: every client's own
//! form of the service's refusal, with the service's exact code.

use azure_core::credentials::TokenCredential as _;
use azure_core::error::ErrorKind;
use azure_core::http::RequestContent;
use azure_data_cosmos::{FeedScope, Query, TransactionalBatch};
use azure_identity::{WorkloadIdentityCredential, WorkloadIdentityCredentialOptions};
use azure_security_keyvault_secrets::models::SetSecretParameters;
use futures::TryStreamExt as _;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use service_bus::{
    Direction, ServiceBusError, ServiceBusErrorKind, ServiceBusMessage, ServiceBusReceiverOptions,
};

use crate::world::{chain, refusal, trials};
use crate::{blob, cosmos, key_vault, service_bus as bus};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        key_vault_lists_to_a_reader_and_refuses_values_and_changes,
        blob_storage_reads_to_a_reader_and_refuses_changes,
        cosmos_reads_to_a_reader_and_refuses_changes,
        cosmos_refuses_a_container_without_a_role_at_its_opening,
        service_bus_lets_a_receiver_receive_from_its_queue_only,
        entra_refuses_to_give_the_token_of_another_identity,
    ]
}

fn by_rbac() -> (u16, String) {
    (403, "ForbiddenByRbac".to_owned())
}

fn mismatch() -> (u16, String) {
    (403, "AuthorizationPermissionMismatch".to_owned())
}

async fn key_vault_lists_to_a_reader_and_refuses_values_and_changes() {
    let client = key_vault::client();
    let value = || SetSecretParameters {
        value: Some("x".to_owned()),
        ..SetSecretParameters::default()
    };

    let listed = client.list_secret_properties(None).expect("a pager");
    let listed: Vec<_> = listed.try_collect().await.expect("listed");
    assert!(!listed.is_empty());

    // What does not exist is not told apart.
    for name in ["generated", "no-such-secret"] {
        let error = client
            .get_secret(name, None)
            .await
            .map(drop)
            .expect_err("denied");
        assert_eq!(refusal(&error), by_rbac());
        let text = error.to_string();
        let action = "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'";
        assert!(text.contains(action), "{text}");
        assert!(
            text.contains(&format!("/vaults/localvault/secrets/{name}'")),
            "{text}"
        );
        let parameters = value().try_into().expect("JSON");
        let error = client.set_secret(name, parameters, None).await.map(drop);
        assert_eq!(refusal(&error.expect_err("denied")), by_rbac());
    }
}

async fn blob_storage_reads_to_a_reader_and_refuses_changes() {
    let service = blob::service();
    let readable = service.blob_container_client("readable");
    let blob = readable.blob_client("none");

    let error = blob
        .download(None)
        .await
        .map(drop)
        .expect_err("it is not there");
    assert_eq!(
        refusal(&error),
        (404, "BlobNotFound".to_owned()),
        "reading is allowed"
    );
    let listed = readable.list_blobs(None).expect("a pager");
    assert!(
        listed
            .try_collect::<Vec<_>>()
            .await
            .expect("listed")
            .is_empty()
    );

    let error = blob.upload(RequestContent::from(b"x".to_vec()), None).await;
    assert_eq!(refusal(&error.map(drop).expect_err("denied")), mismatch());
    let error = blob.delete(None).await;
    assert_eq!(refusal(&error.map(drop).expect_err("denied")), mismatch());
    let error = service
        .list_containers(None)
        .expect("a pager")
        .try_next()
        .await;
    assert_eq!(refusal(&error.map(drop).expect_err("denied")), mismatch());
    for other in ["files", "no-such-container"] {
        let blob = service.blob_container_client(other).blob_client("none");
        let error = blob.download(None).await.map(drop).expect_err("denied");
        assert_eq!(refusal(&error), mismatch());
        // A HEAD has no body: the code is in a header.
        let error = blob
            .get_properties(None)
            .await
            .map(drop)
            .expect_err("denied");
        assert_eq!(refusal(&error), mismatch());
    }
}

async fn cosmos_reads_to_a_reader_and_refuses_changes() {
    let readable = cosmos::container("readable").await.expect("it opens");
    let item = || json!({ "id": "one", "list": "mine" });

    let error = readable.read_item("mine", "one", None).await.map(drop);
    assert_eq!(cosmos::code(&error.expect_err("it is not there")), "404");
    let all = Query::from("SELECT * FROM c");
    let found = readable
        .query_items::<Value>(all, FeedScope::partition("mine"), None)
        .await;
    let found: Vec<_> = found.expect("a query").try_collect().await.expect("items");
    assert!(found.is_empty());

    let created = readable
        .create_item("mine", "one", item(), None)
        .await
        .map(drop);
    let upserted = readable
        .upsert_item("mine", "one", item(), None)
        .await
        .map(drop);
    let replaced = readable
        .replace_item("mine", "one", item(), None)
        .await
        .map(drop);
    let deleted = readable.delete_item("mine", "one", None).await.map(drop);
    let batch = TransactionalBatch::new("mine")
        .create_item(item())
        .expect("a batch");
    let batched = readable
        .execute_transactional_batch(batch, None)
        .await
        .map(drop);
    for (outcome, action) in [
        (created, "create"),
        (upserted, "upsert"),
        (replaced, "replace"),
        (deleted, "delete"),
        (batched, "create"),
    ] {
        let error = outcome.expect_err("denied");
        assert_eq!(cosmos::code(&error), "403/5302");
        let text = chain(&error);
        let action = format!(
            "does not have required RBAC permissions to perform action \
             [Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/{action}] \
             on resource [dbs/estate/colls/readable"
        );
        assert!(text.contains(&action), "{text}");
    }
}

async fn cosmos_refuses_a_container_without_a_role_at_its_opening() {
    for name in ["items", "no-such-container"] {
        let error = cosmos::container(name).await.map(drop).expect_err("denied");

        assert_eq!(cosmos::code(&error), "403/5301");
        let text = chain(&error);
        let action =
            "to perform action [Microsoft.DocumentDB/databaseAccounts/readMetadata] on resource";
        assert!(text.contains(action), "{text}");
    }
}

fn assert_unauthorized(error: &ServiceBusError, claim: &str, queue: &str) {
    let ServiceBusErrorKind::Unauthorized {
        claim: found,
        description,
    } = error.kind()
    else {
        panic!("{error}");
    };
    assert_eq!(found.as_deref(), Some(claim));
    let text = format!(
        "Unauthorized access. '{claim}' claim(s) are required to perform this operation. \
         Resource: 'sb://localbus.servicebus.windows.net/{queue}'."
    );
    assert!(description.starts_with(&text), "{description}");
}

async fn service_bus_lets_a_receiver_receive_from_its_queue_only() {
    let client = bus::client();
    let message = ServiceBusMessage::new("id", "x");
    let moment = std::time::Duration::from_millis(50);

    client
        .probe("readable", Direction::Receive)
        .await
        .expect("allowed");
    let options = ServiceBusReceiverOptions::default();
    let nothing = client
        .create_receiver("readable", options)
        .receive_message(moment)
        .await;
    assert!(nothing.expect("allowed").is_none());

    for queue in ["readable", "plain", "no-such-queue"] {
        let error = client.create_sender(queue).send_message(&message).await;
        assert_unauthorized(&error.expect_err("denied"), "Send", queue);
        let error = client.create_sender(queue).open().await;
        assert_unauthorized(&error.expect_err("denied"), "Send", queue);
        let error = client.probe(queue, Direction::Send).await;
        assert_unauthorized(&error.expect_err("denied"), "Send", queue);
    }
    for queue in ["plain", "no-such-queue"] {
        let receiver = client.create_receiver(queue, options);
        let error = receiver.receive_message(moment).await.map(drop);
        assert_unauthorized(&error.expect_err("denied"), "Listen", queue);
    }
}

async fn entra_refuses_to_give_the_token_of_another_identity() {
    let owner = local_cloud::names::client_id("owner");
    let options = WorkloadIdentityCredentialOptions {
        client_id: Some(owner.to_string()),
        ..WorkloadIdentityCredentialOptions::default()
    };
    let credential = WorkloadIdentityCredential::new(Some(options)).expect("a credential");

    let error = credential
        .get_token(&["https://vault.azure.net/.default"], None)
        .await;

    let error = error.map(drop).expect_err("the trust is the reader's");
    assert!(matches!(error.kind(), ErrorKind::Credential), "{error:?}");
    let text = error.to_string();
    let start = "WorkloadIdentityCredential authentication failed. AADSTS700213: No matching federated \
                 identity record found for presented assertion subject 'system:serviceaccount:sdk:reader'.";
    assert!(text.starts_with(start), "{text}");
    let answer = error
        .downcast_ref::<azure_core::Error>()
        .expect("Entra's answer");
    assert_eq!(refusal(answer), (401, "700213".to_owned()));
}
