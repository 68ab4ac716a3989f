use http::{HeaderName, HeaderValue};

use super::*;

fn headers(named: &[(&'static str, &'static str)]) -> HeaderMap {
    named
        .iter()
        .map(|&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn classify(method: &str, path: &str, named: &[(&'static str, &'static str)]) -> String {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    match Target::of(&method, path, &headers(named)) {
        Ok(target) => format!(
            "{} {} at {} ({})",
            target.kind.name(),
            target.kind.action().map_or("-", |action| {
                action
                    .rsplit_once("containers/")
                    .map_or(action, |(_, action)| action)
            }),
            target.scope("cosmos"),
            target.resource(),
        ),
        Err(Refusal::ControlPlane { request }) => format!("5300 {request}"),
        Err(Refusal::NotImplemented(what)) => format!("501 {what}"),
        Err(Refusal::BadRequest(why)) => format!("400 {why}"),
        Err(other) => panic!("{other:?}"),
    }
}

const AT_DATABASE: &str = "cosmos/databases/d (dbs/d)";
const AT_CONTAINER: &str = "cosmos/databases/d/containers/c (dbs/d/colls/c)";
const KEY: (&str, &str) = ("x-ms-documentdb-partitionkey", r#"["a"]"#);

#[test]
fn metadata_is_read_at_the_account_the_database_or_the_container() {
    for (method, path, named, expected) in [
        (
            "GET",
            "/",
            &[][..],
            "ReadAccount - at cosmos (/)".to_owned(),
        ),
        ("GET", "", &[], "ReadAccount - at cosmos (/)".to_owned()),
        (
            "GET",
            "/dbs",
            &[],
            "ListDatabases - at cosmos (/)".to_owned(),
        ),
        (
            "GET",
            "/dbs/d",
            &[],
            format!("ReadDatabase - at {AT_DATABASE}"),
        ),
        (
            "GET",
            "/dbs/d/colls/",
            &[],
            format!("ListContainers - at {AT_DATABASE}"),
        ),
        (
            "GET",
            "/dbs/d/colls/c/",
            &[],
            format!("ReadContainer - at {AT_CONTAINER}"),
        ),
        (
            "GET",
            "/dbs/d/colls/c/pkranges",
            &[],
            format!("ListPartitionKeyRanges - at {AT_CONTAINER}"),
        ),
    ] {
        assert_eq!(classify(method, path, named), expected, "{method} {path}");
    }
}

#[test]
fn every_operation_on_items_has_its_action() {
    let docs = "/dbs/d/colls/c/docs";
    let doc = "/dbs/d/colls/c/docs/1";

    for (method, path, named, expected) in [
        (
            "GET",
            docs,
            &[][..],
            format!("ReadChangeFeed readChangeFeed at {AT_CONTAINER}"),
        ),
        (
            "GET",
            docs,
            &[("a-im", "Incremental Feed")],
            format!("ReadChangeFeed readChangeFeed at {AT_CONTAINER}"),
        ),
        (
            "GET",
            doc,
            &[],
            format!("ReadItem items/read at {AT_CONTAINER}"),
        ),
        (
            "PUT",
            doc,
            &[],
            format!("ReplaceItem items/replace at {AT_CONTAINER}"),
        ),
        (
            "PATCH",
            doc,
            &[],
            format!("PatchItem items/replace at {AT_CONTAINER}"),
        ),
        (
            "DELETE",
            doc,
            &[],
            format!("DeleteItem items/delete at {AT_CONTAINER}"),
        ),
        (
            "POST",
            docs,
            &[KEY],
            format!("CreateItem items/create at {AT_CONTAINER}"),
        ),
        (
            "POST",
            docs,
            &[KEY, ("x-ms-documentdb-is-upsert", "True")],
            format!("UpsertItem items/upsert at {AT_CONTAINER}"),
        ),
        (
            "POST",
            docs,
            &[("x-ms-documentdb-isquery", "True")],
            format!("QueryItems executeQuery at {AT_CONTAINER}"),
        ),
        (
            "POST",
            docs,
            &[("content-type", "application/query+json")],
            format!("QueryItems executeQuery at {AT_CONTAINER}"),
        ),
        (
            "POST",
            docs,
            &[
                ("x-ms-cosmos-is-query-plan-request", "True"),
                ("x-ms-documentdb-isquery", "True"),
            ],
            format!("PlanQuery executeQuery at {AT_CONTAINER}"),
        ),
        (
            "POST",
            docs,
            &[KEY, ("x-ms-cosmos-is-batch-request", "True")],
            format!("ExecuteTransactionalBatch - at {AT_CONTAINER}"),
        ),
        (
            "GET",
            "/dbs/a%20b/colls/c/docs/%C3%A9",
            &[],
            "ReadItem items/read at cosmos/databases/a b/containers/c (dbs/a b/colls/c)".to_owned(),
        ),
    ] {
        assert_eq!(classify(method, path, named), expected, "{method} {path}");
    }
}

#[test]
fn the_control_plane_is_told_from_what_is_not_played() {
    const QUERY: (&str, &str) = ("x-ms-documentdb-isquery", "True");
    for (method, path, named, expected) in [
        ("POST", "/dbs", &[][..], "5300 POST /dbs"),
        ("DELETE", "/dbs/d", &[], "5300 DELETE /dbs/d"),
        ("POST", "/dbs/d/colls", &[], "5300 POST /dbs/d/colls"),
        ("PUT", "/dbs/d/colls/c", &[], "5300 PUT /dbs/d/colls/c"),
        (
            "DELETE",
            "/dbs/d/colls/c",
            &[],
            "5300 DELETE /dbs/d/colls/c",
        ),
        ("GET", "/offers", &[], "5300 GET /offers"),
        ("PUT", "/offers/o", &[], "5300 PUT /offers/o"),
        ("POST", "/offers", &[QUERY], "5300 POST /offers"),
        ("POST", "/dbs/d/users", &[], "5300 POST /dbs/d/users"),
        (
            "GET",
            "/dbs/d/users/u/permissions/p",
            &[],
            "5300 GET /dbs/d/users/u/permissions/p",
        ),
        (
            "POST",
            "/dbs/d/colls/c/sprocs",
            &[],
            "5300 POST /dbs/d/colls/c/sprocs",
        ),
        (
            "PUT",
            "/dbs/d/colls/c/triggers/t",
            &[],
            "5300 PUT /dbs/d/colls/c/triggers/t",
        ),
        (
            "POST",
            "/dbs/d/colls/c/sprocs/s",
            &[],
            "501 POST /dbs/d/colls/c/sprocs/s",
        ),
        ("POST", "/dbs", &[QUERY], "501 POST /dbs"),
        ("POST", "/dbs/d/colls", &[QUERY], "501 POST /dbs/d/colls"),
        (
            "GET",
            "/dbs/d/colls/c/conflicts",
            &[],
            "501 GET /dbs/d/colls/c/conflicts",
        ),
        ("HEAD", "/dbs/d/colls/c", &[], "501 HEAD /dbs/d/colls/c"),
        (
            "POST",
            "/dbs/d/colls/c/docs/1",
            &[],
            "501 POST /dbs/d/colls/c/docs/1",
        ),
        (
            "GET",
            "/dbs/d/colls/c/docs",
            &[("a-im", "Full-Fidelity Feed")],
            "501 the change feed of all versions and deletes",
        ),
        (
            "PUT",
            "/dbs/d/colls/c/docs/1",
            &[("x-ms-documentdb-pre-trigger-include", "t")],
            "501 triggers (x-ms-documentdb-pre-trigger-include)",
        ),
    ] {
        assert_eq!(classify(method, path, named), expected, "{method} {path}");
    }
}

#[test]
fn a_path_that_could_mean_two_places_is_refused() {
    for path in [
        "/dbs/d/colls/c/docs/..",
        "/dbs/d/colls/%2e%2e/docs/1",
        "/dbs/d/colls/c%2Fdocs/docs/1",
        "/dbs/d/colls/c%5Cdocs/docs/1",
        "/dbs/d//colls/c",
    ] {
        assert_eq!(
            classify("GET", path, &[]),
            "400 The path names no resource.",
            "{path}"
        );
    }
    assert_eq!(
        classify("GET", "/dbs/%FF", &[]),
        "400 The path is not UTF-8."
    );
}

#[test]
fn an_item_needs_its_partition_key_in_the_header() {
    assert_eq!(
        classify("POST", "/dbs/d/colls/c/docs", &[]),
        "400 PartitionKey value must be supplied for this operation."
    );
}

#[test]
fn a_bare_array_of_patch_operations_is_put_into_an_object() {
    let wrapped = patch_body(Bytes::from_static(b" [{\"op\":\"remove\"}]\n"));
    assert_eq!(wrapped, "{\"operations\":[{\"op\":\"remove\"}]}");

    let object = Bytes::from_static(b"{\"operations\":[]}");
    assert_eq!(patch_body(object.clone()), object);
}
