//! The beginning and the end of a pod, as the kubelet sees them: it is ready once
//! each thing that it needs has answered, says what it waits for until then, and is
//! not ready while it ends.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

use e2e::stack::{Options, Stack};
use local_cloud::audit::Decision;
use local_cloud::control::GrantBody;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::api::Api;
use crate::person::{INBOX, Person};
use crate::stage::{PATIENCE, hold, start, story, until_held};

const TODOS: &str = "cosmos/databases/todolist/containers/todos";
const ACTIVITY: &str = "cosmos/databases/todolist/containers/activity";
const ATTACHMENTS: &str = "storage/containers/attachments";
const EVENTS: &str = "bus/queues/todo-events";
const JOBS: &str = "bus/queues/attachment-jobs";

const CONTRIBUTOR: &str = "Cosmos DB Built-in Data Contributor";
const BLOBS: &str = "Storage Blob Data Contributor";
const SECRETS: &str = "Key Vault Secrets User";
const SENDER: &str = "Azure Service Bus Data Sender";
const RECEIVER: &str = "Azure Service Bus Data Receiver";

/// What a pod needs a role for before it is ready.
struct Need {
    /// What the pod calls it.
    check: &'static str,
    role: &'static str,
    scope: &'static str,
}

const fn need(check: &'static str, role: &'static str, scope: &'static str) -> Need {
    Need { check, role, scope }
}

const FRONTEND: &[Need] = &[
    need("session-key", SECRETS, "vault/secrets/session-key"),
    need("activity", "Cosmos DB Built-in Data Reader", ACTIVITY),
    need("attachments", BLOBS, ATTACHMENTS),
    need("attachment-jobs", SENDER, JOBS),
];

const BACKEND: &[Need] = &[
    need("cosmos/todos", CONTRIBUTOR, TODOS),
    need("inbox", CONTRIBUTOR, TODOS),
    need("share-link-key", SECRETS, "vault/secrets/share-link-key"),
    need("todo-events", SENDER, EVENTS),
];

const WORKER: &[Need] = &[
    need("cosmos/todos", CONTRIBUTOR, TODOS),
    need("cosmos/activity", CONTRIBUTOR, ACTIVITY),
    need("attachments", BLOBS, ATTACHMENTS),
    need("attachment-jobs", RECEIVER, JOBS),
    need("todo-events", RECEIVER, EVENTS),
];

const PODS: [(&str, &[Need]); 3] = [
    ("backend", BACKEND),
    ("worker", WORKER),
    ("frontend", FRONTEND),
];

impl Need {
    fn grant(&self, pod: &str) -> GrantBody {
        GrantBody {
            identity: pod.to_owned(),
            role: self.role.to_owned(),
            scope: self.scope.to_owned(),
        }
    }

    /// The service that refuses, and its code.
    fn refusal(&self) -> &'static str {
        match self.scope.split('/').next() {
            Some("vault") => "Key Vault 403 ForbiddenByRbac",
            Some("cosmos") => "Cosmos DB 403/5301",
            Some("storage") => "Blob Storage 403 AuthorizationPermissionMismatch",
            _ => "amqp:unauthorized-access",
        }
    }

    /// Whether an attempt is one operation; Cosmos DB's client makes several.
    fn is_asked_once(&self) -> bool {
        !self.scope.starts_with("cosmos")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_finishes_what_is_open_and_says_what_it_waits_for_when_it_is_back() {
    let stack = start(Options::default()).await;

    each_finishes_what_is_open(&stack).await;

    for (pod, needs) in PODS {
        for need in needs {
            // One role may be behind several checks.
            let _revoked = stack.control().revoke(&need.grant(pod)).await;
        }
    }
    let before = stack.control().audit(0).await.expect("the audit").len();
    for (pod, _) in PODS {
        stack.start_again(pod, &[]).await.expect("it starts");
    }
    let mut pids = BTreeMap::new();
    for (pod, needs) in PODS {
        says_what_it_waits_for(&stack, pod, needs).await;
        pids.insert(pod, stack.pid(pod).await.expect("it runs"));
    }
    for (pod, needs) in PODS {
        for need in needs {
            let _granted = stack.control().grant(&need.grant(pod)).await;
        }
    }
    for (pod, needs) in PODS {
        stack.wait_until_ready(pod).await.expect("ready");
        assert_eq!(stack.pid(pod).await.expect("it runs"), pids[pod]);
        says_each_attempt(&stack, pod, needs, before).await;
    }
    let page = Person::at(&stack).open(INBOX).await;
    assert!(page.status.is_success(), "{}", page.words());
    stack.stop(|_| {}).await.expect("everything ends");
}

/// Each pod is asked to end while it has something in hand.
async fn each_finishes_what_is_open(stack: &Stack) {
    let person = Person::at(stack);

    let recording = hold(stack, "worker", "CreateItem", ACTIVITY).await;
    person.add("In hand").await;
    ends(stack, "worker", recording, async {}).await;
    let audit = stack.control().audit(0).await.expect("the audit");
    let settled = audit.iter().filter(|record| {
        record.identity.as_deref() == Some("worker")
            && (&*record.operation, &*record.scope) == ("Complete", EVENTS)
    });
    assert_eq!(settled.count(), 1, "{}", story(stack).await);

    let reading = hold(stack, "frontend", "QueryItems", ACTIVITY).await;
    let page = ends(stack, "frontend", reading, person.open(INBOX)).await;
    assert!(page.status.is_success(), "{}", page.words());
    assert_eq!(page.activity().len(), 1, "{}", page.words());

    let api = Api::at(stack).await;
    let reading = hold(stack, "backend", "ReadItem", TODOS).await;
    let list = ends(stack, "backend", reading, api.get("lists/inbox")).await;
    assert_eq!(list.status, StatusCode::OK, "{:?}", list.body);
}

/// Asks a pod to end while it is held in the middle of something: it lives, is not
/// ready, and ends in order once it has finished. Gives what was asked of it.
async fn ends<T>(stack: &Stack, pod: &str, held: u64, asked: impl Future<Output = T>) -> T {
    let ending = async {
        until_held(stack, held).await;
        let draining = async {
            until(stack, &format!("{pod} is draining"), async || {
                let (status, said) = managed(stack, pod, "readyz").await;
                let ready = json!({ "ready": false, "draining": true, "waitingFor": [] });
                (status == 503 && said == ready)
                    .then_some(())
                    .ok_or((status, said))
            })
            .await;
            assert_eq!(managed(stack, pod, "livez").await.0, 200);
            stack.control().release(held).await.expect("released");
        };
        let (ended, ()) = tokio::join!(stack.end_pod(pod), draining);
        let log = std::fs::read_to_string(stack.logs().join(format!("{pod}.log")));
        let last: Vec<_> = log
            .iter()
            .flat_map(|log| log.lines().rev().take(5))
            .collect();
        assert_eq!(ended.expect("it ended").code(), Some(0), "{pod}: {last:#?}");
    };
    let (answer, ()) = tokio::join!(asked, ending);
    answer
}

/// The pod lives, is not ready, and names each check with the refusal.
async fn says_what_it_waits_for(stack: &Stack, pod: &str, needs: &[Need]) {
    let mut refusals: BTreeMap<_, _> = needs
        .iter()
        .map(|need| (need.check, need.refusal()))
        .collect();
    if pod == "frontend" {
        // It asks the backend for the lists, which waits itself.
        refusals.insert("backend", "dependency_unavailable");
    }
    until(stack, &format!("{pod} names {refusals:?}"), async || {
        let (status, said) = managed(stack, pod, "readyz").await;
        let waiting = said["waitingFor"].as_array().cloned().unwrap_or_default();
        let named = waiting.iter().zip(&refusals).all(|(waiting, refusal)| {
            let why = waiting["why"].as_str().unwrap_or_default();
            waiting["check"] == **refusal.0 && why.contains(refusal.1)
        });
        let all = waiting.len() == refusals.len();
        let not_ready = status == 503 && said["draining"] == false;
        (named && all && not_ready).then_some(()).ok_or(said)
    })
    .await;
    assert_eq!(managed(stack, pod, "livez").await.0, 200);
    let again = format!("{pod} tries each again");
    until(stack, &again, async || {
        let attempts = attempts(stack, pod);
        let twice = |need: &Need| {
            let lines = attempts.get(need.check).into_iter().flatten();
            let refused = lines.filter(|why| why.contains(need.refusal()));
            refused.count() > 1
        };
        needs.iter().all(twice).then_some(()).ok_or(attempts)
    })
    .await;
}

/// Each attempt that was refused is a line of the log.
async fn says_each_attempt(stack: &Stack, pod: &str, needs: &[Need], before: usize) {
    let attempts = attempts(stack, pod);
    let audit = stack.control().audit(0).await.expect("the audit");
    for need in needs.iter().filter(|need| need.is_asked_once()) {
        let denied = audit[before..].iter().filter(|record| {
            record.identity.as_deref() == Some(pod)
                && record.scope == need.scope
                && record.decision == Decision::Denied
        });
        let denied = denied.count();
        let lines = &attempts[need.check];
        assert!(
            lines.len() >= denied && denied > 0,
            "{pod} was denied {} {denied} times: {lines:#?}",
            need.check
        );
    }
}

/// Why each check was not ready, attempt by attempt, since the pod's last start.
fn attempts(stack: &Stack, pod: &str) -> BTreeMap<String, Vec<String>> {
    let log = stack.logs().join(format!("{pod}.log"));
    let text = std::fs::read_to_string(log).expect("a log");
    let lines: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let begins = lines
        .iter()
        .rposition(|line| line["message"] == "inventory");
    let mut attempts: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in &lines[begins.expect("a pod begins with its inventory")..] {
        if line["message"] == "not ready yet" {
            let member = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            attempts
                .entry(member("check"))
                .or_default()
                .push(member("why"));
        }
    }
    attempts
}

/// What a pod's management port answers.
async fn managed(stack: &Stack, pod: &str, page: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build();
    let url = stack.management_url(pod, page).expect("a pod");
    let answer = client.expect("a client").get(url).send().await;
    let Ok(answer) = answer else {
        return (0, Value::Null);
    };
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap_or_default();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Waits until it holds; what is there instead is for a failure's story.
async fn until<E: Debug>(stack: &Stack, what: &str, holds: impl AsyncFn() -> Result<(), E>) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(instead) = holds().await {
        assert!(
            Instant::now() < deadline,
            "{what}: not so, but {instead:#?}\n{}",
            story(stack).await
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
