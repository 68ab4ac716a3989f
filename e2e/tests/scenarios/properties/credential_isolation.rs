//! A pod gets the tokens of its own service account and no other, and no pod's
//! token is worth anything as another's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::stack::{Options, PODS, Stack};
use local_cloud::{FederatedCredential, names};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{start, story};

/// The variables of a pod's process, as it was started.
async fn environment(stack: &Stack, pod: &str) -> BTreeMap<String, String> {
    let pid = stack.pid(pod).await.expect("it runs");
    let text = std::fs::read(format!("/proc/{pid}/environ")).expect("readable");
    let text = String::from_utf8(text).expect("text");
    let variables = text.split('\0').filter_map(|line| line.split_once('='));
    variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The claims of a token, without looking at anything else.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}

/// Asks Entra ID for a token with this assertion; the codes of a refusal.
async fn redeem(stack: &Stack, identity: &str, assertion: &str) -> Result<(), Vec<u64>> {
    let ca = std::fs::read(stack.cloud_state().join("ca.pem")).expect("the CA");
    let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([ca]);
    let login = &stack.endpoints().planes[names::LOGIN_HOST];
    let url = format!("{login}{}/oauth2/v2.0/token", names::tenant_id());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &names::client_id(identity).to_string()),
        ("scope", "https://vault.azure.net/.default"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
    ];
    let client = client.build().expect("a client");
    let answer = client.post(url).form(&form).send().await;
    let body: Value = answer.expect("an answer").json().await.expect("JSON");
    if body["access_token"].is_string() {
        return Ok(());
    }
    let codes = body["error_codes"].as_array().expect("codes").iter();
    Err(codes.filter_map(Value::as_u64).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_token_is_redeemed_for_its_own_identity_and_no_other() {
    let stack = start(Options::default()).await;
    for pod in PODS {
        let environment = environment(&stack, pod).await;
        let file = &environment["AZURE_FEDERATED_TOKEN_FILE"];
        let token = std::fs::read_to_string(file).expect("the pod's token");
        for identity in PODS {
            let expected = if identity == pod {
                Ok(())
            } else {
                Err(vec![700_213])
            };
            assert_eq!(
                redeem(&stack, identity, &token).await,
                expected,
                "{pod}'s token, as {identity}"
            );
        }
        if let Some(file) = environment.get("BACKEND_TOKEN_FILE") {
            let token = std::fs::read_to_string(file).expect("the token for the backend");
            let outcome = redeem(&stack, pod, &token).await;
            assert_eq!(outcome, Err(vec![700_212]), "{pod}'s token for the backend");
        }
    }
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_holds_the_tokens_of_its_own_service_account_only() {
    let stack = start(Options::default()).await;
    let volumes = stack.cloud_state().join("pods");
    let mut held = BTreeMap::new();
    for pod in PODS {
        let environment = environment(&stack, pod).await;
        let files = environment.values().filter(|value| {
            let path = Path::new(value);
            path.starts_with(&volumes) && path.is_file()
        });
        let files: BTreeSet<PathBuf> = files.map(PathBuf::from).collect();
        for file in &files {
            let token = std::fs::read_to_string(file).expect("readable");
            let claims = claims(&token);
            let subject = format!("system:serviceaccount:todolist:{pod}");
            assert_eq!(claims["sub"], subject, "{}", file.display());
            let real = std::fs::canonicalize(file).expect("it is there");
            let mode = real.metadata().expect("it is there").permissions().mode();
            assert_eq!(mode & 0o007, 0, "{}: {mode:o}", file.display());
        }
        assert!(!files.is_empty(), "{pod} has no token");
        held.insert(pod, files);
    }
    let counts = PODS.map(|pod| held[pod].len());
    assert_eq!(
        counts,
        [2, 1, 1],
        "for Entra ID; the frontend's for the backend too"
    );
    let all: BTreeSet<_> = held.values().flatten().collect();
    assert_eq!(all.len(), 4, "nobody shares a file: {held:#?}");
    stack.stop(|_| {}).await.expect("everything ends");
}

/// What was asked over plain HTTP, where a metadata endpoint would be.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    /// Listens as an HTTP proxy does, and answers that there is nothing.
    async fn listen(&self) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("bound");
        let asked = self.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(asked.clone().answer(connection));
            }
        });
        format!("http://{address}")
    }

    async fn answer(self, mut connection: TcpStream) {
        let mut request = vec![0; 1024];
        let length = connection.read(&mut request).await.unwrap_or_default();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let first = request.lines().next().unwrap_or_default();
        self.0
            .lock()
            .expect("no holder panics")
            .push(first.to_owned());
        let nothing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        // Whoever asked may have gone.
        drop(connection.write_all(nothing).await);
    }

    /// Who asked for the token of an identity there.
    fn for_a_token(&self) -> Vec<String> {
        let asked = self.0.lock().expect("no holder panics");
        let tokens = asked
            .iter()
            .filter(|request| request.contains("/metadata/identity"));
        tokens.cloned().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_not_trusted_asks_no_metadata_endpoint_for_a_token() {
    let asked = Asked::default();
    let proxy = asked.listen().await;
    // The trap has to work: who asks for a token there is caught.
    let trap = Asked::default();
    let client = reqwest::Client::builder()
        .proxy(reqwest::Proxy::http(trap.listen().await).expect("a proxy"))
        .build()
        .expect("a client");
    let metadata = "http://169.254.169.254/metadata/identity/oauth2/token";
    let answer = client.get(metadata).send().await.expect("an answer");
    assert_eq!(answer.status(), 404);
    assert_eq!(trap.for_a_token().len(), 1);

    let stack = start(Options::default().with("backend", "HTTP_PROXY", &proxy)).await;
    stack.kill_pod("backend").await.expect("killed");
    let control = stack.control();
    let trusted = control.federated_credentials("backend").await;
    let [trusted] = &trusted.expect("credentials")[..] else {
        panic!("the backend trusts one service account");
    };
    let other = FederatedCredential {
        subject: "system:serviceaccount:todolist:somebody".to_owned(),
        ..trusted.clone()
    };
    let changed = control.put_federated_credential("backend", &other).await;
    changed.expect("changed");

    stack.start_again("backend", &[]).await.expect("it starts");
    let refused_again = async {
        // It has been refused for each thing that it needs, and comes again.
        loop {
            let audit = control.audit(0).await.expect("the audit");
            let refused = audit.iter().filter(|record| {
                record.identity.as_deref() == Some("backend")
                    && record.code.as_deref() == Some("AADSTS700213")
            });
            if refused.count() >= 4 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(30), refused_again).await;
    assert!(refused.is_ok(), "{}", story(&stack).await);

    assert_eq!(asked.for_a_token(), Vec::<String>::new());
    let back = control.put_federated_credential("backend", trusted).await;
    back.expect("changed back");
    stack
        .wait_until_ready("backend")
        .await
        .expect("it recovers alone");
    stack.stop(|_| {}).await.expect("everything ends");
}
