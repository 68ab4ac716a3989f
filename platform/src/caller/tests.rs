//! Who may call: the frontend, with a token that the issuer signed.

mod claims;
mod issuer;
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

fn verifier(issuer: &Arc<Issuer>) -> CallerVerifier {
    CallerVerifier::with_documents(rules(), Arc::<Issuer>::clone(issuer))
}

async fn judged(token: &str, key: &Key, now: i64) -> Result<Caller, CallerRefusal> {
    verifier(&Issuer::publishing(&[key]))
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
    let verifier = verifier(&Issuer::publishing(&[]));
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
    let verifier = verifier(&Issuer::publishing(&[]));
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
