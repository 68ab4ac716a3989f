//! Who is let in: nobody without the frontend's token, wherever it goes.

use platform::caller::CallerRules;
use platform::request_id::REQUEST_ID;

use super::*;

/// The API as it is served.
fn guarded() -> Router {
    let verifier = CallerVerifier::new(CallerRules {
        issuer: "https://issuer.invalid/".to_owned(),
        audience: "todolist-backend".to_owned(),
        subject: "system:serviceaccount:todolist:frontend".to_owned(),
    });
    router(api(), verifier)
}

async fn refusal(router: Router, request: Request) -> (u16, String, String) {
    let (parts, problem) = answer(router, request).await;
    assert_eq!(
        parts.headers[header::CONTENT_TYPE],
        "application/problem+json",
        "{problem}"
    );
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    (parts.status.as_u16(), text("code"), text("detail"))
}

#[tokio::test]
async fn nobody_gets_anywhere_without_a_token_not_even_nowhere() {
    let router = guarded();
    for (method, path) in [
        (Method::GET, "/api/v1/lists"),
        (Method::GET, "/api/v1/lists/inbox/todos"),
        (Method::POST, "/api/v1/lists/inbox/todos"),
        (Method::DELETE, "/api/v1/lists/inbox/todos/1"),
        (Method::PATCH, "/api/v1/lists/inbox"),
        (Method::POST, "/api/v1/lists/inbox/todos/1/attachments"),
        (Method::POST, "/api/v1/lists/inbox/share-links"),
        (Method::GET, "/api/v1/shared"),
        (Method::GET, "/api/v1/openapi.json"),
        (Method::GET, "/api/v1/lists/inbox/attachments/1"),
        (Method::GET, "/api/v1/access"),
        (Method::POST, "/api/v1/access"),
        (Method::GET, "/"),
        (Method::GET, "/api/v2/anything"),
        (Method::PUT, "/api/v1/lists"),
    ] {
        let refused = refusal(router.clone(), empty(method.clone(), path)).await;

        assert_eq!(
            refused,
            (
                401,
                "caller_unauthenticated".to_owned(),
                "there is no bearer token".to_owned()
            ),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_token_that_nobody_signed_or_another_cluster_did_is_refused() {
    // {"alg":"none"} and {"alg":"RS256","kid":"k"}, each with {"iss":"https://other.invalid/"}.
    for (token, detail) in [
        (
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL290aGVyLmludmFsaWQvIn0.",
            "the token's algorithm is \"none\" and not RS256",
        ),
        (
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL290aGVyLmludmFsaWQvIn0.c2ln",
            "the token's issuer is \"https://other.invalid/\" and not this cluster's",
        ),
    ] {
        let request = request(Method::GET, "/api/v1/lists")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .expect("a request");

        let (status, code, said) = refusal(guarded(), request).await;

        assert_eq!((status, code.as_str()), (401, "caller_unauthenticated"));
        assert_eq!(said, detail);
    }
}

#[tokio::test]
async fn a_refusal_carries_the_request_id_too() {
    let request = request(Method::GET, "/api/v1/lists")
        .header(REQUEST_ID, "req-1")
        .body(Body::empty())
        .expect("a request");

    let (parts, problem) = answer(guarded(), request).await;

    assert_eq!(parts.headers[REQUEST_ID], "req-1");
    assert_eq!(problem["requestId"], "req-1");
}
