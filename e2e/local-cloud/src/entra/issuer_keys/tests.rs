//! What an issuer may publish, with one thing wrong at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
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

/// By path.
type Documents = Arc<RwLock<BTreeMap<String, Value>>>;

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
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&documents));
        let (client, serving) = serve_issuer(router).await;
        let issuers = Issuers::new(client, [names::ISSUER_HOST.to_owned()]);
        let clock = Clock::system();
        let published = SigningKey::generate().jwk();
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
        let mut documents = self.documents.write().expect("no one panics with it");
        documents.insert(path, document);
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
    let documents = documents.read().expect("no one panics with it");
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
