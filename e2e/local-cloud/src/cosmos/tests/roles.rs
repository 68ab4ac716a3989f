//! What each role opens, and with which words the rest is refused.

use super::*;
use crate::audit::Decision;
use crate::model::{Grant, Scope};

#[tokio::test]
async fn a_batch_needs_the_action_of_each_of_its_operations() {
    let account = Account::new();
    let docs = format!("{ACTIVITY}/docs");
    account.create(ACTIVITY, "1").await;
    let read = json!({ "operationType": "Read", "id": "1" });
    let delete = json!({ "operationType": "Delete", "id": "1" });

    let reads = account
        .call(
            "frontend",
            Method::POST,
            &docs,
            &[IN_LIST, BATCH],
            json!([read]),
        )
        .await;
    assert_eq!(reads.status, StatusCode::OK, "{reads:?}");

    let deletes = account
        .call(
            "frontend",
            Method::POST,
            &docs,
            &[IN_LIST, BATCH],
            json!([read, delete]),
        )
        .await;
    assert_eq!(deletes.code(), "403/5302");
    assert!(
        deletes.message().contains("containers/items/delete]"),
        "{deletes:?}"
    );

    for (body, expected) in [
        (json!([]), "400/"),
        (json!({ "operationType": "Read" }), "400/"),
        (json!([{ "operationType": "Patch", "id": "1" }]), "501/"),
    ] {
        let refused = account
            .call("worker", Method::POST, &docs, &[IN_LIST, BATCH], body)
            .await;
        assert_eq!(refused.code(), expected, "{refused:?}");
    }
    let bulk = ("x-ms-cosmos-batch-atomic", "False");
    let refused = account
        .call(
            "worker",
            Method::POST,
            &docs,
            &[IN_LIST, BATCH, bulk],
            json!([read]),
        )
        .await;
    assert_eq!(refused.code(), "501/");
}

#[tokio::test]
async fn where_only_reading_is_granted_every_write_is_refused_with_its_action() {
    let account = Account::new();
    let docs = format!("{ACTIVITY}/docs");
    let doc = format!("{ACTIVITY}/docs/1");
    account.create(ACTIVITY, "1").await;
    let before = account.cosmos.digest();
    let item = json!({ "id": "1", "listId": "l" });
    let upsert = ("x-ms-documentdb-is-upsert", "True");

    for (method, path, headers, body, action) in [
        (
            Method::POST,
            &docs,
            &[IN_LIST][..],
            item.clone(),
            "items/create",
        ),
        (
            Method::POST,
            &docs,
            &[IN_LIST, upsert],
            item.clone(),
            "items/upsert",
        ),
        (Method::PUT, &doc, &[IN_LIST], item, "items/replace"),
        (
            Method::PATCH,
            &doc,
            &[IN_LIST],
            json!([{ "op": "remove", "path": "/a" }]),
            "items/replace",
        ),
        (
            Method::DELETE,
            &doc,
            &[IN_LIST],
            Value::Null,
            "items/delete",
        ),
    ] {
        let refused = account.call("frontend", method, path, headers, body).await;

        assert_eq!(refused.code(), "403/5302", "{action}");
        assert_eq!(refused.body["code"], "Forbidden");
        assert_eq!(
            refused.message(),
            format!(
                "Request blocked by Auth localcosmos : Request is blocked because principal [{}] does \
                 not have required RBAC permissions to perform action \
                 [Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/{action}] on resource \
                 [dbs/todolist/colls/activity]. Learn more: https://aka.ms/cosmos-native-rbac.",
                Account::principal("frontend"),
            )
        );
    }
    let read = account
        .call("frontend", Method::GET, &doc, &[IN_LIST], Value::Null)
        .await;
    assert_eq!(read.status, StatusCode::OK);
    let query = json!({ "query": "SELECT VALUE COUNT(1) FROM c" });
    let counted = account
        .call("frontend", Method::POST, &docs, &[IN_LIST, QUERY], query)
        .await;
    assert_eq!(counted.body["Documents"], json!([1]), "{counted:?}");
    assert_eq!(account.cosmos.digest(), before);
}

#[tokio::test]
async fn without_a_role_at_the_container_even_its_metadata_is_refused() {
    let account = Account::new();
    let docs = format!("{TODOS}/docs");
    let doc = format!("{TODOS}/docs/1");
    let item = json!({ "id": "1", "listId": "l" });
    let query = json!({ "query": "SELECT * FROM c" });

    for (method, path, headers, body) in [
        (Method::GET, TODOS.to_owned(), &[][..], Value::Null),
        (Method::GET, format!("{TODOS}/pkranges"), &[], Value::Null),
        (Method::GET, doc.clone(), &[IN_LIST], Value::Null),
        (Method::GET, docs.clone(), &[], Value::Null),
        (Method::POST, docs.clone(), &[IN_LIST, QUERY], query),
        (Method::POST, docs, &[IN_LIST], item.clone()),
        (Method::PUT, doc.clone(), &[IN_LIST], item),
        (Method::DELETE, doc, &[IN_LIST], Value::Null),
    ] {
        let refused = account.call("frontend", method, &path, headers, body).await;

        assert_eq!(refused.code(), "403/5301", "{path}");
        assert_eq!(
            refused.message(),
            format!(
                "Request blocked by Auth localcosmos : Request is blocked because principal [{}] does \
                 not have required RBAC permissions to perform action \
                 [Microsoft.DocumentDB/databaseAccounts/readMetadata] on resource \
                 [dbs/todolist/colls/todos]. Learn more: https://aka.ms/cosmos-native-rbac.",
                Account::principal("frontend"),
            )
        );
    }
}

#[tokio::test]
async fn a_role_anywhere_inside_opens_the_account_but_not_the_database() {
    let account = Account::new();
    let read = |path: &'static str| account.call("frontend", Method::GET, path, &[], Value::Null);

    assert_eq!(read("/").await.status, StatusCode::OK);
    assert_eq!(read(ACTIVITY).await.status, StatusCode::OK);
    for (path, resource) in [
        ("/dbs", "[/]"),
        ("/dbs/todolist", "[dbs/todolist]"),
        ("/dbs/todolist/colls", "[dbs/todolist]"),
    ] {
        let refused = read(path).await;
        assert_eq!(refused.code(), "403/5301", "{path}");
        assert!(refused.message().contains(resource), "{refused:?}");
    }

    let grant = account.fixture.gate.grant(Grant {
        identity: "frontend".to_owned(),
        role: "Cosmos DB Built-in Data Reader".to_owned(),
        scope: Scope::new(["cosmos"]),
    });
    assert_eq!(grant, Ok(()));
    for path in ["/dbs", "/dbs/todolist", "/dbs/todolist/colls", TODOS] {
        assert_eq!(read(path).await.status, StatusCode::OK, "{path}");
    }
    let missing = read("/dbs/other").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_caller_whose_last_role_is_gone_cannot_open_the_account() {
    let account = Account::new();
    let removed = account.fixture.gate.revoke(&Grant {
        identity: "frontend".to_owned(),
        role: "Cosmos DB Built-in Data Reader".to_owned(),
        scope: Scope::new(["cosmos", "databases", "todolist", "containers", "activity"]),
    });
    assert!(removed);

    let refused = account
        .call("frontend", Method::GET, "/", &[], Value::Null)
        .await;

    assert_eq!(refused.code(), "403/5301");
    assert!(
        refused.message().contains("readMetadata] on resource [/]"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_control_plane_is_refused_to_every_token_and_audited() {
    let account = Account::new();

    let refused = account
        .call("worker", Method::POST, "/dbs", &[], json!({ "id": "more" }))
        .await;

    assert_eq!(refused.code(), "403/5300");
    assert_eq!(
        refused.message(),
        "Request blocked by Auth localcosmos : The given request [POST /dbs] cannot be authorized \
         by AAD token in data plane. Learn more: https://aka.ms/cosmos-native-rbac."
    );
    let records = account.fixture.audit.after(0);
    let last = records.last().expect("a record");
    assert_eq!(
        (last.operation.as_str(), last.decision),
        ("ControlPlane", Decision::Denied)
    );
    let sproc = format!("{TODOS}/sprocs/s");
    let refused = account
        .call("worker", Method::POST, &sproc, &[], json!([]))
        .await;
    assert_eq!(refused.code(), "501/");
    assert_eq!(
        refused.message(),
        "local cloud, not Azure: Cosmos DB does not play POST /dbs/todolist/colls/todos/sprocs/s"
    );
}
