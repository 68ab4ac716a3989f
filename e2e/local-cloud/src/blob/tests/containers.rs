//! Containers, and what they list.

use super::*;

/// Control actions that the data plane enforces: a contributor of one container
/// may even delete it.
#[tokio::test]
async fn containers_are_managed_with_control_actions() {
    let setup = Setup::with_owner();
    let properties = setup
        .send(FRONTEND, "GET /attachments?restype=container", &[], "")
        .await;
    assert_eq!(properties.status, StatusCode::OK);
    assert_eq!(properties.header("x-ms-lease-state"), "available");

    let created = setup
        .send(
            "backend",
            "PUT /another?restype=container",
            &[("x-ms-meta-of", "b")],
            "",
        )
        .await;

    assert_eq!(created.status, StatusCode::CREATED);
    let again = setup
        .send("backend", "PUT /another?restype=container", &[], "")
        .await;
    assert_eq!(again.refusal(), (409, "ContainerAlreadyExists"));
    let list = setup
        .send(
            "backend",
            "GET /?comp=list&include=metadata&maxresults=1",
            &[],
            "",
        )
        .await;
    assert_eq!(list.elements("Name"), ["another"]);
    assert_eq!(list.element("Metadata"), "<of>b</of>");
    let next = format!("GET /?comp=list&marker={}", list.element("NextMarker"));
    let rest = setup.send("backend", &next, &[], "").await;
    assert_eq!(rest.elements("Name"), ["attachments"]);
    assert!(rest.text().contains("<NextMarker/>"), "{}", rest.text());
    let deleted = setup
        .send(FRONTEND, "DELETE /attachments?restype=container", &[], "")
        .await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    let early = setup
        .send("backend", "PUT /attachments?restype=container", &[], "")
        .await;
    assert_eq!(early.refusal(), (409, "ContainerBeingDeleted"));
    setup
        .fixture
        .clock
        .advance(std::time::Duration::from_secs(31));
    let late = setup
        .send("backend", "PUT /attachments?restype=container", &[], "")
        .await;
    assert_eq!(late.status, StatusCode::CREATED);
}

#[tokio::test]
async fn blobs_are_listed_by_prefix_and_page() {
    let setup = Setup::new();
    for name in ["a/1", "a/2", "b/1", "c<d"] {
        setup.put(&name.replace('<', "%3C"), "x").await;
    }
    let list = async |query: &str| {
        let line = format!("GET /attachments?comp=list&restype=container{query}");
        setup.send(FRONTEND, &line, &[], "").await
    };

    let all = list("").await;

    assert_eq!(all.elements("Name"), ["a/1", "a/2", "b/1", "c&lt;d"]);
    assert!(all.text().contains(&format!(
        r#"<EnumerationResults ServiceEndpoint="https://{HOST}/" ContainerName="attachments">"#
    )));
    assert!(
        all.element("Etag").starts_with("0x8D"),
        "unquoted: {}",
        all.element("Etag")
    );
    assert_eq!(all.element("Content-Length"), "1");
    assert_eq!(all.element("BlobType"), "BlockBlob");
    assert_eq!(list("&prefix=a%2F").await.elements("Name"), ["a/1", "a/2"]);
    let first = list("&maxresults=3").await;
    assert_eq!(first.elements("Name"), ["a/1", "a/2", "b/1"]);
    let next = list(&format!(
        "&maxresults=3&marker={}",
        first.element("NextMarker")
    ))
    .await;
    assert_eq!(next.elements("Name"), ["c&lt;d"]);
    let folders = list("&delimiter=%2F").await;
    assert_eq!(
        folders.elements("BlobPrefix"),
        ["<Name>a/</Name>", "<Name>b/</Name>"]
    );
    assert_eq!(folders.elements("Blob").len(), 1);
    let page = list("&delimiter=%2F&maxresults=1").await;
    let page = list(&format!(
        "&delimiter=%2F&maxresults=1&marker={}",
        page.element("NextMarker")
    ))
    .await;
    assert_eq!(page.elements("Name"), ["b/"]);
    assert_eq!(
        list("&maxresults=0").await.refusal(),
        (400, "OutOfRangeQueryParameterValue")
    );
    assert_eq!(
        list("&maxresults=x").await.refusal(),
        (400, "InvalidQueryParameterValue")
    );
}

#[tokio::test]
async fn metadata_is_replaced_and_listed() {
    let setup = Setup::new();
    let put = setup.put("a", "1").await;

    let set = setup
        .send(
            FRONTEND,
            "PUT /attachments/a?comp=metadata",
            &[("x-ms-meta-k", "v")],
            "",
        )
        .await;

    assert_eq!(set.status, StatusCode::OK);
    assert_ne!(set.header("etag"), put.header("etag"));
    assert_eq!(setup.get("a", &[]).await.header("x-ms-meta-k"), "v");
    let list = setup
        .send(
            FRONTEND,
            "GET /attachments?comp=list&restype=container&include=metadata",
            &[],
            "",
        )
        .await;
    assert_eq!(list.element("Metadata"), "<k>v</k>");
    for (name, code) in [
        ("x-ms-meta-a-b", "InvalidMetadata"),
        ("x-ms-meta-", "EmptyMetadataKey"),
    ] {
        let bad = setup
            .send(
                FRONTEND,
                "PUT /attachments/a?comp=metadata",
                &[(name, "v")],
                "",
            )
            .await;
        assert_eq!(bad.refusal(), (400, code));
    }
}
