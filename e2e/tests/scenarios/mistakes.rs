//! One thing is wrong in a manifest: the pod fails as it would on AKS, at the same
//! step and with the same words.

use std::time::Instant;

use e2e::control::Refused;
use e2e::stack::{Options, Stack};
use local_cloud::WebhookVersion;
use local_cloud::audit::{Decision, Record};
use platform::settings::Vars;

use crate::edited::Edited;
use crate::stage::{PATIENCE, prepare, start, story};

const LABEL: &str = "        azure.workload.identity/use: \"true\"\n";
const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";
const SKIP: &str = "azure.workload.identity/skip-containers";

/// The worker's and the frontend's client ids in the base.
const WORKER: &str = "60369a45-56c2-5353-8d23-fedc2fecaee0";
const FRONTEND: &str = "6977c771-7ec5-5c54-9864-189d96bd2654";

/// The story of a worker that does not start, on these manifests.
async fn why_the_worker_does_not_start(manifests: &Edited) -> String {
    prepare();
    match Stack::begin(manifests.options(&["worker"]), |_| {}).await {
        Ok(_) => panic!("the worker started"),
        Err(error) => format!("{error:#}"),
    }
}

/// Asks the API server for the worker's pod; it has to refuse, and the audit has
/// to show it. Returns the code and what `kubectl` would show.
async fn why_the_worker_is_not_admitted(manifests: &Edited) -> (i32, String) {
    let stack = start(manifests.options(&[])).await;
    let pod = manifests.manifests().pod("worker", "worker-0");

    let error = stack
        .control()
        .create_pod(&pod.expect("a pod"))
        .await
        .expect_err("the pod is refused");

    let refused: &Refused = error.downcast_ref().expect("the API server's words");
    let message = refused.0.message.clone().expect("a message");
    let code = refused.0.code.expect("a code");
    let audit = stack.control().audit(0).await.expect("the audit");
    let denial = audit.last().expect("a record");
    assert_eq!(denial.by, "admission");
    assert_eq!(denial.decision, Decision::Denied);
    assert_eq!(denial.code.as_deref(), Some(&*code.to_string()));
    assert_eq!(denial.why, message);
    let subject = "system:serviceaccount:todolist:worker";
    assert_eq!(denial.subject.as_deref(), Some(subject));
    let shown = refused.to_string();
    stack.stop(|_| {}).await.expect("everything ends");
    (code, shown)
}

/// Waits until Entra ID has refused the worker, with this code; the worker says
/// so in its log, and does not become ready.
async fn the_worker_is_refused(manifests: &Edited, code: &str) -> Record {
    prepare();
    let stack = Stack::begin(manifests.options(&["worker"]), |_| {}).await;
    let stack = stack.expect("the worker starts");
    let log = stack.logs().join("worker.log");
    let deadline = Instant::now() + PATIENCE;
    let denial = loop {
        let audit = stack.control().audit(0).await.expect("the audit");
        let denial = audit
            .iter()
            .find(|record| record.code.as_deref() == Some(code));
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        if let (Some(denial), true) = (denial, said.contains(code)) {
            break denial.clone();
        }
        assert!(Instant::now() < deadline, "{}\n{said}", story(&stack).await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let audit = stack.control().audit(0).await.expect("the audit");
    let allowed = audit
        .iter()
        .filter(|record| record.decision == Decision::Allowed);
    assert_eq!(allowed.count(), 0, "{}", story(&stack).await);
    stack.stop(|_| {}).await.expect("everything ends");
    denial
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_label_the_pod_starts_with_nothing_and_says_what_it_misses() {
    let manifests = Edited::base().with("worker.yaml", LABEL, "");

    let story = why_the_worker_does_not_start(&manifests).await;

    assert!(
        story.contains(
            "AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE are not set \
             (the webhook of workload identity sets them: is the pod labelled \
             azure.workload.identity/use: \"true\""
        ),
        "{story}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_says_anything_else_than_true_is_none() {
    let other = LABEL.replace("\"true\"", "\"True\"");
    let manifests = Edited::base().with("worker.yaml", LABEL, &other);

    let story = why_the_worker_does_not_start(&manifests).await;

    assert!(
        story.contains("AZURE_FEDERATED_TOKEN_FILE are not set"),
        "{story}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_client_id_only_that_variable_is_missing() {
    let annotation = format!("  annotations:\n    azure.workload.identity/client-id: {WORKER}\n");
    let manifests = Edited::base().with("service-accounts.yaml", &annotation, "");

    let story = why_the_worker_does_not_start(&manifests).await;

    assert!(story.contains("AZURE_CLIENT_ID is not set"), "{story}");
    assert!(
        story.contains("the annotation azure.workload.identity/client-id"),
        "{story}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_names_no_account_runs_as_one_that_has_no_client_id() {
    let manifests = Edited::base().with("worker.yaml", "      serviceAccountName: worker\n", "");

    let story = why_the_worker_does_not_start(&manifests).await;

    assert!(story.contains("AZURE_CLIENT_ID is not set"), "{story}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_skipped_gets_nothing() {
    let manifests = Edited::base().annotated("worker", SKIP, "sidecar; worker");

    let story = why_the_worker_does_not_start(&manifests).await;

    assert!(
        story.contains("AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE are not set"),
        "{story}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_a_service_account_that_is_not_there_is_not_admitted() {
    let manifests = Edited::base().with(
        "service-accounts.yaml",
        "  name: worker\n",
        "  name: other\n",
    );

    let (code, shown) = why_the_worker_is_not_admitted(&manifests).await;

    assert_eq!(code, 403);
    assert_eq!(
        shown,
        "Error from server (Forbidden): pods \"worker-0\" is forbidden: error looking up service \
         account todolist/worker: serviceaccount \"worker\" not found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_expiration_out_of_bounds_is_not_admitted() {
    let start = "Error from server: admission webhook \"mutation.azure-workload-identity.io\" \
                 denied the request: ";
    let too_short = Edited::base().annotated("worker", EXPIRATION, "3599");
    assert_eq!(
        why_the_worker_is_not_admitted(&too_short).await,
        (
            400,
            format!(
                "{start}token expiration 3599 not valid. Expected value to be between 3600 and 86400"
            )
        )
    );
    let no_number = Edited::base().annotated("worker", EXPIRATION, "1h");
    assert_eq!(
        why_the_worker_is_not_admitted(&no_number).await,
        (
            400,
            format!("{start}strconv.ParseInt: parsing \"1h\": invalid syntax")
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_id_that_nobody_has_is_refused_by_entra() {
    let nobody = "00000000-0000-4000-8000-000000000001";
    let manifests = Edited::base().with("service-accounts.yaml", WORKER, nobody);

    let denial = the_worker_is_refused(&manifests, "AADSTS700016").await;

    assert!(denial.why.contains(nobody), "{}", denial.why);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_id_of_another_identity_is_refused_by_its_subject() {
    let manifests = Edited::base().with("service-accounts.yaml", WORKER, FRONTEND);

    let denial = the_worker_is_refused(&manifests, "AADSTS700213").await;

    let subject = "'system:serviceaccount:todolist:worker'";
    assert!(denial.why.contains(subject), "{}", denial.why);
}

/// The environment that a pod's process was started with.
async fn environment(stack: &Stack, pod: &str) -> Vars {
    let pid = stack.pid(pod).await.expect("it runs");
    let text = std::fs::read(format!("/proc/{pid}/environ")).expect("Linux");
    let text = String::from_utf8(text).expect("text");
    Vars::from_pairs(text.split('\0').filter_map(|pair| pair.split_once('=')))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frontend_gets_its_tokens_in_both_layouts_of_the_webhook() {
    for (webhook, file) in [
        (
            WebhookVersion::V1_5,
            "/azure-identity-token/azure-identity-token",
        ),
        (WebhookVersion::V1_6, "/token/azure-identity-token"),
    ] {
        let options = Options::base().only(&["backend", "frontend"]);
        let stack = start(Options { webhook, ..options }).await;

        let environment = environment(&stack, "frontend").await;
        let path = environment.get("AZURE_FEDERATED_TOKEN_FILE");
        let path = path.expect("the webhook sets it");
        assert!(path.ends_with(file), "{webhook}: {path}");
        let audit = stack.control().audit(0).await.expect("the audit");
        let exchanged = audit.iter().any(|record| {
            record.identity.as_deref() == Some("frontend")
                && record.operation == "TokenExchange"
                && record.decision == Decision::Allowed
        });
        assert!(exchanged, "{webhook}: {}", story(&stack).await);
        stack.stop(|_| {}).await.expect("everything ends");
    }
}
