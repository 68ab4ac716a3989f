//! Cosmos DB: read, query, write and delete in each container.
//!
//! Opening a container asks for its metadata first. An identity without any role
//! on the container is refused there (5301), with a role that lacks the action at
//! the action (5302).

use azure_data_cosmos::options::{ItemWriteOptions, Precondition};
use azure_data_cosmos::{ContainerClient, FeedScope, Query};
use futures::TryStreamExt as _;
use serde_json::{Value, json};

use super::{Answer, Attempt, allowed_if, cell, nonexistent};
use crate::azure::{AzureFailure, Clients};

/// A partition that nobody uses.
const PARTITION: &str = "access-probe";

const QUERY: &str = "SELECT TOP 1 c.id FROM c WHERE c.listId = @l";

pub(super) fn attempts(clients: &Clients) -> Vec<Attempt<'_>> {
    let cosmos = &clients.estate().cosmos;
    let mut attempts = Vec::new();
    for (logical, container) in [
        ("todos", cosmos.todos.as_str()),
        ("activity", cosmos.activity.as_str()),
    ] {
        let resource = format!("cosmos/{logical}");
        let docs = format!("/dbs/{}/colls/{container}/docs", cosmos.database);
        let [id, written, deleted] = [nonexistent(), nonexistent(), nonexistent()];
        attempts.push(cell(
            resource.clone(),
            "read",
            format!("GET {docs}/{id}"),
            read(clients, container, id),
        ));
        attempts.push(cell(
            resource.clone(),
            "query",
            format!("POST {docs} {QUERY}"),
            query(clients, container),
        ));
        attempts.push(cell(
            resource.clone(),
            "write",
            format!("PUT {docs}/{written} If-Match: \"none\""),
            write(clients, container, written),
        ));
        attempts.push(cell(
            resource,
            "delete",
            format!("DELETE {docs}/{deleted}"),
            delete(clients, container, deleted),
        ));
    }
    attempts
}

async fn read(clients: &Clients, container: &str, id: String) -> Answer {
    let container = clients.container(container).await?;
    let result = container.read_item(PARTITION, &id, None).await;
    allowed_if(
        dropped(result),
        &[404],
        "404: no such item, and this pod may know",
    )
}

async fn query(clients: &Clients, container: &str) -> Answer {
    let container = clients.container(container).await?;
    first_page(&container).await.map_err(AzureFailure::cosmos)?;
    Ok("200: a page without items")
}

async fn first_page(container: &ContainerClient) -> azure_data_cosmos::Result<()> {
    let query = Query::from(QUERY).with_parameter("@l", PARTITION)?;
    container
        .query_items::<Value>(query, FeedScope::partition(PARTITION), None)
        .await?
        .into_pages()
        .try_next()
        .await
        .map(drop)
}

async fn write(clients: &Clients, container: &str, id: String) -> Answer {
    let container = clients.container(container).await?;
    let options =
        ItemWriteOptions::default().with_precondition(Precondition::IfMatch("\"none\"".into()));
    let item = json!({ "id": id, "listId": PARTITION });
    let result = container
        .replace_item(PARTITION, &id, item, Some(options))
        .await;
    allowed_if(
        dropped(result),
        &[404, 412],
        "404 or 412: no such item, so nothing changed",
    )
}

async fn delete(clients: &Clients, container: &str, id: String) -> Answer {
    let container = clients.container(container).await?;
    let result = container.delete_item(PARTITION, &id, None).await;
    allowed_if(
        dropped(result),
        &[404],
        "404: no such item, so nothing changed",
    )
}

fn dropped<T>(result: azure_data_cosmos::Result<T>) -> Result<(), AzureFailure> {
    result.map(drop).map_err(AzureFailure::cosmos)
}
