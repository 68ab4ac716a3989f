//! The cloud that the refusals happen at, and how a test gets a token.

use std::sync::{Arc, OnceLock};

use e2e::control::Control;
use local_cloud::audit::{Decision, Record};
use local_cloud::{EXCHANGE_AUDIENCE, Endpoints, TokenRequest, names};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::amqp::{self, Bus};
use crate::cloud_process::{self, CloudProcess};

pub(crate) const KEY_VAULT: &str = "https://vault.azure.net";
pub(crate) const STORAGE: &str = "https://storage.azure.com";
pub(crate) const COSMOS: &str = "https://cosmos.azure.com";
pub(crate) const SERVICE_BUS: &str = "https://servicebus.azure.net";
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";

/// An identity of the model that trusts no service account.
pub(crate) const UNTRUSTED: &str = "untrusted";

/// One cloud for all tests that do not move its clock. It ends with this process.
static SHARED: OnceLock<Arc<CloudProcess>> = OnceLock::new();

/// Whose turn it is: one test at a time, so that what the audit gains is its own.
static TURN: Mutex<()> = Mutex::const_new(());

/// A test's hold on a cloud.
pub(crate) struct Cloud {
    process: Arc<CloudProcess>,
    endpoints: Endpoints,
    pub(crate) control: Control,
    pub(crate) http: reqwest::Client,
    _turn: Option<MutexGuard<'static, ()>>,
}

/// An answer over HTTP.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Sends a request.
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.expect("a body"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    /// A header's text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a header is text"))
    }
}

impl Cloud {
    /// The shared cloud, for this test alone until it is dropped.
    pub(crate) async fn shared() -> Self {
        let turn = TURN.lock().await;
        let process = Arc::clone(SHARED.get_or_init(|| Arc::new(start())));
        Self::of(process, Some(turn))
    }

    /// A cloud of one's own, whose clock may be moved.
    pub(crate) fn own() -> Self {
        Self::of(Arc::new(start()), None)
    }

    fn of(process: Arc<CloudProcess>, turn: Option<MutexGuard<'static, ()>>) -> Self {
        platform::pod::install_crypto_provider();
        let endpoints = cloud_process::endpoints(&process.state).expect("endpoints.json");
        let proxy = reqwest::Proxy::https(&endpoints.proxy).expect("a proxy");
        let ca = reqwest::Certificate::from_pem(&ca(&process)).expect("a certificate");
        let http = reqwest::Client::builder()
            .tls_certs_only([ca])
            .proxy(proxy)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Self {
            control: Control::open(&process.state, &endpoints).expect("the control API"),
            process,
            endpoints,
            http: http.expect("a client"),
            _turn: turn,
        }
    }

    /// A connection to Service Bus.
    pub(crate) async fn bus(&self) -> Bus {
        Bus::connect(&self.endpoints.amqp[amqp::NAMESPACE], &ca(&self.process)).await
    }

    /// A service-account token as the cluster signs it.
    pub(crate) async fn sign(&self, request: &TokenRequest) -> String {
        self.control.sign_token(request).await.expect("signed")
    }

    /// The token that a pod of this service account sends to Entra ID.
    pub(crate) async fn assertion(&self, service_account: &str) -> String {
        self.sign(&service_account_token(service_account, EXCHANGE_AUDIENCE))
            .await
    }

    /// An identity's access token for a resource.
    pub(crate) async fn access_token(&self, identity: &str, resource: &str) -> String {
        let call = TokenCall::of(identity, resource, &self.assertion(identity).await);
        let answer = call.send(self).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = answer.json();
        body["access_token"].as_str().expect("a token").to_owned()
    }

    /// The first key that an issuer publishes.
    pub(crate) async fn published_key(&self, discovery: &str) -> Value {
        let document = Answer::to(self.http.get(discovery)).await.json();
        let keys = document["jwks_uri"].as_str().expect("an address");
        let keys = Answer::to(self.http.get(keys)).await.json();
        keys["keys"][0].clone()
    }

    pub(crate) async fn entra_key(&self) -> Value {
        let base = format!("https://{}/{}", names::LOGIN_HOST, names::tenant_id());
        self.published_key(&format!("{base}/v2.0/.well-known/openid-configuration"))
            .await
    }

    pub(crate) async fn cluster_key(&self) -> Value {
        let issuer = names::cluster_issuer();
        self.published_key(&format!("{issuer}.well-known/openid-configuration"))
            .await
    }

    /// How much the audit holds.
    pub(crate) async fn audited(&self) -> u64 {
        let records = self.control.audit(0).await.expect("the audit");
        records.last().map_or(0, |last| last.sequence)
    }

    /// The one record that the audit gained since: a denial by this part with
    /// this code. It holds nothing of the token that was refused.
    pub(crate) async fn one_denial_since(
        &self,
        before: u64,
        by: &str,
        code: &str,
        token: Option<&str>,
    ) -> Record {
        let mut records = self.control.audit(before).await.expect("the audit");
        let found: Vec<_> = records
            .iter()
            .map(|record| (record.by.as_str(), record.decision, record.code.as_deref()))
            .collect();
        assert_eq!(found, [(by, Decision::Denied, Some(code))], "{records:#?}");
        let text = serde_json::to_string(&records).expect("JSON");
        let parts = token.into_iter().flat_map(|token| token.split('.'));
        for part in parts.filter(|part| part.len() > 16) {
            assert!(!text.contains(part), "the audit holds a part of the token");
        }
        records.remove(0)
    }
}

/// A request at the token endpoint, right in all things until it is changed.
#[derive(Clone)]
pub(crate) struct TokenCall {
    pub(crate) tenant: String,
    form: Vec<(&'static str, String)>,
}

impl TokenCall {
    pub(crate) fn of(identity: &str, resource: &str, assertion: &str) -> Self {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        Self {
            tenant: names::tenant_id().to_string(),
            form: vec![
                ("grant_type", "client_credentials".to_owned()),
                ("client_id", names::client_id(identity).to_string()),
                ("scope", format!("{resource}/.default")),
                ("client_assertion_type", kind.to_owned()),
                ("client_assertion", assertion.to_owned()),
            ],
        }
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.form.retain(|(field, _)| *field != name);
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.form.push((name, value.into()));
        self
    }

    pub(crate) fn at_tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.tenant);
        self
    }

    pub(crate) fn assertion(&self) -> Option<&str> {
        let field = self
            .form
            .iter()
            .find(|(name, _)| *name == "client_assertion");
        field.map(|(_, value)| value.as_str())
    }

    pub(crate) fn request(&self, cloud: &Cloud) -> reqwest::RequestBuilder {
        let (host, tenant) = (names::LOGIN_HOST, &self.tenant);
        let url = format!("https://{host}/{tenant}/oauth2/v2.0/token");
        cloud.http.post(url).form(&self.form)
    }

    pub(crate) async fn send(&self, cloud: &Cloud) -> Answer {
        Answer::to(self.request(cloud)).await
    }
}

/// A token that is valid for an hour.
pub(crate) fn service_account_token(service_account: &str, audience: &str) -> TokenRequest {
    TokenRequest {
        namespace: "todolist".to_owned(),
        service_account: service_account.to_owned(),
        audience: audience.to_owned(),
        lifetime_seconds: 3600,
        age_seconds: 0,
    }
}

/// The repository's own model, line by line as it is, with an identity more, and
/// Microsoft Graph, which the worker may read.
pub(crate) fn model() -> String {
    let text = std::fs::read_to_string(e2e::default_model()).expect("the access model");
    let more = [
        (
            "\"resources\": {",
            "\"graph\": { \"type\": \"graph\" },".to_owned(),
        ),
        (
            "\"identities\": {",
            format!("\"{UNTRUSTED}\": {{ \"serviceAccounts\": [] }},"),
        ),
        (
            "\"grants\": [",
            r#"{ "identity": "worker", "role": "Application.Read.All", "scope": "graph" },"#
                .to_owned(),
        ),
    ];
    more.into_iter().fold(text, |text, (after, line)| {
        text.replacen(after, &format!("{after}\n    {line}"), 1)
    })
}

/// A cloud on that model.
fn start() -> CloudProcess {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("access.json");
    std::fs::write(&file, model()).expect("written");
    CloudProcess::start(&file).expect("the local cloud starts")
}

fn ca(process: &CloudProcess) -> Vec<u8> {
    std::fs::read(process.state.join("ca.pem")).expect("ca.pem")
}
