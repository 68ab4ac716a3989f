//! `azure_data_cosmos`, whole: its start-up, binary encoding, `ETag`s, queries
//! with pages, batches.

use std::num::NonZero;

use azure_core::http::Etag;
use azure_data_cosmos::models::TransactionalBatchOperationResult;
use azure_data_cosmos::options::{
    BatchReplaceOptions, ContentResponseOnWrite, FeedOptions, ItemWriteOptions, MaxItemCountHint,
    OperationOptions, Precondition, QueryOptions,
};
use azure_data_cosmos::{
    AccountReference, ContainerClient, CosmosClient, CosmosError, FeedScope, Query,
    RoutingStrategy, TransactionalBatch,
};
use futures::TryStreamExt as _;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::world::{COSMOS, trials, world};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        an_item_that_was_created_is_read_back,
        an_item_that_exists_is_not_created_again,
        a_change_is_made_only_to_the_version_that_was_read,
        an_upsert_creates_or_replaces,
        a_deleted_item_is_gone,
        partitions_do_not_see_each_other,
        a_query_takes_parameters_and_comes_in_order,
        a_query_comes_in_pages_and_can_be_resumed,
        a_batch_is_done_as_a_whole,
        a_batch_with_a_failure_leaves_nothing_behind,
        a_missing_container_is_told,
    ]
}

/// An account is opened once in a process.
pub(crate) async fn account() -> &'static CosmosClient {
    static ACCOUNT: OnceCell<CosmosClient> = OnceCell::const_new();
    let open = async || {
        let account =
            AccountReference::with_credential(COSMOS.parse().expect("a URL"), world().credential());
        let near = RoutingStrategy::ProximityTo("East US".into());
        CosmosClient::builder().build(account, near).await
    };
    ACCOUNT
        .get_or_try_init(open)
        .await
        .expect("the account opens")
}

pub(crate) async fn container(name: &'static str) -> Result<ContainerClient, CosmosError> {
    account()
        .await
        .database_client("estate")
        .container_client(name, None)
        .await
}

/// `403/5302`, `404`.
pub(crate) fn code(error: &CosmosError) -> String {
    let status = error.status();
    let number = u16::from(status.status_code());
    match status.sub_status() {
        Some(sub) if sub.value() != 0 => format!("{number}/{}", sub.value()),
        _ => number.to_string(),
    }
}

async fn items() -> ContainerClient {
    container("items").await.expect("the container opens")
}

async fn create(items: &ContainerClient, partition: &'static str, item: Value) -> Etag {
    let id = item["id"].as_str().expect("an id").to_owned();
    let created = items
        .create_item(partition, &id, item, None)
        .await
        .expect("created");
    created.headers().etag().cloned().expect("an ETag")
}

async fn read(items: &ContainerClient, partition: &'static str, id: &str) -> Result<Value, String> {
    let read = items.read_item(partition, id, None).await;
    read.map_err(|error| code(&error))?
        .into_model()
        .map_err(|error| error.to_string())
}

fn if_match(etag: &Etag) -> ItemWriteOptions {
    let precondition = Precondition::IfMatch(etag.clone());
    ItemWriteOptions::default().with_precondition(precondition)
}

async fn query(items: &ContainerClient, query: Query, scope: FeedScope) -> Vec<Value> {
    let found = items.query_items::<Value>(query, scope, None).await;
    found.expect("a query").try_collect().await.expect("items")
}

async fn an_item_that_was_created_is_read_back() {
    let items = items().await;
    let item = json!({
        "id": "ä b", "list": "read-back", "text": "käse", "number": 1.5, "whole": -7, "yes": true,
        "nothing": null, "nested": { "list": [1, "two", { "three": [] }] },
    });
    let mut answered = OperationOptions::default();
    answered.content_response_on_write = Some(ContentResponseOnWrite::Enabled);
    let options = ItemWriteOptions::default().with_operation_options(answered);

    let created = items
        .create_item("read-back", "ä b", &item, Some(options))
        .await;
    let created = created.expect("created");
    let etag = created.headers().etag().cloned().expect("an ETag");
    let answer: Value = created.into_model().expect("the item is answered");
    let read = read(&items, "read-back", "ä b").await.expect("read");

    assert_eq!(read, answer);
    for (name, value) in item.as_object().expect("an object") {
        assert_eq!(&read[name], value, "{name}");
    }
    assert_eq!(read["_etag"], etag.to_string());
    for name in ["_rid", "_self", "_ts"] {
        assert!(!read[name].is_null(), "{name} is missing");
    }
}

async fn an_item_that_exists_is_not_created_again() {
    let items = items().await;
    let item = |text: &str| json!({ "id": "only", "list": "conflict", "text": text });
    create(&items, "conflict", item("first")).await;

    let error = items
        .create_item("conflict", "only", item("second"), None)
        .await;

    assert_eq!(code(&error.expect_err("it exists")), "409");
    let read = read(&items, "conflict", "only").await.expect("read");
    assert_eq!(read["text"], "first");
}

async fn a_change_is_made_only_to_the_version_that_was_read() {
    let items = items().await;
    let item = |text: &str| json!({ "id": "one", "list": "etags", "text": text });
    let stale = create(&items, "etags", item("first")).await;

    let replaced = items
        .replace_item("etags", "one", item("second"), Some(if_match(&stale)))
        .await;
    let current = replaced
        .expect("replaced")
        .headers()
        .etag()
        .cloned()
        .expect("an ETag");
    let replaced = items
        .replace_item("etags", "one", item("third"), Some(if_match(&stale)))
        .await;
    let deleted = items
        .delete_item("etags", "one", Some(if_match(&stale)))
        .await;

    assert_ne!(stale, current);
    assert_eq!(code(&replaced.expect_err("it changed")), "412");
    assert_eq!(code(&deleted.expect_err("it changed")), "412");
    let read = read(&items, "etags", "one").await.expect("read");
    assert_eq!(read["text"], "second");
    items
        .delete_item("etags", "one", Some(if_match(&current)))
        .await
        .expect("deleted");
}

async fn an_upsert_creates_or_replaces() {
    let items = items().await;
    for text in ["first", "second"] {
        let item = json!({ "id": "one", "list": "upserts", "text": text });
        items
            .upsert_item("upserts", "one", item, None)
            .await
            .expect("upserted");
        let read = read(&items, "upserts", "one").await.expect("read");
        assert_eq!(read["text"], text);
    }
}

async fn a_deleted_item_is_gone() {
    let items = items().await;
    create(&items, "deleted", json!({ "id": "one", "list": "deleted" })).await;

    items
        .delete_item("deleted", "one", None)
        .await
        .expect("deleted");

    assert_eq!(read(&items, "deleted", "one").await, Err("404".to_owned()));
    let again = items.delete_item("deleted", "one", None).await;
    assert_eq!(code(&again.expect_err("it is gone")), "404");
    let replaced = items
        .replace_item(
            "deleted",
            "one",
            json!({ "id": "one", "list": "deleted" }),
            None,
        )
        .await;
    assert_eq!(code(&replaced.expect_err("it is gone")), "404");
}

async fn partitions_do_not_see_each_other() {
    let items = items().await;
    for list in ["left", "right"] {
        create(
            &items,
            list,
            json!({ "id": "same", "list": list, "group": "isolation" }),
        )
        .await;
    }
    create(
        &items,
        "right",
        json!({ "id": "other", "list": "right", "group": "isolation" }),
    )
    .await;
    let of_group = || Query::from("SELECT c.id, c.list FROM c WHERE c.group = 'isolation'");

    assert_eq!(
        read(&items, "left", "same").await.expect("read")["list"],
        "left"
    );
    assert_eq!(read(&items, "left", "other").await, Err("404".to_owned()));
    let left = query(&items, of_group(), FeedScope::partition("left")).await;
    assert_eq!(left, [json!({ "id": "same", "list": "left" })]);
    let all = query(&items, of_group(), FeedScope::full_container()).await;
    assert_eq!(all.len(), 3, "{all:?}");
    let wrong = json!({ "id": "astray", "list": "right" });
    let error = items.create_item("left", "astray", wrong, None).await;
    // Azure adds the sub-status 1001, which Microsoft's emulator leaves out.
    assert_eq!(code(&error.expect_err("the key is not the item's")), "400");
    for list in ["left", "right"] {
        assert_eq!(read(&items, list, "astray").await, Err("404".to_owned()));
    }
}

async fn a_query_takes_parameters_and_comes_in_order() {
    let items = items().await;
    for (id, rank) in [("a", 3), ("b", 1), ("c", 2), ("d'; DROP", 4)] {
        create(
            &items,
            "queried",
            json!({ "id": id, "list": "queried", "rank": rank }),
        )
        .await;
    }
    let by_rank =
        "SELECT VALUE c.id FROM c WHERE c.list = @list AND c.rank < @below ORDER BY c.rank DESC";
    let by_rank = Query::from(by_rank)
        .with_parameter("@list", "queried")
        .and_then(|query| query.with_parameter("@below", 4));
    let by_id = Query::from("SELECT VALUE c.rank FROM c WHERE c.id = @id");
    let by_id = by_id.with_parameter("@id", "d'; DROP");
    let count = Query::from("SELECT VALUE COUNT(1) FROM c WHERE c.rank >= 2");
    let queried = || FeedScope::partition("queried");

    let ranked = query(&items, by_rank.expect("parameters"), queried()).await;
    assert_eq!(ranked, ["a", "c", "b"]);
    assert_eq!(
        query(&items, by_id.expect("a parameter"), queried()).await,
        [4]
    );
    assert_eq!(query(&items, count, queried()).await, [3]);
}

async fn a_query_comes_in_pages_and_can_be_resumed() {
    let items = items().await;
    let ids: Vec<String> = (0..7).map(|number| format!("item-{number}")).collect();
    for id in &ids {
        create(&items, "paged", json!({ "id": id, "list": "paged" })).await;
    }
    let limit = MaxItemCountHint::Limit(NonZero::new(3).expect("not zero"));
    let pages = async |from: Option<_>| {
        let mut feed = FeedOptions::default().with_max_item_count(limit);
        if let Some(from) = from {
            feed = feed.with_continuation_token(from);
        }
        let options = QueryOptions::default().with_feed_options(feed);
        let query = Query::from("SELECT VALUE c.id FROM c ORDER BY c.id");
        let scope = FeedScope::partition("paged");
        let found = items
            .query_items::<String>(query, scope, Some(options))
            .await;
        found.expect("a query").into_pages()
    };

    let mut from_start = pages(None).await;
    let first = from_start
        .try_next()
        .await
        .expect("a page")
        .expect("not the end");
    let token = from_start
        .to_continuation_token()
        .expect("a continuation token");
    let rest: Vec<_> = from_start.try_collect().await.expect("pages");
    let resumed: Vec<_> = pages(Some(token)).await.try_collect().await.expect("pages");

    assert_eq!(first.items(), &ids[..3]);
    let items_of = |pages: Vec<azure_data_cosmos::feed::QueryFeedPage<String>>| {
        let items = pages
            .into_iter()
            .map(azure_data_cosmos::feed::QueryFeedPage::into_items);
        items.flatten().collect::<Vec<_>>()
    };
    assert!(rest.iter().all(|page| page.items().len() <= 3));
    assert_eq!(items_of(rest), &ids[3..]);
    assert_eq!(items_of(resumed), &ids[3..]);
}

async fn a_batch_is_done_as_a_whole() {
    let items = items().await;
    let list = |sequence: u32| json!({ "id": "list", "list": "batched", "sequence": sequence });
    let etag = create(&items, "batched", list(1)).await;
    create(&items, "batched", json!({ "id": "old", "list": "batched" })).await;
    let replace = BatchReplaceOptions::default().with_precondition(Precondition::IfMatch(etag));

    let batch = TransactionalBatch::new("batched")
        .replace_item("list", list(2), Some(replace))
        .and_then(|batch| batch.create_item(json!({ "id": "new", "list": "batched" })))
        .map(|batch| batch.delete_item("old", None))
        .map(|batch| batch.read_item("new", None));
    let done = items
        .execute_transactional_batch(batch.expect("a batch"), None)
        .await;

    let done = done.expect("executed").into_model().expect("results");
    let statuses: Vec<u16> = done
        .results()
        .iter()
        .map(TransactionalBatchOperationResult::status_code)
        .collect();
    assert_eq!(statuses, [200, 201, 204, 200]);
    let read_in_batch: Option<Value> = done.results()[3].into_model().expect("an item");
    assert_eq!(read_in_batch.expect("an item")["id"], "new");
    let read_after = read(&items, "batched", "list").await.expect("read");
    assert_eq!(read_after["sequence"], 2);
    assert_eq!(done.results()[0].etag(), read_after["_etag"].as_str());
    assert_eq!(read(&items, "batched", "old").await, Err("404".to_owned()));
}

async fn a_batch_with_a_failure_leaves_nothing_behind() {
    let items = items().await;
    let item = |id: &str| json!({ "id": id, "list": "rolled-back" });
    create(&items, "rolled-back", item("there")).await;

    let batch = TransactionalBatch::new("rolled-back")
        .create_item(item("first"))
        .and_then(|batch| batch.create_item(item("there")))
        .map(|batch| batch.delete_item("there", None));
    let failed = items
        .execute_transactional_batch(batch.expect("a batch"), None)
        .await;

    // A batch that fails is an answer, not an error.
    let failed = failed.expect("executed").into_model().expect("results");
    let statuses: Vec<u16> = failed
        .results()
        .iter()
        .map(TransactionalBatchOperationResult::status_code)
        .collect();
    assert_eq!(statuses, [424, 409, 424]);
    assert_eq!(
        read(&items, "rolled-back", "first").await,
        Err("404".to_owned())
    );
    read(&items, "rolled-back", "there")
        .await
        .expect("it is still there");
}

async fn a_missing_container_is_told() {
    let error = container("missing")
        .await
        .map(drop)
        .expect_err("it is missing");

    assert!(code(&error).starts_with("404"), "{error}");
}
