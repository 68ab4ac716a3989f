use std::sync::Mutex;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

use super::*;
use crate::blob::Blob;
use crate::cosmos::Cosmos;
use crate::key_vault::KeyVault;
use crate::testing::Fixture;

/// What an emulator was asked: method and target, authorization, body.
type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

/// Something in an emulator's place that says yes to everything, and what it was asked.
struct Stand {
    asked: Asked,
    url: String,
    _serving: AbortOnDropHandle<()>,
}

impl Stand {
    async fn answering(body: &'static str) -> Self {
        let asked = Asked::default();
        let answer = async move |State(asked): State<Asked>, request: Request| {
            let (parts, body_of_request) = request.into_parts();
            let authorization = parts.headers.get(header::AUTHORIZATION);
            let authorization = authorization.map_or("", |value| value.to_str().expect("text"));
            let collected = body_of_request.collect().await.expect("a body").to_bytes();
            let text = String::from_utf8_lossy(&collected).into_owned();
            let line = format!("{} {}", parts.method, parts.uri);
            let one = (line, authorization.to_owned(), text);
            asked.lock().expect("no one panicked").push(one);
            (StatusCode::CREATED, [("x-ms-of", "the-emulator")], body).into_response()
        };
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&asked));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            asked,
            url: format!("http://{address}"),
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// What was asked since it was asked for the last time.
    fn asked(&self) -> Vec<(String, String, String)> {
        std::mem::take(&mut *self.asked.lock().expect("no one panicked"))
    }

    /// The way to it for a resource of the model.
    async fn behind(&self, fixture: &Fixture, resource: &str, path: &str) -> Arc<Forwarder> {
        let behind = format!("{resource}={}{path}", self.url).parse();
        let behind = vec![behind.expect("a resource and a URL")];
        let connected = connect(&fixture.model, behind, &fixture.clock).await;
        let mut emulators = connected.expect("it is there");
        emulators.http.remove(resource).expect("it was asked for")
    }
}

fn account(fixture: &Fixture, emulator: Arc<Forwarder>) -> Router {
    let Resource::Storage(spec) = fixture.resource("storage") else {
        panic!("the model's `storage` is a storage account");
    };
    let (gate, clock) = (fixture.gate.clone(), fixture.clock.clone());
    Blob::new(
        "storage",
        "st.test".to_owned(),
        spec,
        gate,
        clock,
        Some(emulator),
    )
    .router()
}

async fn ask(plane: &Router, line: &str, token: &str, headers: &[(&str, &str)]) -> Response {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    let mut request = http::Request::builder()
        .method(method)
        .uri(target)
        .header("host", "of.test");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match method {
        "PUT" => {
            request = request.header("content-length", 5);
            Body::from("hello")
        }
        _ => Body::empty(),
    };
    let request = request.body(body).expect("a request");
    plane.clone().oneshot(request).await.expect("an answer")
}

const BLOB: [(&str, &str); 2] = [
    ("x-ms-version", "2026-04-06"),
    ("x-ms-blob-type", "BlockBlob"),
];

#[tokio::test]
async fn what_the_gate_admits_goes_on_signed_anew_and_comes_back_as_the_emulators() {
    let fixture = Fixture::new();
    let stand = Stand::answering("the emulator's").await;
    let emulator = stand.behind(&fixture, "storage", "/devstoreaccount1").await;
    let made = stand.asked();
    assert_eq!(
        made.iter()
            .map(|(line, ..)| line.as_str())
            .collect::<Vec<_>>(),
        ["PUT /devstoreaccount1/attachments?restype=container"],
        "the model's containers are made"
    );

    let token = fixture.token("frontend", "https://storage.azure.com");
    let plane = account(&fixture, emulator);
    let answer = ask(&plane, "PUT /attachments/a%20b?timeout=9", &token, &BLOB).await;

    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()["x-ms-of"], "the-emulator");
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert_eq!(body, "the emulator's");
    let [(line, authorization, sent)] = &stand.asked()[..] else {
        panic!("one request went on");
    };
    assert_eq!(line, "PUT /devstoreaccount1/attachments/a%20b?timeout=9");
    assert!(
        authorization.starts_with("SharedKey devstoreaccount1:"),
        "{authorization}"
    );
    assert_eq!(sent, "hello");
}

/// Whether or not the emulator's own credential would take its place.
#[test]
fn the_callers_credential_goes_no_further_than_the_gate() {
    let of_caller = [
        ("authorization", "Bearer of the caller"),
        ("proxy-authorization", "Basic of the caller"),
        ("x-ms-version", "2024-11-04"),
    ];
    let headers = of_caller.map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, header::HeaderValue::from_static(value))
    });

    let sent = onward(HeaderMap::from_iter(headers));

    let names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-ms-version"]);
}

#[tokio::test]
async fn what_the_gate_refuses_never_reaches_the_emulator() {
    let fixture = Fixture::new();
    let stand = Stand::answering("").await;
    let emulator = stand.behind(&fixture, "storage", "/devstoreaccount1").await;
    stand.asked();
    let plane = account(&fixture, emulator);
    let of_storage = fixture.token("frontend", "https://storage.azure.com");
    let of_vault = fixture.token("frontend", "https://vault.azure.net");
    let tampered = format!("{}x", of_storage.trim_end_matches('x'));

    for (line, token, status) in [
        ("PUT /attachments/a", "", StatusCode::UNAUTHORIZED),
        ("PUT /attachments/a", &*of_vault, StatusCode::UNAUTHORIZED),
        ("PUT /attachments/a", &*tampered, StatusCode::UNAUTHORIZED),
        ("GET /?comp=list", &*of_storage, StatusCode::FORBIDDEN),
        ("PUT /another/a", &*of_storage, StatusCode::FORBIDDEN),
        (
            "PUT /attachments/a?comp=lease",
            &*of_storage,
            StatusCode::NOT_IMPLEMENTED,
        ),
    ] {
        assert_eq!(
            ask(&plane, line, token, &BLOB).await.status(),
            status,
            "{line}"
        );
        assert_eq!(stand.asked(), [], "{line} went on");
    }
}

#[tokio::test]
async fn cosmos_and_key_vault_ask_their_emulators_for_what_was_admitted_alone() {
    let fixture = Fixture::new();
    let stand = Stand::answering(r#"{"id":"x"}"#).await;
    let emulator = stand.behind(&fixture, "cosmos", "").await;
    let made: Vec<String> = stand.asked().into_iter().map(|(line, ..)| line).collect();
    assert_eq!(
        made,
        [
            "POST /dbs",
            "POST /dbs/todolist/colls",
            "POST /dbs/todolist/colls"
        ]
    );
    let Resource::Cosmos(spec) = fixture.resource("cosmos") else {
        panic!("the model's `cosmos` is an account");
    };
    let (gate, clock) = (fixture.gate.clone(), fixture.clock.clone());
    let host = "co.test".to_owned();
    let plane = Cosmos::new("cosmos", host, spec, gate, clock, Some(emulator)).router();
    let key = [("x-ms-documentdb-partitionkey", "[\"x\"]")];
    let entra = |token: &str| format!("type=aad&ver=1.0&sig={token}");
    for (identity, goes_on) in [("backend", true), ("frontend", false)] {
        let token = entra(&fixture.token(identity, "https://cosmos.azure.com"));
        let with_token = [&key[..], &[("authorization", &*token)]].concat();
        let line = "GET /dbs/todolist/colls/todos/docs/x";
        let answer = ask(&plane, line, "", &with_token).await;
        assert_eq!(
            answer.status() == StatusCode::CREATED,
            goes_on,
            "{identity}"
        );
        let asked = stand.asked();
        assert_eq!(asked.len(), usize::from(goes_on), "{identity}: {asked:?}");
        for (went, authorization, _) in asked {
            assert_eq!(went, line);
            assert!(authorization.starts_with("type%3Dmaster%26ver%3D1%2E0%26sig%3D"));
        }
    }

    let emulator = stand.behind(&fixture, "vault", "").await;
    assert_eq!(stand.asked().len(), 2, "the model's secrets are made");
    let Resource::KeyVault(spec) = fixture.resource("vault") else {
        panic!("the model's `vault` is a vault");
    };
    let (gate, clock) = (fixture.gate.clone(), fixture.clock.clone());
    let host = "kv.test".to_owned();
    let plane = KeyVault::new("vault", host, spec, gate, clock, Some(emulator)).router();
    let token = fixture.token("frontend", "https://vault.azure.net");
    for (secret, goes_on) in [("session-key", true), ("share-link-key", false)] {
        let line = format!("GET /secrets/{secret}?api-version=7.4");
        let answer = ask(&plane, &line, &token, &[]).await;
        assert_eq!(answer.status() == StatusCode::CREATED, goes_on, "{secret}");
        let asked = stand.asked();
        assert_eq!(asked.len(), usize::from(goes_on), "{secret}: {asked:?}");
        for (went, authorization, _) in asked {
            assert_eq!(went, line);
            assert_eq!(authorization, "Bearer local-cloud");
        }
    }
}

#[tokio::test]
async fn an_emulator_is_near_answers_and_holds_what_it_can() {
    let fixture = Fixture::new();
    let refused = async |behind: &str| {
        let behind = behind.parse().map_err(|error: String| error)?;
        let connected = connect(&fixture.model, vec![behind], &fixture.clock).await;
        connected.map(|_| ()).map_err(|error| error.to_string())
    };
    for (behind, why) in [
        ("storage", "this is RESOURCE=URL"),
        ("storage=ftp://localhost", "is no http, https or amqp URL"),
        ("bus=amqp://localhost,ca=/nowhere", "is without TLS"),
        (
            "storage=http://127.0.0.1:1/a,ca=/nowhere",
            "/nowhere cannot be read",
        ),
        ("nothing=http://127.0.0.1:1", "has no resource `nothing`"),
        (
            "storage=https://account.blob.core.windows.net",
            "is on this machine",
        ),
        ("storage=http://192.0.2.1/a", "is on this machine"),
        ("bus=amqp://ns.servicebus.windows.net", "is on this machine"),
        ("bus=amqp://192.0.2.1:5672", "is on this machine"),
        ("bus=http://127.0.0.1:5672", "speaks AMQP alone"),
        ("storage=amqp://127.0.0.1:10000", "its emulator speaks HTTP"),
        ("bus=amqp://127.0.0.1:1", "there is no connection"),
        ("bus=amqp://[::1]:1", "there is no connection"),
        (
            "storage=http://127.0.0.1:1/devstoreaccount1",
            "start it first",
        ),
    ] {
        let error = refused(behind).await.expect_err(behind);
        assert!(error.contains(why), "{behind}: {error}");
    }
}
