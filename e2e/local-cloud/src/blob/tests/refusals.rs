//! Each refusal with its exact code.

use super::*;

#[tokio::test]
async fn preconditions_are_refused_with_azures_codes() {
    let setup = Setup::new();
    let put = setup.put("a", "1").await;
    let etag = put.header("etag");
    let future = "Fri, 01 Jan 2100 00:00:00 GMT";
    let past = "Sat, 01 Jan 2000 00:00:00 GMT";
    for (line, condition, expected) in [
        (
            "GET /attachments/a",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "GET /attachments/a",
            ("if-none-match", etag),
            (304, "ConditionNotMet"),
        ),
        (
            "GET /attachments/a",
            ("if-modified-since", future),
            (304, "ConditionNotMet"),
        ),
        (
            "GET /attachments/a",
            ("if-unmodified-since", past),
            (412, "ConditionNotMet"),
        ),
        (
            "GET /attachments/a",
            ("if-none-match", "*"),
            (400, "UnsatisfiableCondition"),
        ),
        (
            "HEAD /attachments/a",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "PUT /attachments/a",
            ("if-none-match", "*"),
            (409, "BlobAlreadyExists"),
        ),
        (
            "PUT /attachments/a",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "PUT /attachments/absent",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "PUT /attachments/a?comp=blocklist",
            ("if-none-match", "*"),
            (409, "BlobAlreadyExists"),
        ),
        (
            "PUT /attachments/a?comp=metadata",
            ("if-unmodified-since", past),
            (412, "ConditionNotMet"),
        ),
        (
            "DELETE /attachments/a",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "PUT /attachments/a",
            ("if-match", "\"0x0\", \"0x1\""),
            (400, "MultipleConditionHeadersNotSupported"),
        ),
        (
            "GET /attachments/a",
            ("if-modified-since", "yesterday"),
            (400, "InvalidHeaderValue"),
        ),
    ] {
        let before = setup.account.digest();
        let mut headers = vec![condition];
        if line.starts_with("PUT") && !line.contains("comp=") {
            headers.push(("x-ms-blob-type", "BlockBlob"));
        }

        let body = if line.starts_with("PUT") {
            "<BlockList/>"
        } else {
            ""
        };
        let answer = setup.send(FRONTEND, line, &headers, body).await;

        assert_eq!(answer.refusal(), expected, "{line} {condition:?}");
        assert_eq!(setup.account.digest(), before, "{line} {condition:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_in_the_header_even_without_a_body() {
    let setup = Setup::with_owner();
    for (line, code) in [
        ("GET /attachments/absent", "BlobNotFound"),
        ("DELETE /attachments/absent", "BlobNotFound"),
        ("GET /attachments/absent?comp=blocklist", "BlobNotFound"),
        ("PUT /attachments/absent?comp=metadata", "BlobNotFound"),
        ("GET /nowhere/absent", "ContainerNotFound"),
        ("GET /nowhere?restype=container", "ContainerNotFound"),
        (
            "GET /nowhere?restype=container&comp=list",
            "ContainerNotFound",
        ),
        (
            "PUT /nowhere/a?comp=block&blockid=QQ==",
            "ContainerNotFound",
        ),
        ("DELETE /nowhere?restype=container", "ContainerNotFound"),
    ] {
        let answer = setup.send("backend", line, &[], "").await;
        assert_eq!(answer.refusal(), (404, code), "{line}");
        assert!(
            answer.element("Message").contains("\nRequestId:"),
            "{}",
            answer.text()
        );
    }
    let head = setup
        .send("backend", "HEAD /attachments/absent", &[], "")
        .await;
    assert_eq!(head.refusal(), (404, "BlobNotFound"));
    assert!(head.body.is_empty());
}

/// The observed form: azure-sdk-for-js' recordings.
#[tokio::test]
async fn a_token_for_another_resource_is_refused_with_a_challenge() {
    let setup = Setup::new();
    let token = format!(
        "Bearer {}",
        setup.fixture.token(FRONTEND, "https://vault.azure.net")
    );
    let headers = [
        ("authorization", token.as_str()),
        ("x-ms-version", "2026-04-06"),
    ];

    let answer = setup.send_raw("GET /attachments/a", &headers, "").await;

    assert_eq!(answer.refusal(), (401, "InvalidAuthenticationInfo"));
    let expected = format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{}/oauth2/authorize resource_id=https://storage.azure.com",
        names::tenant_id()
    );
    assert_eq!(answer.header("www-authenticate"), expected);
    assert_eq!(
        answer.element("AuthenticationErrorDetail"),
        "Audience validation failed. Audience did not match."
    );
    assert!(
        answer
            .text()
            .starts_with(r#"<?xml version="1.0" encoding="utf-8"?><Error><Code>"#)
    );
}

#[tokio::test]
async fn credentials_that_are_no_token_are_refused_each_with_its_code() {
    let setup = Setup::new();
    let good = format!("Bearer {}", setup.fixture.token(FRONTEND, STORAGE));
    let forged = format!("{}x", &good[..good.len() - 1]);
    for (headers, expected) in [
        (
            &[("x-ms-version", "2026-04-06")][..],
            (401, "NoAuthenticationInformation"),
        ),
        (
            &[("authorization", good.as_str())],
            (403, "AuthenticationFailed"),
        ),
        (
            &[
                ("authorization", good.as_str()),
                ("x-ms-version", "2015-02-21"),
            ],
            (403, "AuthenticationFailed"),
        ),
        (
            &[("authorization", good.as_str()), ("x-ms-version", "latest")],
            (400, "InvalidHeaderValue"),
        ),
        (
            &[
                ("authorization", forged.as_str()),
                ("x-ms-version", "2026-04-06"),
            ],
            (401, "InvalidAuthenticationInfo"),
        ),
        (
            &[
                ("authorization", "SharedKey a:b"),
                ("x-ms-version", "2026-04-06"),
            ],
            (403, "KeyBasedAuthenticationNotPermitted"),
        ),
    ] {
        let answer = setup.send_raw("GET /attachments/a", headers, "").await;

        assert_eq!(answer.refusal(), expected);
        if expected.1 == "AuthenticationFailed" {
            let detail = answer.element("AuthenticationErrorDetail");
            assert_eq!(
                detail,
                "Authentication scheme Bearer is not supported in this version."
            );
        }
    }
}

#[tokio::test]
async fn a_signature_made_with_the_accounts_key_is_refused_before_anything_else() {
    let setup = Setup::new();
    let token = format!("Bearer {}", setup.fixture.token(FRONTEND, STORAGE));
    let version = ("x-ms-version", "2026-04-06");
    // Of one blob, of the whole account, in capitals, and beside a good token.
    for (query, headers) in [
        ("sv=2026-04-06&sr=b&sp=r&se=2030-01-01&sig=c2ln", &[][..]),
        ("sv=2026-04-06&ss=b&srt=sco&sp=r&sig=c2ln", &[version][..]),
        ("SV=2026-04-06&SIG=c2ln", &[version][..]),
        (
            "sv=2026-04-06&sig=c2ln",
            &[("authorization", token.as_str()), version][..],
        ),
    ] {
        for path in ["/attachments/a", "/attachments", "/"] {
            let line = format!("GET {path}?{query}");
            let answer = setup.send_raw(&line, headers, "").await;
            let expected = (403, "KeyBasedAuthenticationNotPermitted");
            assert_eq!(answer.refusal(), expected, "{line}");
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_with_its_detail() {
    let setup = Setup::new();
    let token = format!("Bearer {}", setup.fixture.token(FRONTEND, STORAGE));
    setup
        .fixture
        .clock
        .advance(std::time::Duration::from_hours(25));
    let headers = [
        ("authorization", token.as_str()),
        ("x-ms-version", "2026-04-06"),
    ];

    let answer = setup.send_raw("GET /attachments/a", &headers, "").await;

    assert_eq!(answer.refusal(), (401, "InvalidAuthenticationInfo"));
    let detail = answer.element("AuthenticationErrorDetail");
    assert_eq!(detail, "Lifetime validation failed. The token is expired.");
}

#[tokio::test]
async fn a_caller_without_a_role_is_refused_whatever_there_is() {
    let setup = Setup::new();
    setup.put("a", "1").await;
    let contributor = Scope::new(["storage", "containers", "attachments"]);
    let revoked = Grant {
        identity: "worker".to_owned(),
        role: "Storage Blob Data Contributor".to_owned(),
        scope: contributor,
    };
    assert!(setup.fixture.gate.revoke(&revoked));
    let before = setup.account.digest();
    for (identity, line) in [
        ("worker", "GET /attachments/a"),
        ("worker", "GET /attachments/absent"),
        ("worker", "HEAD /attachments/a"),
        ("worker", "PUT /attachments/a"),
        ("worker", "PUT /attachments/a?comp=block&blockid=QQ=="),
        ("worker", "PUT /attachments/a?comp=blocklist"),
        ("worker", "DELETE /attachments/a"),
        ("worker", "GET /attachments?restype=container&comp=list"),
        ("worker", "GET /attachments?restype=container"),
        ("worker", "DELETE /attachments?restype=container"),
        // The role is at one container.
        (FRONTEND, "GET /?comp=list"),
        (FRONTEND, "GET /another/a"),
        (FRONTEND, "PUT /another?restype=container"),
    ] {
        let headers = [("x-ms-blob-type", "BlockBlob"), ("if-match", "\"0x0\"")];
        let conditional = line.ends_with("/a") || line.ends_with("absent");
        let headers = if conditional {
            &headers[..]
        } else {
            &headers[..1]
        };
        let answer = setup.send(identity, line, headers, "").await;

        assert_eq!(
            answer.refusal(),
            (403, "AuthorizationPermissionMismatch"),
            "{identity} {line}"
        );
    }
    assert_eq!(setup.account.digest(), before);
}

/// What each operation asks the gate for, shown by roles that grant less.
#[tokio::test]
async fn a_role_for_one_kind_of_operation_is_none_for_another() {
    let setup = Setup::new();
    setup.put("a", "1").await;
    let grant = |role: &str, scope: &[&str]| Grant {
        identity: "worker".to_owned(),
        role: role.to_owned(),
        scope: Scope::new(scope.iter().copied()),
    };
    let gate = &setup.fixture.gate;
    let container = ["storage", "containers", "attachments"];
    assert!(gate.revoke(&grant("Storage Blob Data Contributor", &container)));
    let ask = async |line: &str| {
        let headers = [("x-ms-blob-type", "BlockBlob")];
        let answer = setup.send("worker", line, &headers, "").await;
        answer.status.as_u16()
    };
    let before = setup.account.digest();

    let reader = grant("Storage Blob Data Reader", &container);
    gate.grant(reader.clone()).expect("the grant is valid");
    for line in [
        "GET /attachments/a",
        "HEAD /attachments/a",
        "GET /attachments/a?comp=blocklist",
        "GET /attachments?restype=container&comp=list",
        "GET /attachments?restype=container",
    ] {
        assert_eq!(ask(line).await, 200, "{line}");
    }
    for line in [
        "PUT /attachments/a",
        "PUT /attachments/a?comp=block&blockid=QQ==",
        "PUT /attachments/a?comp=blocklist",
        "PUT /attachments/a?comp=metadata",
        "DELETE /attachments/a",
        "PUT /attachments?restype=container",
        "DELETE /attachments?restype=container",
        "GET /?comp=list",
    ] {
        assert_eq!(ask(line).await, 403, "{line}");
    }
    assert!(gate.revoke(&reader));

    // The management of an account is no data action of its blobs.
    gate.grant(grant("Contributor", &["storage"]))
        .expect("the grant is valid");
    for line in ["GET /?comp=list", "GET /attachments?restype=container"] {
        assert_eq!(ask(line).await, 200, "{line}");
    }
    for line in [
        "GET /attachments/a",
        "HEAD /attachments/a",
        "GET /attachments/a?comp=blocklist",
        "GET /attachments?restype=container&comp=list",
        "PUT /attachments/a",
        "DELETE /attachments/a",
    ] {
        assert_eq!(ask(line).await, 403, "{line}");
    }
    assert_eq!(setup.account.digest(), before);
}

#[tokio::test]
async fn malformed_requests_are_refused_each_with_its_code() {
    let setup = Setup::with_owner();
    setup
        .send(
            "backend",
            "PUT /attachments/a?comp=block&blockid=QQ==",
            &[],
            "x",
        )
        .await;
    for (line, body, expected) in [
        ("PUT /attachments/a", "", (400, "MissingRequiredHeader")),
        (
            "PUT /attachments/a?comp=block",
            "",
            (400, "MissingRequiredQueryParameter"),
        ),
        (
            "PUT /attachments/a?comp=block&blockid=%21",
            "",
            (400, "InvalidQueryParameterValue"),
        ),
        (
            "PUT /attachments/a?comp=block&blockid=QUFBQQ==",
            "",
            (400, "InvalidBlobOrBlock"),
        ),
        (
            "PUT /attachments/a?comp=blocklist",
            "<BlockList>",
            (400, "InvalidXmlDocument"),
        ),
        (
            "PUT /attachments/a?comp=blocklist",
            "<BlockList><Latest>Qg==</Latest></BlockList>",
            (400, "InvalidBlockList"),
        ),
        (
            "PUT /attachments/a?comp=blocklist",
            "<BlockList><Committed>QQ==</Committed></BlockList>",
            (400, "InvalidBlockList"),
        ),
        ("PUT /ab?restype=container", "", (400, "OutOfRangeInput")),
        (
            "PUT /Attachments?restype=container",
            "",
            (400, "InvalidResourceName"),
        ),
        (
            "PUT /at--tachments?restype=container",
            "",
            (400, "InvalidResourceName"),
        ),
        ("GET /attachments/%FF", "", (400, "InvalidUri")),
        (
            "GET /attachments/a?comp=blocklist&blocklisttype=some",
            "",
            (400, "InvalidQueryParameterValue"),
        ),
    ] {
        let answer = setup.send("backend", line, &[], body).await;

        assert_eq!(answer.refusal(), expected, "{line}");
    }
}

#[tokio::test]
async fn a_body_without_length_or_beyond_the_bound_is_refused() {
    let setup = Setup::new();
    let token = format!("Bearer {}", setup.fixture.token(FRONTEND, STORAGE));
    for (length, expected) in [
        (None, StatusCode::LENGTH_REQUIRED),
        (Some("104857601"), StatusCode::PAYLOAD_TOO_LARGE),
        (Some("4"), StatusCode::BAD_REQUEST),
    ] {
        let mut request = Request::put("/attachments/a")
            .header("authorization", &token)
            .header("x-ms-version", "2026-04-06")
            .header("x-ms-blob-type", "BlockBlob");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let request = request
            .body(Body::from("abc"))
            .expect("the request is valid");
        let router = Arc::clone(&setup.account).router();

        let response = router
            .oneshot(request)
            .await
            .expect("a router does not fail");

        assert_eq!(response.status(), expected, "{length:?}");
    }
}

#[tokio::test]
async fn whatever_else_is_refused_with_501_naming_it() {
    let setup = Setup::with_owner();
    let block_blob = ("x-ms-blob-type", "BlockBlob");
    for (line, header, named) in [
        (
            "PUT /attachments/a?comp=lease",
            ("x-ms-lease-action", "acquire"),
            "PUT /attachments/a comp=lease",
        ),
        (
            "PUT /attachments/a",
            ("x-ms-blob-type", "AppendBlob"),
            "PutBlob of a AppendBlob",
        ),
        (
            "PUT /attachments/a",
            ("x-ms-copy-source", "https://a"),
            "the header x-ms-copy-source of PutBlob",
        ),
        (
            "GET /attachments/a",
            ("x-ms-lease-id", "1"),
            "the header x-ms-lease-id of GetBlob",
        ),
        (
            "GET /attachments/a?versionid=1",
            block_blob,
            "the parameter versionid of GetBlob",
        ),
        (
            "POST /?restype=service&comp=userdelegationkey",
            block_blob,
            "POST / restype=service comp=userdelegationkey",
        ),
        (
            "GET /attachments?restype=container&comp=list&include=snapshots",
            block_blob,
            "include=snapshots of ListBlobs",
        ),
        (
            "DELETE /attachments?restype=container",
            ("if-match", "*"),
            "the header if-match of DeleteContainer",
        ),
    ] {
        let answer = setup.send("backend", line, &[header], "").await;

        assert_eq!(answer.refusal(), (501, "NotImplemented"), "{line}");
        let expected = format!("The local cloud, which is not Azure, does not play {named}.");
        assert!(
            answer.element("Message").starts_with(&expected),
            "{}",
            answer.text()
        );
    }
}
