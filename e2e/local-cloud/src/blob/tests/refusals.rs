//! What an admitted caller asks in vain, each refused with its exact code.

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
    let token = setup.authorization(FRONTEND);
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
