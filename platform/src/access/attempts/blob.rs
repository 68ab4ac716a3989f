//! Blob Storage: list the containers; list, read, write and delete in one.

use azure_core::http::RequestContent;
use azure_storage_blob::models::{
    BlobContainerClientListBlobsOptions, BlobServiceClientListContainersOptions,
    BlockBlobClientUploadOptions,
};
use futures::TryStreamExt as _;

use super::{Answer, Attempt, allowed_if, cell, nonexistent};
use crate::azure::{AzureFailure, Clients};

/// An `ETag` that no blob has.
const NO_ETAG: &str = "\"0x0\"";

pub(super) fn attempts(clients: &Clients) -> Vec<Attempt<'_>> {
    let container = &clients.estate().storage.attachments;
    let [blob, written, deleted] = [nonexistent(), nonexistent(), nonexistent()];
    let resource = "storage/attachments";
    vec![
        cell(
            "storage",
            "list-containers",
            "GET /?comp=list&maxresults=1".to_owned(),
            list_containers(clients),
        ),
        cell(
            resource,
            "list",
            format!("GET /{container}?restype=container&comp=list&maxresults=1"),
            list(clients),
        ),
        cell(
            resource,
            "read",
            format!("GET /{container}/{blob}"),
            read(clients, blob),
        ),
        cell(
            resource,
            "write",
            format!("PUT /{container}/{written} If-Match: {NO_ETAG}"),
            write(clients, written),
        ),
        cell(
            resource,
            "delete",
            format!("DELETE /{container}/{deleted}"),
            delete(clients, deleted),
        ),
    ]
}

async fn list_containers(clients: &Clients) -> Answer {
    let options = BlobServiceClientListContainersOptions {
        maxresults: Some(1),
        ..BlobServiceClientListContainersOptions::default()
    };
    let pager = clients.blobs().list_containers(Some(options));
    pager
        .map_err(AzureFailure::blob)?
        .into_pages()
        .try_next()
        .await
        .map_err(AzureFailure::blob)?;
    Ok("200: a page of names, dropped")
}

async fn list(clients: &Clients) -> Answer {
    let options = BlobContainerClientListBlobsOptions {
        maxresults: Some(1),
        ..BlobContainerClientListBlobsOptions::default()
    };
    let pager = clients.attachments().list_blobs(Some(options));
    pager
        .map_err(AzureFailure::blob)?
        .into_pages()
        .try_next()
        .await
        .map_err(AzureFailure::blob)?;
    Ok("200: a page of names, dropped")
}

async fn read(clients: &Clients, blob: String) -> Answer {
    let blob = clients.attachments().blob_client(&blob);
    let result = blob.download(None).await.map(drop);
    allowed_if(
        result.map_err(AzureFailure::blob),
        &[404],
        "404: no such blob, and this pod may know",
    )
}

async fn write(clients: &Clients, blob: String) -> Answer {
    let blob = clients.attachments().blob_client(&blob).block_blob_client();
    let options = BlockBlobClientUploadOptions {
        if_match: Some(NO_ETAG.into()),
        ..BlockBlobClientUploadOptions::default()
    };
    let result = blob
        .upload(RequestContent::from_static(b""), Some(options))
        .await
        .map(drop);
    allowed_if(
        result.map_err(AzureFailure::blob),
        &[412],
        "412: the condition cannot hold, so nothing changed",
    )
}

async fn delete(clients: &Clients, blob: String) -> Answer {
    let blob = clients.attachments().blob_client(&blob);
    let result = blob.delete(None).await.map(drop);
    allowed_if(
        result.map_err(AzureFailure::blob),
        &[404],
        "404: no such blob, so nothing changed",
    )
}
