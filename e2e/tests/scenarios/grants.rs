//! Roles that change while everything runs: one path is denied at once, the
//! others go on, and nothing has to be restarted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::stack::{Options, Stack};
use local_cloud::control::GrantBody;
use platform::access::AccessReport;

use crate::person::Person;
use crate::stage::{start, story};

fn grant(identity: &str, role: &str, scope: &str) -> GrantBody {
    GrantBody {
        identity: identity.to_owned(),
        role: role.to_owned(),
        scope: scope.to_owned(),
    }
}

/// A pod runs its probe at most once in five seconds.
pub(crate) async fn probe(stack: &Stack, pod: &str) -> AccessReport {
    loop {
        match stack.probe(pod).await {
            Ok(report) => return report,
            Err(error) if error.to_string().contains("429") => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => panic!("the probe of {pod}: {error:?}"),
        }
    }
}

pub(crate) fn outcomes(report: &AccessReport) -> BTreeMap<String, String> {
    let cells = report.cells.iter();
    cells
        .map(|cell| (cell.id(), cell.outcome.text().to_owned()))
        .collect()
}

/// The cells that differ, with what they were and are.
fn changed(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> BTreeSet<(String, String)> {
    let differing = after
        .iter()
        .filter(|(cell, outcome)| before.get(*cell) != Some(outcome));
    differing
        .map(|(cell, outcome)| (cell.clone(), outcome.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_grant_denies_its_path_alone_and_works_again_when_it_is_back() {
    let stack = start(Options::default()).await;
    let frontend = [
        (
            grant(
                "frontend",
                "Key Vault Secrets User",
                "vault/secrets/session-key",
            ),
            vec![("vault/secrets/session-key get", "403 ForbiddenByRbac")],
        ),
        (
            grant(
                "frontend",
                "Cosmos DB Built-in Data Reader",
                "cosmos/databases/todolist/containers/activity",
            ),
            vec![
                ("cosmos/activity read", "403/5301"),
                ("cosmos/activity query", "403/5301"),
                ("cosmos/activity write", "403/5301"),
                ("cosmos/activity delete", "403/5301"),
            ],
        ),
        (
            grant(
                "frontend",
                "Storage Blob Data Contributor",
                "storage/containers/attachments",
            ),
            vec![
                (
                    "storage/attachments list",
                    "403 AuthorizationPermissionMismatch",
                ),
                (
                    "storage/attachments read",
                    "403 AuthorizationPermissionMismatch",
                ),
                (
                    "storage/attachments write",
                    "403 AuthorizationPermissionMismatch",
                ),
                (
                    "storage/attachments delete",
                    "403 AuthorizationPermissionMismatch",
                ),
            ],
        ),
        (
            grant(
                "frontend",
                "Azure Service Bus Data Sender",
                "bus/queues/attachment-jobs",
            ),
            vec![("bus/attachment-jobs send", "amqp:unauthorized-access Send")],
        ),
    ];
    let others = ["backend", "worker"];
    let mut before = BTreeMap::new();
    for pod in ["frontend", "backend", "worker"] {
        before.insert(pod, outcomes(&probe(&stack, pod).await));
    }

    for (grant, expected) in frontend {
        stack.control().revoke(&grant).await.expect("revoked");
        let expected: BTreeSet<_> = expected
            .iter()
            .map(|(c, o)| ((*c).to_owned(), (*o).to_owned()))
            .collect();
        let now = outcomes(&probe(&stack, "frontend").await);
        assert_eq!(
            changed(&before["frontend"], &now),
            expected,
            "{grant:?}\n{}",
            story(&stack).await
        );
        stack.control().grant(&grant).await.expect("granted");
    }

    for pod in others {
        let now = outcomes(&probe(&stack, pod).await);
        assert_eq!(changed(&before[pod], &now), BTreeSet::new(), "{pod}");
    }
    let now = outcomes(&probe(&stack, "frontend").await);
    assert_eq!(
        changed(&before["frontend"], &now),
        BTreeSet::new(),
        "all grants are back"
    );
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_told_when_a_path_is_denied_and_the_rest_of_the_page_works() {
    let stack = start(Options::default()).await;
    let person = Person::at(&stack);
    person.add("Keep going").await;
    let blobs = grant(
        "frontend",
        "Storage Blob Data Contributor",
        "storage/containers/attachments",
    );

    stack.control().revoke(&blobs).await.expect("revoked");
    let refused = person.attach("Keep going", "a.txt", b"a").await;
    assert!(
        refused.status.is_server_error() || refused.status.is_client_error(),
        "{}",
        refused.words()
    );
    let page = person.add("Something else").await;
    assert_eq!(page.titles().len(), 2, "{}", page.words());

    stack.control().grant(&blobs).await.expect("granted");
    person.attach("Keep going", "b.txt", b"b").await;
    // It works again without a restart.
    person.until_ready(&stack, "Keep going", "b.txt").await;
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_service_bus_link_outlives_the_role_but_a_new_one_is_refused() {
    let stack = start(Options::default()).await;
    let person = Person::at(&stack);
    person.add("Keep going").await;
    person.attach("Keep going", "first.txt", b"first").await;
    let sender = grant(
        "frontend",
        "Azure Service Bus Data Sender",
        "bus/queues/attachment-jobs",
    );

    stack.control().revoke(&sender).await.expect("revoked");
    let report = probe(&stack, "frontend").await;
    assert_eq!(
        outcomes(&report)["bus/attachment-jobs send"],
        "amqp:unauthorized-access Send"
    );
    person.attach("Keep going", "second.txt", b"second").await;

    // The open link still sends.
    person.until_ready(&stack, "Keep going", "second.txt").await;
    stack.stop(|_| {}).await.expect("everything ends");
}
