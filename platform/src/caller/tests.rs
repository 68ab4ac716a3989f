//! Every way in which a call is refused, with keys made here.

mod properties;
mod strictness;

use super::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde_json::{Value as Json, json};
use url::Url;

const ISSUER: &str = "https://eastus.oic.local-cloud.test/tenant/cluster/";
const JWKS_URI: &str = "https://eastus.oic.local-cloud.test/tenant/cluster/openid/v1/jwks";
const NOW: i64 = 1_800_000_000;

/// An issuer whose documents a test can change, and which counts how often its
/// discovery document is asked for.
struct Issuer {
    documents: Mutex<BTreeMap<String, Json>>,
    asked: AtomicUsize,
}

impl Issuer {
    fn publishing(keys: &[&Key]) -> Arc<Self> {
        let issuer = Self {
            documents: Mutex::default(),
            asked: AtomicUsize::new(0),
        };
        issuer.configure(json!({ "issuer": ISSUER, "jwks_uri": JWKS_URI }));
        issuer.publish(keys);
        Arc::new(issuer)
    }

    fn configure(&self, document: Json) {
        let url = format!("{ISSUER}.well-known/openid-configuration");
        self.documents.lock().unwrap().insert(url, document);
    }

    fn publish(&self, keys: &[&Key]) {
        let keys: Vec<Json> = keys.iter().map(|key| key.jwk()).collect();
        let url = JWKS_URI.to_owned();
        self.documents
            .lock()
            .unwrap()
            .insert(url, json!({ "keys": keys }));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait::async_trait]
impl Documents for Issuer {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeysError> {
        if url.path().ends_with("openid-configuration") {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        let documents = self.documents.lock().unwrap();
        match documents.get(url.as_str()) {
            Some(document) => Ok(document.to_string().into_bytes()),
            None => Err(KeysError::Status {
                url: url.clone(),
                status: 404,
            }),
        }
    }
}

struct Key {
    kid: &'static str,
    pair: &'static KeyPair,
}

/// Two key pairs are enough, and making one takes a while.
static ISSUERS: LazyLock<KeyPair> = LazyLock::new(pair);
static OTHERS: LazyLock<KeyPair> = LazyLock::new(pair);

fn pair() -> KeyPair {
    KeyPair::generate(KeySize::Rsa2048).expect("an RSA key")
}

impl Key {
    fn issuers(kid: &'static str) -> Self {
        let pair = &ISSUERS;
        Self { kid, pair }
    }

    fn others(kid: &'static str) -> Self {
        let pair = &OTHERS;
        Self { kid, pair }
    }

    fn jwk(&self) -> Json {
        let public = self.pair.public_key();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "RSA", "use": "sig", "kid": self.kid, "alg": "RS256",
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()) })
    }

    fn sign(&self, claims: &Json) -> String {
        self.sign_with(&json!({ "alg": "RS256", "kid": self.kid }), claims)
    }

    fn sign_with(&self, header: &Json, claims: &Json) -> String {
        let message = message(header, claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn message(header: &Json, claims: &Json) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

fn rules() -> CallerRules {
    CallerRules {
        issuer: ISSUER.to_owned(),
        audience: "todolist-backend".to_owned(),
        subject: "system:serviceaccount:todolist:frontend".to_owned(),
    }
}

/// What the kubelet projects for the frontend.
fn claims() -> Json {
    json!({ "iss": ISSUER, "sub": "system:serviceaccount:todolist:frontend",
        "aud": ["todolist-backend"], "iat": NOW, "nbf": NOW, "exp": NOW + 600,
        "kubernetes.io": { "namespace": "todolist",
            "pod": { "name": "frontend-abc", "uid": "u" },
            "serviceaccount": { "name": "frontend", "uid": "s" } } })
}

fn with(name: &str, value: Json) -> Json {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).expect("a time")
}

async fn judged(token: &str, key: &Key, now: i64) -> Result<Caller, CallerRefusal> {
    CallerVerifier::with_documents(rules(), Issuer::publishing(&[key]))
        .verify_token(token, at(now))
        .await
}

async fn refused(token: &str, key: &Key) -> String {
    judged(token, key, NOW)
        .await
        .expect_err("a refusal")
        .to_string()
}

#[tokio::test]
async fn the_frontends_pod_may_call() {
    let key = Key::issuers("k1");

    let caller = judged(&key.sign(&claims()), &key, NOW)
        .await
        .expect("the frontend");

    assert_eq!(caller.subject(), "system:serviceaccount:todolist:frontend");
    assert_eq!(caller.pod(), Some("frontend-abc"));
}

#[tokio::test]
async fn a_call_without_a_token_is_refused() {
    let verifier = CallerVerifier::with_documents(rules(), Issuer::publishing(&[]));
    for value in ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz"] {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));

        let refusal = verifier.verify(&headers).await.expect_err("no token");

        assert!(
            matches!(refusal, CallerRefusal::Missing),
            "{value}: {refusal}"
        );
    }
    let refusal = verifier
        .verify(&HeaderMap::new())
        .await
        .expect_err("no header");
    assert!(matches!(refusal, CallerRefusal::Missing));
}

#[tokio::test]
async fn two_tokens_are_not_one() {
    let verifier = CallerVerifier::with_documents(rules(), Issuer::publishing(&[]));
    let mut headers = HeaderMap::new();
    headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
    headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));

    let refusal = verifier.verify(&headers).await.expect_err("two tokens");

    assert_eq!(
        refusal.to_string(),
        "the bearer token is malformed: there are several"
    );
}

#[tokio::test]
async fn what_is_not_a_token_is_refused() {
    let key = Key::issuers("k1");

    for text in ["opaque", "a.b.c", "e30.e30"] {
        assert_eq!(
            refused(text, &key).await,
            "the bearer token is malformed: it is not a JWT"
        );
    }
}

#[tokio::test]
async fn a_token_without_a_needed_claim_is_refused() {
    let key = Key::issuers("k1");
    for claim in ["sub", "aud", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);

        assert_eq!(
            refused(&key.sign(&claims), &key).await,
            "the bearer token is malformed: a claim is missing or has the wrong type",
            "without {claim}"
        );
    }
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let key = Key::issuers("k1");
    let header = json!({ "alg": "none", "kid": "k1" });
    let token = format!("{}.", message(&header, &claims()));

    assert_eq!(
        refused(&token, &key).await,
        "the token's algorithm is \"none\" and not RS256"
    );
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
    let key = Key::issuers("k1");
    let header = json!({ "alg": "HS256", "kid": "k1" });
    let secret = key.jwk()["n"].as_str().unwrap().to_owned();
    let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let message = message(&header, &claims());
    let tag = aws_lc_rs::hmac::sign(&hmac, message.as_bytes());
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));

    assert_eq!(
        refused(&token, &key).await,
        "the token's algorithm is \"HS256\" and not RS256"
    );
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused_without_asking_for_keys() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    let documents: Arc<dyn Documents> = Arc::<Issuer>::clone(&issuer);
    let verifier = CallerVerifier::with_documents(rules(), documents);
    let token = key.sign(&with("iss", json!("https://sts.windows.net/tenant/")));

    let refusal = verifier
        .verify_token(&token, at(NOW))
        .await
        .expect_err("another issuer");

    assert_eq!(
        refusal.to_string(),
        "the token's issuer is \"https://sts.windows.net/tenant/\" and not this cluster's"
    );
    assert_eq!(issuer.asked(), 0);
}

#[tokio::test]
async fn an_issuer_is_compared_byte_for_byte() {
    let key = Key::issuers("k1");
    let without_slash = ISSUER.strip_suffix('/').unwrap();

    let text = refused(&key.sign(&with("iss", json!(without_slash))), &key).await;

    assert!(text.ends_with("and not this cluster's"), "{text}");
}

#[tokio::test]
async fn a_token_with_an_unpublished_key_is_refused() {
    let published = Key::issuers("k1");
    let own = Key::others("k2");

    assert_eq!(
        refused(&own.sign(&claims()), &published).await,
        "the token's key is not one that the issuer publishes"
    );
}

#[tokio::test]
async fn a_token_that_only_claims_a_published_key_is_refused() {
    let published = Key::issuers("k1");
    let own = Key::others("k1");

    assert_eq!(
        refused(&own.sign(&claims()), &published).await,
        "the token's signature does not fit"
    );
}

#[tokio::test]
async fn a_token_that_was_changed_is_refused() {
    let key = Key::issuers("k1");
    let genuine = key.sign(&with("sub", json!("system:serviceaccount:todolist:worker")));
    let signature = genuine.rsplit('.').next().unwrap();
    let header = json!({ "alg": "RS256", "kid": "k1" });
    let token = format!("{}.{signature}", message(&header, &claims()));

    assert_eq!(
        refused(&token, &key).await,
        "the token's signature does not fit"
    );
}

#[tokio::test]
async fn an_expired_token_is_refused_after_thirty_seconds_of_grace() {
    let key = Key::issuers("k1");
    let token = key.sign(&claims());

    assert!(judged(&token, &key, NOW + 629).await.is_ok());
    let refusal = judged(&token, &key, NOW + 630)
        .await
        .expect_err("expired")
        .to_string();
    assert_eq!(
        refusal,
        format!("the token has expired at {}", at(NOW + 600))
    );
}

#[tokio::test]
async fn a_token_of_the_future_is_refused_beyond_thirty_seconds() {
    let key = Key::issuers("k1");
    let token = key.sign(&claims());

    assert!(judged(&token, &key, NOW - 30).await.is_ok());
    let refusal = judged(&token, &key, NOW - 31)
        .await
        .expect_err("not yet valid")
        .to_string();
    assert_eq!(
        refusal,
        format!("the token is not valid before {}", at(NOW))
    );
}

#[tokio::test]
async fn a_token_for_entra_is_not_one_for_this_service() {
    let key = Key::issuers("k1");

    assert_eq!(
        refused(
            &key.sign(&with("aud", json!(["api://AzureADTokenExchange"]))),
            &key
        )
        .await,
        "the token's audience is [\"api://AzureADTokenExchange\"] and not this service's"
    );
}

#[tokio::test]
async fn a_token_for_several_services_is_refused() {
    let key = Key::issuers("k1");

    assert_eq!(
        refused(
            &key.sign(&with("aud", json!(["todolist-backend", "other"]))),
            &key
        )
        .await,
        "the token's audience is [\"todolist-backend\", \"other\"] and not this service's"
    );
}

#[tokio::test]
async fn another_pod_of_the_cluster_may_not_call() {
    let key = Key::issuers("k1");
    let token = key.sign(&with("sub", json!("system:serviceaccount:todolist:worker")));

    let refusal = judged(&token, &key, NOW).await.expect_err("the worker");

    assert_eq!(
        refusal.to_string(),
        "\"system:serviceaccount:todolist:worker\" may not call this service"
    );
    assert_eq!(ApiError::from(refusal).kind(), kinds::CALLER_FORBIDDEN);
}

#[tokio::test]
async fn every_refusal_but_the_subjects_is_a_401() {
    let key = Key::issuers("k1");
    for token in [
        "opaque".to_owned(),
        key.sign(&with("iss", json!("https://other/"))),
        key.sign(&with("aud", json!("other"))),
        key.sign(&with("exp", json!(NOW - 600))),
        Key::others("k9").sign(&claims()),
        Key::others("k1").sign(&claims()),
    ] {
        let refusal = judged(&token, &key, NOW).await.expect_err("a refusal");

        assert_eq!(
            ApiError::from(refusal).kind(),
            kinds::CALLER_UNAUTHENTICATED
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_fetched_once_per_ten_seconds() {
    let old = Key::issuers("k1");
    let new = Key::others("k2");
    let issuer = Issuer::publishing(&[&old]);
    let documents: Arc<dyn Documents> = Arc::<Issuer>::clone(&issuer);
    let verifier = CallerVerifier::with_documents(rules(), documents);
    let known = old.sign(&claims());
    let rotated = new.sign(&claims());
    assert!(verifier.verify_token(&known, at(NOW)).await.is_ok());
    issuer.publish(&[&old, &new]);

    // Within ten seconds of the first fetch: not asked again.
    for _ in 0..5 {
        let refusal = verifier.verify_token(&rotated, at(NOW)).await;
        assert!(matches!(refusal, Err(CallerRefusal::UnknownKey)));
    }
    assert_eq!(issuer.asked(), 1);

    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    assert!(verifier.verify_token(&rotated, at(NOW)).await.is_ok());
    assert!(verifier.verify_token(&known, at(NOW)).await.is_ok());
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_verified_is_not_verified_again_while_its_keys_are_fresh() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    let documents: Arc<dyn Documents> = Arc::<Issuer>::clone(&issuer);
    let verifier = CallerVerifier::with_documents(rules(), documents);
    let token = key.sign(&claims());
    let caller = verifier.verify_token(&token, at(NOW)).await.expect("sound");
    let keys_of = verifier.0.keys.fresh_since().expect("keys");

    assert_eq!(
        verifier.0.verified.find(&token, keys_of, at(NOW)),
        Some(caller)
    );
    let refusal = verifier.verify_token(&token, at(NOW + 630)).await;
    assert!(matches!(refusal, Err(CallerRefusal::Expired(_))));
    let refused = key.sign(&with("sub", json!("system:serviceaccount:todolist:worker")));
    assert!(verifier.verify_token(&refused, at(NOW)).await.is_err());
    assert_eq!(verifier.0.verified.find(&refused, keys_of, at(NOW)), None);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_taken_back_is_refused_within_the_hour() {
    let old = Key::issuers("k1");
    let new = Key::others("k2");
    let issuer = Issuer::publishing(&[&old]);
    let documents: Arc<dyn Documents> = Arc::<Issuer>::clone(&issuer);
    let verifier = CallerVerifier::with_documents(rules(), documents);
    let token = old.sign(&claims());
    assert!(verifier.verify_token(&token, at(NOW)).await.is_ok());
    issuer.publish(&[&new]);

    tokio::time::advance(std::time::Duration::from_hours(1)).await;

    let refusal = verifier.verify_token(&token, at(NOW)).await;
    assert!(matches!(refusal, Err(CallerRefusal::UnknownKey)));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_away_leaves_the_known_keys_and_is_a_503_for_others() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    let documents: Arc<dyn Documents> = Arc::<Issuer>::clone(&issuer);
    let verifier = CallerVerifier::with_documents(rules(), documents);
    let token = key.sign(&claims());
    assert!(verifier.verify_token(&token, at(NOW)).await.is_ok());
    issuer.documents.lock().unwrap().clear();

    tokio::time::advance(std::time::Duration::from_hours(2)).await;

    assert!(verifier.verify_token(&token, at(NOW)).await.is_ok());
    let refusal = verifier
        .verify_token(&Key::others("k2").sign(&claims()), at(NOW))
        .await
        .expect_err("no keys");
    assert_eq!(
        ApiError::from(refusal).kind(),
        kinds::DEPENDENCY_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_gives_no_keys() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    issuer.configure(json!({ "issuer": "https://other/", "jwks_uri": JWKS_URI }));

    let error = CallerVerifier::with_documents(rules(), issuer)
        .warm_up()
        .await
        .expect_err("another issuer's document");

    assert_eq!(
        error.to_string(),
        format!("the discovery document is of \"https://other/\" and not of {ISSUER:?}")
    );
}

#[tokio::test]
async fn keys_are_fetched_by_https_only() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    issuer.configure(json!({ "issuer": ISSUER, "jwks_uri": "http://oic.test/jwks" }));

    let error = CallerVerifier::with_documents(rules(), issuer)
        .warm_up()
        .await
        .expect_err("not https");

    assert_eq!(
        error.to_string(),
        "\"http://oic.test/jwks\" is not an https URL"
    );
}

#[tokio::test]
async fn a_document_that_is_too_long_elsewhere_or_away_is_not_read() {
    let long = Arc::<str>::from("x".repeat(256 * 1024 + 1));
    let router = axum::Router::new()
        .route("/short", axum::routing::get(async || "short"))
        .route("/long", axum::routing::get(async move || long.to_string()))
        .route(
            "/moved",
            axum::routing::get(async || axum::response::Redirect::to("/short")),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let fetch = async |path: &str| {
        let url = Url::parse(&format!("http://{address}/{path}")).unwrap();
        Web::new().fetch(&url).await
    };

    assert_eq!(fetch("short").await.expect("a document"), b"short");
    assert!(matches!(fetch("long").await, Err(KeysError::TooLong(_))));
    for (path, expected) in [("moved", 303), ("nothing", 404)] {
        let error = fetch(path).await.expect_err(path);
        assert!(
            matches!(error, KeysError::Status { status, .. } if status == expected),
            "{error}"
        );
    }
    serving.abort();
}

#[tokio::test]
async fn a_set_without_a_signing_key_gives_no_keys() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    let mut encryption = key.jwk();
    encryption["use"] = json!("enc");
    issuer.documents.lock().unwrap().insert(
        JWKS_URI.to_owned(),
        json!({ "keys": [encryption, { "kty": "EC", "kid": "e" }] }),
    );

    let error = CallerVerifier::with_documents(rules(), issuer)
        .warm_up()
        .await
        .expect_err("no key for signatures");

    assert_eq!(
        error.to_string(),
        format!("{JWKS_URI} has no RSA key for signatures")
    );
}

#[test]
fn a_caller_that_is_no_service_account_is_a_problem_of_the_settings() {
    let vars = crate::settings::Vars::from_pairs([
        ("CLUSTER_ISSUER", ISSUER),
        ("CALLER_AUDIENCE", "todolist-backend"),
        ("CALLER_SUBJECT", "frontend"),
    ]);
    let mut reader = Reader::new(&vars);
    let rules = CallerRules::read(&mut reader);

    let error = reader
        .finish(|| rules.get())
        .expect_err("not a service account")
        .to_string();

    assert_eq!(
        error,
        "CALLER_SUBJECT: \"frontend\" is not a service account, \
         system:serviceaccount:<namespace>:<name>"
    );
}
