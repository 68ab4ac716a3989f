//! The backend serves the frontend's pod and nobody else.

use e2e::stack::{Options, Stack};
use local_cloud::{EXCHANGE_AUDIENCE, TokenRequest};
use serde_json::Value;

use crate::api::token_of;
use crate::stage::start;

async fn call(stack: &Stack, token: Option<&str>) -> (u16, String) {
    let address = stack.address("backend").expect("the backend serves");
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let request = client.get(format!("http://{address}/api/v1/lists"));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let body: Value = response.json().await.expect("JSON");
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_frontends_token_for_the_backend_opens_it() {
    let stack = start(Options::default()).await;
    let control = stack.control();
    let own = token_of("frontend", "todolist-backend");
    let token = control.sign_token(&own).await.expect("signed");
    let (status, _) = call(&stack, Some(&token)).await;
    assert_eq!(status, 200, "the frontend's own token is accepted");

    let unauthenticated = (401, "caller_unauthenticated".to_owned());
    assert_eq!(call(&stack, None).await, unauthenticated, "without a token");
    let mut forged = token.clone();
    let last = forged.pop().expect("a signature");
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    assert_eq!(
        call(&stack, Some(&forged)).await,
        unauthenticated,
        "with another signature"
    );
    let expired = TokenRequest {
        age_seconds: 3600,
        ..own.clone()
    };
    let early = TokenRequest {
        age_seconds: -3600,
        ..own.clone()
    };
    let for_entra = token_of("frontend", EXCHANGE_AUDIENCE);
    for (what, request) in [
        ("expired", expired),
        ("not yet valid", early),
        ("meant for Entra ID", for_entra),
    ] {
        let token = control.sign_token(&request).await.expect("signed");
        assert_eq!(
            call(&stack, Some(&token)).await,
            unauthenticated,
            "a token that is {what}"
        );
    }

    let forbidden = (403, "caller_forbidden".to_owned());
    for other in ["worker", "backend", "default"] {
        let request = token_of(other, "todolist-backend");
        let token = control.sign_token(&request).await.expect("signed");
        assert_eq!(
            call(&stack, Some(&token)).await,
            forbidden,
            "the pod of {other}"
        );
    }
    let elsewhere = TokenRequest {
        namespace: "other".to_owned(),
        ..own
    };
    let token = control.sign_token(&elsewhere).await.expect("signed");
    assert_eq!(
        call(&stack, Some(&token)).await,
        forbidden,
        "a pod of another namespace"
    );
    stack.stop(|_| {}).await.expect("everything ends");
}
