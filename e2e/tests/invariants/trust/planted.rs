//! The mistakes that are planted, and what is found of each.

use e2e::trust::Code;

use super::{ACCESS, WORKER};

const ACCOUNTS: &str = "k8s/base/service-accounts.yaml";
const FRONTEND: &str = "k8s/base/frontend.yaml";

const WORKER_ID: &str = "60369a45-56c2-5353-8d23-fedc2fecaee0";
const BACKEND_ID: &str = "d88330ca-c6e3-5911-831b-f32089104fdd";
const EXCHANGE: &str = "api://AzureADTokenExchange";
const ACTIONS: &str = "https://token.actions.githubusercontent.com";
const OTHER_CLUSTER: &str = "https://westus.oic.prod-aks.azure.com/a/b";
const BACKEND: &str = "system:serviceaccount:todolist:backend";

/// A mistake: a text of a file and what is written in its place; and the findings
/// that it makes: code, file, and how the text at their place begins.
pub(super) struct Planted {
    pub(super) file: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) found: Vec<(Code, &'static str, &'static str)>,
}

pub(super) fn planted() -> Vec<Planted> {
    let mut all = accounts();
    all.extend(pods());
    all.extend(audiences_and_issuers());
    all.extend(identities());
    all.extend(grants());
    all
}

/// What lets a pipeline of GitHub share the identity `backend`, and more beside it.
pub(super) fn shared_with_a_pipeline(more: &str) -> (String, String) {
    let github = credential(ACTIONS, "repo:o/r:ref:refs/heads/main", EXCHANGE);
    credentials(&[github], more)
}

fn plant(
    file: &'static str,
    from: impl Into<String>,
    to: impl Into<String>,
    found: &[(Code, &'static str, &'static str)],
) -> Planted {
    Planted {
        file,
        from: from.into(),
        to: to.into(),
        found: found.to_vec(),
    }
}

/// Further federated credentials of the identity `backend`.
fn credentials(credentials: &[String], more: &str) -> (String, String) {
    let account = r#""serviceAccounts": [{ "namespace": "todolist", "name": "backend" }]"#;
    let list = credentials.join(", ");
    let to = format!("{account}, \"federatedCredentials\": [{list}]{more}");
    (account.to_owned(), to)
}

fn credential(issuer: &str, subject: &str, audience: &str) -> String {
    format!(r#"{{ "issuer": "{issuer}", "subject": "{subject}", "audience": "{audience}" }}"#)
}

fn accounts() -> Vec<Planted> {
    vec![
        plant(
            ACCESS,
            r#""todolist", "name": "worker""#,
            r#""todolist", "name": "labourer""#,
            &[
                (
                    Code::DanglingSubject,
                    ACCESS,
                    r#"{ "namespace": "todolist", "name": "labourer""#,
                ),
                (Code::DanglingSubject, ACCOUNTS, WORKER_ID),
            ],
        ),
        plant(
            ACCESS,
            r#""todolist", "name": "worker""#,
            r#""production", "name": "worker""#,
            &[(
                Code::WrongNamespace,
                "k8s/base/kustomization.yaml",
                "todolist",
            )],
        ),
        plant(
            ACCOUNTS,
            WORKER_ID,
            "00000000-56c2-5353-8d23-fedc2fecaee0",
            &[(Code::UnknownClientId, ACCOUNTS, "00000000-56c2")],
        ),
        plant(
            ACCOUNTS,
            WORKER_ID,
            BACKEND_ID,
            &[(Code::ForeignClientId, ACCOUNTS, BACKEND_ID)],
        ),
        plant(
            ACCOUNTS,
            format!("  annotations:\n    azure.workload.identity/client-id: {WORKER_ID}\n"),
            "",
            &[(Code::MissingAnnotation, ACCOUNTS, "worker")],
        ),
        plant(
            ACCOUNTS,
            format!("{WORKER_ID}\n"),
            format!("{WORKER_ID}\n---\nkind: ServiceAccount\nmetadata:\n  name: idle\n"),
            &[(Code::UnusedServiceAccount, ACCOUNTS, "idle")],
        ),
    ]
}

fn pods() -> Vec<Planted> {
    const LABEL: &str = "        azure.workload.identity/use: \"true\"\n";
    let annotated = |annotation: &str| {
        format!("{LABEL}      annotations:\n        azure.workload.identity/{annotation}\n")
    };
    vec![
        plant(
            WORKER,
            LABEL,
            "",
            &[(Code::MissingLabel, WORKER, "labels:")],
        ),
        plant(
            WORKER,
            "use: \"true\"",
            "use: true",
            &[(Code::MissingLabel, WORKER, "true")],
        ),
        plant(
            WORKER,
            "serviceAccountName: worker",
            "serviceAccountName: labourer",
            &[
                (Code::UnusedServiceAccount, ACCOUNTS, "worker"),
                (Code::MissingServiceAccount, WORKER, "labourer"),
            ],
        ),
        plant(
            WORKER,
            "          env:\n",
            format!(
                "          env:\n            - name: AZURE_CLIENT_ID\n              value: {BACKEND_ID}\n"
            ),
            &[(Code::OverriddenClientId, WORKER, BACKEND_ID)],
        ),
        plant(
            WORKER,
            LABEL,
            annotated("skip-containers: proxy; worker"),
            &[(Code::SkipsEveryContainer, WORKER, "proxy; worker")],
        ),
        plant(
            WORKER,
            LABEL,
            annotated("service-account-token-expiration: \"600\""),
            &[(Code::TokenExpiration, WORKER, "\"600\"")],
        ),
        plant(
            FRONTEND,
            "expirationSeconds: 600",
            "expirationSeconds: 60",
            &[(Code::TokenExpiration, FRONTEND, "60")],
        ),
        plant(
            WORKER,
            "automountServiceAccountToken: false",
            "automountServiceAccountToken: true",
            &[(Code::MountedApiToken, WORKER, "true")],
        ),
    ]
}

fn audiences_and_issuers() -> Vec<Planted> {
    let (account, misspelt) = credentials(
        &[credential(
            &format!("{OTHER_CLUSTER}/"),
            BACKEND,
            "api://AzureADTokenExchang",
        )],
        "",
    );
    let (_, without_slash) = credentials(&[credential(OTHER_CLUSTER, BACKEND, EXCHANGE)], "");
    vec![
        plant(
            FRONTEND,
            "audience: todolist-backend",
            "audience: todolist-backends",
            &[(Code::AudienceTypo, FRONTEND, "todolist-backends")],
        ),
        plant(
            FRONTEND,
            "audience: todolist-backend",
            "audience: api://AzureAdTokenExchange",
            &[
                (Code::CallWithoutToken, ACCESS, "\"todolist-backend\""),
                (Code::AudienceTypo, FRONTEND, "api://AzureAdTokenExchange"),
            ],
        ),
        plant(
            "k8s/base/backend.yaml",
            "value: todolist-backend",
            "value: todolist-Backend",
            &[(
                Code::AudienceTypo,
                "k8s/base/backend.yaml",
                "todolist-Backend",
            )],
        ),
        plant(
            ACCESS,
            &*account,
            misspelt,
            &[(Code::AudienceTypo, ACCESS, "\"api://AzureADTokenExchang\"")],
        ),
        plant(
            FRONTEND,
            "audience: todolist-backend",
            "audience: somebody-else",
            &[(Code::CallWithoutToken, ACCESS, "\"todolist-backend\"")],
        ),
        plant(
            "k8s/base/estate.yaml",
            "8318da29-a62d-5772-9562-ba038981b162/",
            "8318da29-a62d-5772-9562-ba038981b162",
            &[(
                Code::IssuerSlash,
                "k8s/base/estate.yaml",
                "https://eastus.oic.",
            )],
        ),
        plant(
            ACCESS,
            account,
            without_slash,
            &[(Code::IssuerSlash, ACCESS, "\"https://westus.oic.")],
        ),
    ]
}

fn identities() -> Vec<Planted> {
    let (account, shared) = shared_with_a_pipeline("");
    let clusters: Vec<_> = (0..20)
        .map(|n| credential(&format!("{OTHER_CLUSTER}{n}/"), BACKEND, EXCHANGE))
        .collect();
    let (_, many) = credentials(&clusters, "");
    vec![
        plant(
            ACCESS,
            &*account,
            shared,
            &[(Code::SharedIdentity, ACCESS, "\"backend\"")],
        ),
        plant(
            ACCESS,
            account,
            many,
            &[(Code::TooManyCredentials, ACCESS, "\"backend\"")],
        ),
    ]
}

fn grants() -> Vec<Planted> {
    const ACTIVITY: &str = r#"    { "identity": "worker", "role": "Cosmos DB Built-in Data Contributor", "scope": "cosmos/databases/todolist/containers/activity" },
"#;
    const BLOBS: &str = r#"    { "identity": "backend", "role": "Storage Blob Data Contributor", "scope": "storage/containers/attachments" },
"#;
    vec![
        plant(
            ACCESS,
            ACTIVITY,
            format!("{ACTIVITY}{}", ACTIVITY.replace("worker", "backend")),
            &[(
                Code::UnusedGrant,
                ACCESS,
                "\"cosmos/databases/todolist/containers/activity\"",
            )],
        ),
        plant(
            ACCESS,
            r#""Azure Service Bus Data Receiver", "scope": "bus/queues/todo-events""#,
            r#""Azure Service Bus Data Receiver", "scope": "bus""#,
            &[(Code::WiderScope, ACCESS, "\"bus\"")],
        ),
        plant(
            ACCESS,
            r#""Key Vault Secrets User", "scope": "vault/secrets/session-key""#,
            r#""Key Vault Secrets Officer", "scope": "vault/secrets/session-key""#,
            &[(Code::WiderRole, ACCESS, "\"Key Vault Secrets Officer\"")],
        ),
        plant(
            ACCESS,
            ACTIVITY,
            "",
            &[(Code::UseWithoutGrant, "e2e/uses.json", "{")],
        ),
        plant(
            ACCESS,
            BLOBS,
            "",
            &[(Code::StaleException, "e2e/uses.json", "{")],
        ),
    ]
}
