//! What an issuer may publish, with one thing wrong at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::entra::Issuers;
use crate::entra::tests::serve_issuer;
use crate::keys::{SigningKey, jwks};
use crate::names;

// Making a key takes a tenth of a second or more; the tests share one.
static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

/// What is published, by path, and how often somebody asked.
#[derive(Clone, Default)]
struct Documents {
    by_path: Arc<RwLock<BTreeMap<String, Value>>>,
    asked: Arc<AtomicUsize>,
}

/// An issuer whose documents a test can change, and who fetches them.
struct Issuer {
    keys: IssuerKeys,
    clock: Clock,
    documents: Documents,
    published: Jwk,
    _serving: tokio_util::task::AbortOnDropHandle<()>,
}

impl Issuer {
    /// An issuer with which nothing is wrong.
    async fn start() -> Self {
        let documents = Documents::default();
        let router = Router::new().fallback(answer).with_state(documents.clone());
        let (client, serving) = serve_issuer(router).await;
        let issuers = Issuers::new(client, [names::ISSUER_HOST.to_owned()]);
        let clock = Clock::system();
        let published = KEY.jwk();
        let issuer = Self {
            keys: IssuerKeys::new(issuers, clock.clone()),
            clock,
            documents,
            published: published.clone(),
            _serving: serving,
        };
        let discovery = json!({ "issuer": names::cluster_issuer(), "jwks_uri": url("keys") });
        issuer.publish(".well-known/openid-configuration", discovery);
        issuer.publish("keys", jwks(&[published]));
        issuer
    }

    fn publish(&self, name: &str, document: Value) {
        let path = Url::parse(&url(name)).expect("a URL").path().to_owned();
        let documents = self.documents.by_path.write();
        documents
            .expect("no one panics with it")
            .insert(path, document);
    }

    /// Asks for the published key; the code of the refusal if there is one.
    /// An issuer that failed is asked again after a while, and so the time moves.
    async fn find(&self) -> Result<Jwk, u32> {
        self.clock.advance(Duration::from_secs(6));
        let issuer = names::cluster_issuer();
        let found = self.keys.find(&issuer, &self.published.kid);
        found.await.map_err(|refusal| refusal.code)
    }
}

/// A document may be an object, or the text of the address that it has moved to.
async fn answer(State(documents): State<Documents>, uri: Uri) -> Response {
    documents.asked.fetch_add(1, Ordering::Relaxed);
    let documents = documents.by_path.read().expect("no one panics with it");
    match documents.get(uri.path()) {
        Some(Value::String(to)) => {
            (StatusCode::FOUND, [(header::LOCATION, to.clone())]).into_response()
        }
        Some(document) => document.to_string().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn url(name: &str) -> String {
    format!("{}{name}", names::cluster_issuer())
}

#[tokio::test]
async fn a_published_key_is_found() {
    let issuer = Issuer::start().await;

    assert_eq!(issuer.find().await, Ok(issuer.published.clone()));
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_refused() {
    let issuer = Issuer::start().await;
    let discovery = json!({ "issuer": "https://other.test/", "jwks_uri": url("keys") });
    issuer.publish(".well-known/openid-configuration", discovery);

    assert_eq!(issuer.find().await, Err(700_221));
}

#[tokio::test]
async fn keys_are_fetched_over_https_only() {
    let issuer = Issuer::start().await;
    let plain = url("keys").replace("https:", "http:");
    let discovery = json!({ "issuer": names::cluster_issuer(), "jwks_uri": plain });
    issuer.publish(".well-known/openid-configuration", discovery);

    assert_eq!(issuer.find().await, Err(900_610));
}

#[tokio::test]
async fn a_document_that_is_not_there_or_elsewhere_is_not_followed() {
    let issuer = Issuer::start().await;
    issuer.publish("moved", jwks(std::slice::from_ref(&issuer.published)));
    issuer.publish("keys", json!(url("moved")));
    assert_eq!(issuer.find().await, Err(50166));

    let discovery = json!({ "issuer": names::cluster_issuer(), "jwks_uri": url("nothing") });
    issuer.publish(".well-known/openid-configuration", discovery);
    assert_eq!(issuer.find().await, Err(50166));
}

#[tokio::test]
async fn a_document_that_is_too_long_is_refused() {
    let issuer = Issuer::start().await;
    let mut keys = jwks(std::slice::from_ref(&issuer.published));
    keys["padding"] = json!("x".repeat(MAX_DOCUMENT));
    issuer.publish("keys", keys);

    assert_eq!(issuer.find().await, Err(900_610));
}

#[tokio::test]
async fn keys_beyond_the_hundredth_do_not_count() {
    let issuer = Issuer::start().await;
    let other = |number: usize| Jwk {
        kid: format!("other-{number}"),
        ..issuer.published.clone()
    };
    let mut keys: Vec<Jwk> = (1..MAX_KEYS).map(other).collect();
    keys.push(issuer.published.clone());
    issuer.publish("keys", jwks(&keys));
    assert_eq!(issuer.find().await, Ok(issuer.published.clone()));

    keys.insert(0, other(0));
    issuer.publish("keys", jwks(&keys));
    issuer.clock.advance(Duration::from_hours(1));

    assert_eq!(issuer.find().await, Err(7_000_272));
}

#[tokio::test]
async fn a_key_that_was_taken_back_is_refused_after_an_hour() {
    let issuer = Issuer::start().await;
    issuer.find().await.expect("the key is published");
    issuer.publish("keys", jwks(&[]));

    issuer.clock.advance(Duration::from_mins(59));
    issuer.find().await.expect("the key is still kept");
    issuer.clock.advance(Duration::from_mins(1));

    assert_eq!(issuer.find().await, Err(7_000_272));
}

#[tokio::test]
async fn a_discovery_document_without_a_field_that_is_needed_is_told_which() {
    let issuer = Issuer::start().await;
    for (field, other) in [("issuer", "jwks_uri"), ("jwks_uri", "issuer")] {
        let whole = json!({ "issuer": names::cluster_issuer(), "jwks_uri": url("keys") });
        let without = json!({ other: whole[other] });
        issuer.publish(".well-known/openid-configuration", without);

        issuer.clock.advance(Duration::from_secs(6));
        let refused = issuer.keys.find(&names::cluster_issuer(), "any").await;

        let refused = refused.expect_err("a field is missing");
        assert_eq!(refused.code, 70024);
        let text = format!("OIDC Provider Metadata missing required field '{field}'.");
        assert_eq!(refused.text, text);
    }
}

#[tokio::test]
async fn a_discovery_document_that_is_no_object_is_refused() {
    let issuer = Issuer::start().await;
    for no_object in [json!([]), json!(1), Value::Null] {
        issuer.publish(".well-known/openid-configuration", no_object);
        assert_eq!(issuer.find().await, Err(900_611));
    }
}

#[test]
fn a_document_that_says_a_thing_twice_is_refused() {
    assert!(key_set(br#"{"keys":[],"keys":[]}"#).is_none());
}

#[tokio::test]
async fn a_key_set_that_is_none_is_refused() {
    let issuer = Issuer::start().await;
    for none in [
        json!([]),
        json!({}),
        json!({ "keys": {} }),
        json!({ "keys": ["key"] }),
    ] {
        issuer.publish("keys", none);
        assert_eq!(issuer.find().await, Err(900_612));
    }
}

#[tokio::test]
async fn keys_of_another_kind_do_not_matter_unless_they_are_meant() {
    let issuer = Issuer::start().await;
    let good = json!(issuer.published);
    let elliptic = json!({ "kty": "EC", "kid": "elliptic", "crv": "P-256", "x": "AA", "y": "AA" });
    let nameless = json!({ "kty": "RSA", "n": good["n"], "e": good["e"] });
    let keys = json!({ "keys": [elliptic, nameless, good] });
    issuer.publish("keys", keys);

    assert_eq!(issuer.find().await, Ok(issuer.published.clone()));
    let meant = issuer.keys.find(&names::cluster_issuer(), "elliptic").await;
    assert_eq!(meant.expect_err("it is not for RS256").code, 5_002_730);
}

#[tokio::test]
async fn a_weak_key_is_of_no_use() {
    let issuer = Issuer::start().await;
    let weak = Jwk {
        e: "Aw".to_owned(),
        ..issuer.published.clone()
    };
    issuer.publish("keys", jwks(&[weak]));

    assert_eq!(issuer.find().await, Err(5_002_730));
}

#[tokio::test]
async fn two_keys_of_one_id_are_of_no_use() {
    let issuer = Issuer::start().await;
    let other = Jwk {
        kid: issuer.published.kid.clone(),
        ..SigningKey::generate().jwk()
    };
    issuer.publish("keys", jwks(&[issuer.published.clone(), other]));

    assert_eq!(issuer.find().await, Err(900_612));
}

#[tokio::test]
async fn an_issuer_that_fails_is_left_alone_for_a_while() {
    let issuer = Issuer::start().await;
    issuer.publish(".well-known/openid-configuration", json!([]));
    let asked = || issuer.documents.asked.load(Ordering::Relaxed);
    let find = async || {
        let found = issuer.keys.find(&names::cluster_issuer(), "any").await;
        found.expect_err("it fails").code
    };

    assert_eq!((find().await, asked()), (900_611, 1));
    assert_eq!((find().await, asked()), (900_611, 1), "not asked again");
    issuer.clock.advance(Duration::from_secs(5));
    assert_eq!((find().await, asked()), (900_611, 2));
}

#[tokio::test]
async fn keys_that_are_known_stay_known_while_the_issuer_fails() {
    let issuer = Issuer::start().await;
    issuer.find().await.expect("the key is published");
    issuer.publish(".well-known/openid-configuration", json!([]));

    issuer.clock.advance(Duration::from_secs(6));
    let unknown = issuer.keys.find(&names::cluster_issuer(), "any").await;
    assert_eq!(unknown.expect_err("not published").code, 7_000_272);

    issuer.find().await.expect("the key is kept");
}

#[tokio::test]
async fn many_tokens_of_one_issuer_cause_one_request() {
    let issuer = Issuer::start().await;
    let name = names::cluster_issuer();
    let find = || issuer.keys.find(&name, &issuer.published.kid);

    let found = futures::future::join_all((0..20).map(|_| find())).await;

    assert!(found.iter().all(Result::is_ok));
    assert_eq!(
        issuer.documents.asked.load(Ordering::Relaxed),
        2,
        "a document each"
    );
}
