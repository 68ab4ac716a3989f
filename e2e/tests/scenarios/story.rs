//! The story that goes through everything: page -> API -> Cosmos DB -> outbox ->
//! Service Bus -> worker -> activity -> page, with a file on the way.

use std::collections::BTreeSet;

use e2e::stack::Options;
use local_cloud::audit::{Decision, Record};
use serde_json::Value;

use crate::person::{INBOX, Person};
use crate::secrets;
use crate::stage::{start, story};

#[tokio::test(flavor = "multi_thread")]
async fn a_todo_with_a_file_goes_all_the_way_and_the_audit_accounts_for_it() {
    let stack = start(Options::default()).await;
    let person = Person::at(&stack);
    let file: Vec<u8> = b"%PDF-1.7\n"
        .iter()
        .copied()
        .chain((0..200_000_u32).map(|n| (n % 251) as u8))
        .collect();

    let page = person.add("Write the report").await;
    assert_eq!(page.titles(), ["Write the report"], "{}", page.words());
    let page = person.attach("Write the report", "draft.pdf", &file).await;
    assert!(page.status.is_success(), "{}", page.words());
    person
        .until_ready(&stack, "Write the report", "draft.pdf")
        .await;
    assert_eq!(
        person.download("Write the report", "draft.pdf").await,
        file,
        "the same bytes come back"
    );
    person.press("Write the report", "complete").await;
    let page = person
        .until(&stack, "the activity tells all of it", |page| {
            page.activity().len() == 4
        })
        .await;
    let activity = page.activity();
    for (what, entry) in [
        "Write the report",
        "draft.pdf",
        "draft.pdf",
        "Write the report",
    ]
    .iter()
    .zip(&activity)
    {
        assert!(entry.contains(what), "{activity:?}");
    }
    person.press("Write the report", "delete").await;
    person
        .until(&stack, "the to-do is gone", |page| page.titles().is_empty())
        .await;

    let audit = stack.control().audit(0).await.expect("the audit");
    accounts_for(&audit, &story(&stack).await);
    is_written_down(&audit);
    let mut pages = Vec::new();
    for path in [INBOX, "/", "/access"] {
        pages.push(person.open(path).await);
    }
    secrets::are_nowhere(&stack, &pages).await;
    stack.stop(|_| {}).await.expect("everything ends");
}

/// Every action at a resource is one that `e2e/uses.json` says of its identity, at
/// a scope where it says so.
fn is_written_down(audit: &[Record]) {
    let text = std::fs::read_to_string(e2e::trust::default_uses()).expect("the uses");
    let uses: Value = serde_json::from_str(&text).expect("JSON");
    let uses = uses["uses"].as_array().expect("uses");
    let actions = audit.iter().filter(|record| record.by != "entra");
    for record in actions {
        let identity = record.identity.as_deref().expect("nothing is anonymous");
        let written = uses.iter().any(|used| {
            let scope = used["scope"].as_str().expect("a scope");
            // An account's own metadata is read for the sake of what is in it.
            let here = record.scope.starts_with(scope)
                || (record.action.ends_with("/readMetadata") && scope.starts_with(&*record.scope));
            let mut actions = used["actions"].as_array().expect("actions").iter();
            used["identity"] == *identity && here && actions.any(|own| *own == *record.action)
        });
        assert!(written, "e2e/uses.json does not say it: {record:#?}");
    }
}

/// Every step of the story is there, by the right identity at the right scope;
/// nothing was denied; and no identity did anything before its exchange.
fn accounts_for(audit: &[Record], story: &str) {
    let todos = "cosmos/databases/todolist/containers/todos";
    let activity = "cosmos/databases/todolist/containers/activity";
    let steps = [
        ("backend", "ExecuteTransactionalBatch", todos),
        ("backend", "QueryItems", todos),
        ("backend", "Send", "bus/queues/todo-events"),
        ("worker", "Receive", "bus/queues/todo-events"),
        ("worker", "CreateItem", activity),
        ("worker", "Complete", "bus/queues/todo-events"),
        ("frontend", "QueryItems", activity),
        ("frontend", "PutBlockList", "storage/containers/attachments"),
        ("frontend", "Send", "bus/queues/attachment-jobs"),
        ("worker", "Receive", "bus/queues/attachment-jobs"),
        ("worker", "GetBlob", "storage/containers/attachments"),
        ("worker", "ExecuteTransactionalBatch", todos),
        ("worker", "Complete", "bus/queues/attachment-jobs"),
        ("frontend", "GetBlob", "storage/containers/attachments"),
    ];
    let did: BTreeSet<_> = audit
        .iter()
        .filter_map(|record| {
            Some((
                record.identity.as_deref()?,
                record.operation.as_str(),
                record.scope.as_str(),
            ))
        })
        .collect();
    for step in steps {
        assert!(
            did.contains(&step),
            "{step:?} is not in the audit; {did:#?}"
        );
    }
    let denied: Vec<_> = audit
        .iter()
        .filter(|record| record.decision == Decision::Denied)
        .collect();
    assert!(denied.is_empty(), "{denied:#?}\n{story}");
    let mut exchanged = BTreeSet::new();
    for record in audit {
        let identity = record.identity.as_deref().expect("nothing is anonymous");
        let subject = record
            .subject
            .as_deref()
            .expect("every identity acts for a service account");
        assert_eq!(
            subject,
            format!("system:serviceaccount:todolist:{identity}")
        );
        if record.by == "entra" {
            exchanged.insert(identity);
        } else {
            assert!(
                exchanged.contains(identity),
                "{identity} acts before its exchange: {record:?}"
            );
        }
    }
    assert_eq!(exchanged.len(), 3);
}
