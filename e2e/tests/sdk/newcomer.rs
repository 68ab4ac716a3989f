//! An identity that asks for its first tokens: how often the official credential
//! asks, and that the cloud's audit shows exactly that.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use libtest_mimic::Trial;
use local_cloud::audit::Decision;
use service_bus::ServiceBusReceiverOptions;

use crate::world::{trials, world};
use crate::{blob, cosmos, key_vault, service_bus as bus};

pub(crate) fn trials() -> Vec<Trial> {
    trials![each_resource_takes_one_exchange_however_often_it_is_used]
}

async fn each_resource_takes_one_exchange_however_often_it_is_used() {
    // At once, before there is any token.
    let secrets = key_vault::client();
    let reads = (0..8).map(|_| secrets.get_secret("generated", None));
    try_join_all(reads).await.expect("read");
    let blobs = blob::service().blob_container_client("readable");
    for _ in 0..3 {
        assert!(!blobs.blob_client("none").exists().await.expect("answered"));
    }
    let items = cosmos::container("readable").await.expect("it opens");
    for _ in 0..3 {
        let error = items.read_item("none", "none", None).await.map(drop);
        assert_eq!(cosmos::code(&error.expect_err("it is not there")), "404");
    }
    for _ in 0..2 {
        let options = ServiceBusReceiverOptions::default();
        let receiver = bus::client().create_receiver("readable", options);
        let message = receiver.receive_message(Duration::from_millis(20)).await;
        assert!(message.expect("allowed").is_none());
    }

    let exchanges = world().audited("newcomer", "TokenExchange").await;

    let mut by_scope = BTreeMap::new();
    for exchange in &exchanges {
        assert_eq!(exchange.decision, Decision::Allowed, "{exchange:?}");
        assert_eq!(
            exchange.subject.as_deref(),
            Some("system:serviceaccount:sdk:newcomer")
        );
        *by_scope.entry(exchange.action.as_str()).or_insert(0) += 1;
    }
    let once = |resource| (resource, 1);
    assert_eq!(
        by_scope,
        BTreeMap::from([
            once("https://cosmos.azure.com/.default"),
            once("https://servicebus.azure.net/.default"),
            once("https://storage.azure.com/.default"),
            once("https://vault.azure.net/.default"),
        ])
    );
}
