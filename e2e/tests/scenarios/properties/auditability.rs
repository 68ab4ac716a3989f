//! Every exchange and every action at a resource can be traced to the service
//! account that is behind it.

use std::collections::BTreeMap;

use e2e::stack::Options;
use local_cloud::audit::{Decision, Record};

use crate::person::Person;
use crate::stage::{start, story};

#[tokio::test(flavor = "multi_thread")]
async fn every_action_is_traced_to_the_service_account_that_the_token_was_issued_for() {
    let stack = start(Options::default()).await;
    let person = Person::at(&stack);
    person.add("Write the report").await;
    person
        .attach("Write the report", "draft.txt", b"a draft")
        .await;
    person
        .until_ready(&stack, "Write the report", "draft.txt")
        .await;
    for pod in ["frontend", "backend", "worker"] {
        stack.probe(pod).await.expect("a report");
    }

    let audit = stack.control().audit(0).await.expect("the audit");

    let told = story(&stack).await;
    let by_entra = |record: &&Record| record.by == "entra";
    let issued: BTreeMap<&str, &Record> = audit
        .iter()
        .filter(by_entra)
        .filter_map(|exchange| Some((exchange.token.as_deref()?, exchange)))
        .collect();
    let exchanges = audit.iter().filter(by_entra).count();
    assert_eq!(
        issued.len(),
        exchanges,
        "each token has an id of its own\n{told}"
    );
    let mut services = BTreeMap::new();
    for action in audit.iter().filter(|record| !by_entra(record)) {
        let token = action.token.as_deref();
        let token = token.unwrap_or_else(|| panic!("without a token: {action:?}\n{told}"));
        let exchange = issued
            .get(token)
            .unwrap_or_else(|| panic!("nobody issued the token of {action:?}\n{told}"));
        assert_eq!(exchange.decision, Decision::Allowed);
        assert!(exchange.sequence < action.sequence, "{action:?}");
        assert_eq!(exchange.identity, action.identity, "{action:?}");
        assert_eq!(exchange.subject, action.subject, "{action:?}");
        let identity = action.identity.as_deref().expect("a name");
        let subject = format!("system:serviceaccount:todolist:{identity}");
        assert_eq!(action.subject, Some(subject), "{action:?}");
        let decisions: &mut (u32, u32) =
            services.entry((action.by.as_str(), identity)).or_default();
        match action.decision {
            Decision::Allowed => decisions.0 += 1,
            Decision::Denied => decisions.1 += 1,
        }
    }
    // Of the four services and three identities each pair is there: the probes ask
    // everywhere, and are refused somewhere.
    assert_eq!(services.len(), 12, "{services:#?}\n{told}");
    assert!(services.values().any(|(_, denied)| *denied > 0));
    stack.stop(|_| {}).await.expect("everything ends");
}
