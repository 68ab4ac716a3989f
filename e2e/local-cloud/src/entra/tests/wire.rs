//! The token endpoint as HTTP: what it reads, and what stands around its answers.

use super::*;

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Tenant {
    async fn send(&self, request: http::Request<Body>) -> Answer {
        use tower::ServiceExt as _;
        let answer = Arc::clone(&self.entra).router().oneshot(request).await;
        let (parts, body) = answer.expect("a router does not fail").into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&body).expect("JSON"),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        let request = http::Request::get(path).body(Body::empty());
        self.send(request.expect("a request")).await
    }

    /// Posts a body to the token endpoint.
    async fn post(&self, kind: &str, body: impl Into<Body>) -> Answer {
        let path = format!("/{}/oauth2/v2.0/token", names::tenant_id());
        let request = http::Request::post(path).header("content-type", kind);
        self.send(request.body(body.into()).expect("a request"))
            .await
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn code_of(answer: &Answer) -> (u16, u64) {
    let code = answer.body["error_codes"][0].as_u64().expect("a code");
    (answer.status.as_u16(), code)
}

#[tokio::test]
async fn a_refusal_is_known_by_the_callers_id_and_by_its_own() {
    let tenant = Tenant::start().await;
    let path = format!("/{}/oauth2/v2.0/token", names::tenant_id());
    let id = "a8a6f0c7-4f2f-4f7e-9d67-2f1d3d1d8f11";
    for wanted in [true, false] {
        let request = http::Request::post(&path)
            .header("content-type", FORM)
            .header("client-request-id", id)
            .header("return-client-request-id", wanted.to_string());
        let request = request.body(Body::empty()).expect("a request");

        let Answer { headers, body, .. } = tenant.send(request).await;

        assert_eq!(body["correlation_id"], id);
        let trace = body["trace_id"].as_str().expect("a trace id");
        assert_eq!(headers["x-ms-request-id"], trace);
        let description = body["error_description"].as_str().expect("a text");
        let ids = format!(" Trace ID: {trace} Correlation ID: {id} Timestamp: ");
        assert!(description.contains(&ids), "{description}");
        assert_eq!(headers.contains_key("client-request-id"), wanted);
        assert_eq!(headers["cache-control"], "no-store, no-cache");
        assert_eq!(headers["pragma"], "no-cache");
        assert_eq!(headers["expires"], "-1");
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn a_token_carries_the_same_headers_as_a_refusal() {
    let tenant = Tenant::start().await;

    let answer = tenant.post(FORM, tenant.form().body()).await;

    assert_eq!(answer.status, StatusCode::OK);
    for name in ["x-ms-request-id", "expires", "cache-control", "pragma"] {
        assert!(answer.headers.contains_key(name), "{name}");
    }
    let members: Vec<_> = answer.body.as_object().expect("an object").keys().collect();
    assert_eq!(
        members,
        ["access_token", "expires_in", "ext_expires_in", "token_type"]
    );
}

#[tokio::test]
async fn only_codes_that_the_look_up_page_knows_have_a_link_to_it() {
    let tenant = Tenant::start().await;
    for (form, code, has_link) in [
        (tenant.form().without("scope"), 900_144, true),
        (tenant.form().with("scope", "vault"), 1_002_012, false),
    ] {
        let answer = tenant.post(FORM, form.body()).await;

        assert_eq!(code_of(&answer).1, code);
        let link = format!("https://login.microsoftonline.com/error?code={code}");
        let link = has_link.then_some(link);
        assert_eq!(answer.body["error_uri"].as_str(), link.as_deref());
    }
}

#[tokio::test]
async fn what_is_no_form_has_no_parameters() {
    let tenant = Tenant::start().await;
    let form = tenant.form().body();
    let json = r#"{"grant_type":"client_credentials"}"#.to_owned();
    for (kind, body) in [
        ("application/json", json),
        ("text/plain", form.clone()),
        ("multipart/form-data; boundary=x", form.clone()),
    ] {
        let answer = tenant.post(kind, body).await;

        assert_eq!(code_of(&answer), (400, 900_144), "{kind}");
        let text = answer.body["error_description"].as_str().expect("a text");
        assert!(text.contains("'grant_type'"), "{text}");
    }
    let answer = tenant.post("Application/X-WWW-Form-Urlencoded; charset=utf-8", form);
    assert_eq!(answer.await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_parameter_that_is_sent_twice_is_refused_also_with_the_same_value() {
    let tenant = Tenant::start().await;
    let form = tenant.form();
    for (name, value) in &form.0 {
        for again in [value.as_str(), "another"] {
            let mut twice = form.clone();
            twice.0.push((name, again.to_owned()));

            let answer = tenant.post(FORM, twice.body()).await;

            assert_eq!(code_of(&answer), (400, 9_000_411), "{name}={again}");
            let text = answer.body["error_description"].as_str().expect("a text");
            assert!(text.contains(&format!("'{name}' is duplicated.")), "{text}");
        }
    }
}

#[tokio::test]
async fn a_request_is_read_up_to_its_bounds() {
    let tenant = Tenant::start().await;
    let padded = |length: usize| tenant.form().with("padding", &"x".repeat(length)).body();
    let answer = tenant.post(FORM, padded(50_000)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = tenant.post(FORM, padded(MAX_BODY)).await;
    assert_eq!(code_of(&answer), (413, 900_048));

    let with_more = |number: usize| {
        let more = (0..number).map(|n| format!("more{n}=x"));
        let all: Vec<_> = std::iter::once(tenant.form().body()).chain(more).collect();
        all.join("&")
    };
    assert_eq!(
        tenant.post(FORM, with_more(59)).await.status,
        StatusCode::OK
    );
    let answer = tenant.post(FORM, with_more(60)).await;
    assert_eq!(code_of(&answer), (400, 901_003));
}

#[tokio::test]
async fn the_older_endpoints_parameter_is_not_supported() {
    let tenant = Tenant::start().await;
    let form = tenant.form().with("resource", "https://vault.azure.net");

    let answer = tenant.post(FORM, form.body()).await;

    assert_eq!(code_of(&answer), (400, 901_002));
}

#[tokio::test]
async fn both_discovery_documents_lead_to_the_keys_that_sign() {
    let tenant = Tenant::start().await;
    let id = names::tenant_id();
    let token = tenant.ask(&tenant.form()).await.expect("trusted");
    let header = token["access_token"]
        .as_str()
        .and_then(|token| token.split('.').next());
    let header = URL_SAFE_NO_PAD
        .decode(header.expect("a header"))
        .expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");

    for (version, issuer) in [
        (
            "/v2.0",
            format!("https://login.microsoftonline.com/{id}/v2.0"),
        ),
        ("", format!("https://sts.windows.net/{id}/")),
    ] {
        let path = format!("/{id}{version}/.well-known/openid-configuration");
        let document = tenant.get(&path).await.body;
        let base = format!("https://login.microsoftonline.com/{id}");
        assert_eq!(document["issuer"], issuer);
        assert_eq!(
            document["token_endpoint"],
            format!("{base}/oauth2{version}/token")
        );
        assert_eq!(
            document["token_endpoint_auth_methods_supported"],
            json!([
                "client_secret_post",
                "private_key_jwt",
                "client_secret_basic"
            ])
        );
        assert_eq!(document["subject_types_supported"], json!(["pairwise"]));
        assert_eq!(
            document["id_token_signing_alg_values_supported"],
            json!(["RS256"])
        );
        assert_eq!(document["msgraph_host"], "graph.microsoft.com");

        let keys = document["jwks_uri"].as_str().expect("an address");
        let keys = tenant.get(
            keys.strip_prefix("https://login.microsoftonline.com")
                .expect("here"),
        );
        let keys = keys.await.body;
        let key = &keys["keys"][0];
        assert_eq!(key["kid"], header["kid"]);
        assert_eq!(key["x5t"], header["x5t"]);
        assert_eq!((&key["kty"], &key["use"]), (&json!("RSA"), &json!("sig")));
        assert_eq!(key["issuer"], format!("{base}/v2.0"));
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let modulus = URL_SAFE_NO_PAD.decode(text(&key["n"])).expect("base64url");
        let certificate = base64::engine::general_purpose::STANDARD
            .decode(text(&key["x5c"][0]))
            .expect("base64");
        let is_inside = certificate
            .windows(modulus.len())
            .any(|part| part == modulus);
        assert!(is_inside, "the certificate is one of this key");
    }
}

#[tokio::test]
async fn documents_of_another_tenant_are_refused() {
    let tenant = Tenant::start().await;
    let nobody = "00000000-0000-0000-0000-000000000001";
    for document in [
        "v2.0/.well-known/openid-configuration",
        ".well-known/openid-configuration",
        "discovery/v2.0/keys",
    ] {
        let answer = tenant.get(&format!("/{nobody}/{document}")).await;
        assert_eq!(code_of(&answer), (400, 90002), "{document}");
    }
}

#[tokio::test]
async fn only_the_login_host_is_a_known_instance() {
    let tenant = Tenant::start().await;
    let ask = async |endpoint: &str| {
        let query: String = url::form_urlencoded::byte_serialize(endpoint.as_bytes()).collect();
        let path = "/common/discovery/instance?api-version=1.1&authorization_endpoint=";
        tenant.get(&format!("{path}{query}")).await
    };

    let known = ask("https://login.microsoftonline.com/common/oauth2/v2.0/authorize").await;
    assert_eq!(known.status, StatusCode::OK);
    assert_eq!(
        known.body["metadata"][0]["preferred_network"],
        "login.microsoftonline.com"
    );

    for unknown in [
        "https://login.evil.test/common/oauth2/v2.0/authorize",
        "https://login.microsoftonline.com.evil.test/common/oauth2/v2.0/authorize",
        "http://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        "login.microsoftonline.com",
    ] {
        let answer = ask(unknown).await;
        assert_eq!(answer.body["error"], "invalid_instance", "{unknown}");
        assert_eq!(code_of(&answer), (400, 50049));
    }
}
