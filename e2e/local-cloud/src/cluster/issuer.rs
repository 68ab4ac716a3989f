//! The cluster's token issuer: what it publishes, and the tokens that it signs.
//!
//! Claims as in Kubernetes' `pkg/serviceaccount/claims.go` and `jwt.go` (1.30
//! and later); discovery as in `openidmetadata.go`.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::keys::{KeyRing, jwks};
use crate::names;

/// What a token is bound to.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    pub(crate) pod: String,
    pub(crate) pod_uid: Uuid,
}

/// Signs a token that is bound to a pod, as the `TokenRequest` API does.
/// `lifetime` is in seconds.
pub(crate) fn sign(
    keys: &KeyRing,
    binding: &Binding,
    audience: &str,
    lifetime: i64,
    now: OffsetDateTime,
) -> String {
    let issued = now.unix_timestamp();
    let Binding {
        namespace,
        service_account,
        pod,
        pod_uid,
    } = binding;
    let key = keys.current();
    let node = "local-node";
    key.sign(
        &json!({ "alg": "RS256", "kid": key.kid() }),
        &json!({
            "aud": [audience],
            "exp": issued + lifetime,
            "iat": issued,
            "iss": names::cluster_issuer(),
            "jti": Uuid::new_v4(),
            "kubernetes.io": {
                "namespace": namespace,
                "node": { "name": node, "uid": names::object_uid("node", node) },
                "pod": { "name": pod, "uid": pod_uid },
                "serviceaccount": {
                    "name": service_account,
                    "uid": names::object_uid("serviceaccount", &format!("{namespace}/{service_account}")),
                },
            },
            "nbf": issued,
            "sub": format!("system:serviceaccount:{namespace}:{service_account}"),
        }),
    )
}

/// What the issuer's host serves: discovery document and key set.
pub(crate) fn router(keys: &KeyRing, clock: &Clock, faults: &Faults) -> Router {
    let (keys, clock) = (keys.clone(), clock.clone());
    let base = names::cluster_issuer();
    let path = base
        .split_once(names::ISSUER_HOST)
        .map(|(_, path)| path.to_owned())
        .expect("the issuer is on its host");
    let keys_path = format!("{path}openid/v1/jwks");
    let document = json!({
        "issuer": base,
        "jwks_uri": format!("{base}openid/v1/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    Router::new()
        .route(
            &format!("{path}.well-known/openid-configuration"),
            get(move || async move { cached(Json(document).into_response()) }),
        )
        .route(
            &keys_path,
            get(move || async move {
                let mut response = Json(jwks(&keys.published(clock.now()))).into_response();
                let kind = header::HeaderValue::from_static("application/jwk-set+json");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                cached(response)
            }),
        )
        .layer(from_fn_with_state(faults.clone(), troubled))
}

/// The issuer's documents while there is a fault: late, or not at all.
async fn troubled(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    if faults.issuer_is_away() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if let Some(takes) = faults.issuer_takes() {
        tokio::time::sleep(takes).await;
    }
    next.run(request).await
}

fn cached(mut response: Response) -> Response {
    let hour = header::HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(header::CACHE_CONTROL, hour);
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tokio::time::{Duration, Instant};
    use tower::ServiceExt as _;

    use super::*;
    use crate::faults::{Name, Switch};

    /// The status of the discovery document, and how long it took.
    async fn asked(faults: &Faults) -> (StatusCode, Duration) {
        let router = router(&KeyRing::generate(), &Clock::system(), faults);
        let url = format!(
            "{}.well-known/openid-configuration",
            names::cluster_issuer()
        );
        let path = url.split_once(names::ISSUER_HOST).expect("a path").1;
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let begin = Instant::now();
        let answer = router.oneshot(request).await.expect("an answer");
        (answer.status(), begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn while_there_is_a_fault_its_documents_come_late_or_not_at_all() {
        let faults = Faults::new(Clock::system());
        assert_eq!(asked(&faults).await, (StatusCode::OK, Duration::ZERO));

        let slow = Switch {
            seconds: Some(3),
            ..Switch::on(Name::SlowKeys)
        };
        faults.switch_on(slow).expect("it makes sense");
        let late = (StatusCode::OK, Duration::from_secs(3));
        assert_eq!(asked(&faults).await, late);

        let away = Switch::on(Name::IssuerUnreachable);
        faults.switch_on(away).expect("it makes sense");
        let refused = (StatusCode::SERVICE_UNAVAILABLE, Duration::ZERO);
        assert_eq!(asked(&faults).await, refused);
    }
}
