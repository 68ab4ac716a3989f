//! `azure_storage_blob`, whole: its parallel uploads and downloads, conditions,
//! listings.

use std::collections::HashMap;
use std::num::NonZero;

use azure_core::Bytes;
use azure_core::http::RequestContent;
use azure_storage_blob::models::{
    BlobClientDeleteOptions, BlobClientDownloadOptions, BlobClientGetPropertiesResultHeaders as _,
    BlobContainerClientListBlobsOptions, BlobType, BlockBlobClientUploadOptions, BlockLookupList,
};
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobServiceClient};
use futures::TryStreamExt as _;
use libtest_mimic::Trial;

use crate::world::{STORAGE, refusal, set, trials, world};

const MIB: usize = 1024 * 1024;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_small_blob_keeps_its_bytes_and_properties,
        a_large_blob_goes_up_in_blocks_and_comes_down_in_ranges,
        an_empty_blob_can_be_downloaded,
        a_range_of_a_blob_can_be_downloaded,
        blocks_become_a_blob_when_they_are_committed,
        a_blob_exists_until_it_is_deleted,
        a_listing_has_the_prefix_and_comes_in_pages,
        conditions_hold_or_refuse,
        odd_names_stay_as_they_are,
        containers_are_listed_and_a_missing_one_is_told,
    ]
}

pub(crate) fn service() -> BlobServiceClient {
    let url = STORAGE.parse().expect("a URL");
    BlobServiceClient::new(url, Some(world().credential()), None).expect("a client")
}

fn files() -> BlobContainerClient {
    service().blob_container_client("files")
}

fn content(bytes: impl Into<Bytes>) -> RequestContent<Bytes, azure_core::http::NoFormat> {
    let bytes: Bytes = bytes.into();
    RequestContent::from(bytes.to_vec())
}

async fn put(blob: &BlobClient, bytes: &[u8]) -> azure_core::http::Etag {
    let uploaded = blob
        .upload(content(bytes.to_vec()), None)
        .await
        .expect("uploaded");
    uploaded.etag.expect("an ETag")
}

async fn download(
    blob: &BlobClient,
    options: BlobClientDownloadOptions<'_>,
) -> azure_core::Result<Bytes> {
    blob.download(Some(options)).await?.body.collect().await
}

/// Bytes that are not the same anywhere near.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at * 31 + at / 251).to_le_bytes()[0])
        .collect()
}

async fn a_small_blob_keeps_its_bytes_and_properties() {
    let blob = files().blob_client("small.txt");
    let options = BlockBlobClientUploadOptions {
        blob_content_type: Some("text/plain; charset=utf-8".to_owned()),
        metadata: Some(HashMap::from([("owner".to_owned(), "tests".to_owned())])),
        ..BlockBlobClientUploadOptions::default()
    };

    let uploaded = blob
        .upload(content("hällo"), Some(options))
        .await
        .expect("uploaded");
    let properties = blob.get_properties(None).await.expect("properties");
    let downloaded = blob.download(None).await.expect("downloaded");

    assert_eq!(properties.content_length().expect("valid"), Some(6));
    assert_eq!(
        properties.content_type().expect("valid").as_deref(),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        properties.blob_type().expect("valid"),
        Some(BlobType::BlockBlob)
    );
    assert_eq!(properties.metadata().expect("valid")["owner"], "tests");
    assert_eq!(properties.etag().expect("valid"), uploaded.etag);
    assert!(properties.last_modified().expect("valid").is_some());
    assert_eq!(downloaded.properties.content_length, Some(6));
    assert_eq!(downloaded.properties.etag, uploaded.etag);
    let bytes = downloaded.body.collect().await.expect("the body");
    assert_eq!(&bytes[..], "hällo".as_bytes());
}

async fn a_large_blob_goes_up_in_blocks_and_comes_down_in_ranges() {
    let blob = files().blob_client("large.bin");
    let bytes = pattern(10 * MIB + 17);
    let operations = async |name| world().audited("owner", name).await.len();
    let (blocks, lists, gets) = (
        operations("PutBlock").await,
        operations("PutBlockList").await,
        operations("GetBlob").await,
    );

    put(&blob, &bytes).await;
    let mut downloaded = vec![0; bytes.len()];
    let into = blob
        .download_into(&mut downloaded, None)
        .await
        .expect("downloaded");

    assert_eq!(into.len, bytes.len());
    assert!(downloaded == bytes, "the bytes differ");
    // The client's partitions are of 4 MiB. Another trial stages blocks as well.
    assert!(operations("PutBlock").await >= blocks + 3);
    assert!(operations("PutBlockList").await > lists);
    assert!(operations("GetBlob").await >= gets + 3);
}

async fn an_empty_blob_can_be_downloaded() {
    let blob = files().blob_client("empty");
    put(&blob, b"").await;

    let bytes = download(&blob, BlobClientDownloadOptions::default()).await;

    assert!(bytes.expect("downloaded").is_empty());
    let properties = blob.get_properties(None).await.expect("properties");
    assert_eq!(properties.content_length().expect("valid"), Some(0));
}

async fn a_range_of_a_blob_can_be_downloaded() {
    let blob = files().blob_client("ranged.bin");
    let bytes = pattern(MIB);
    put(&blob, &bytes).await;
    let in_parts = NonZero::new(100_000).expect("not zero");

    for (range, expected) in [
        ((3..8_usize).into(), &bytes[3..8]),
        ((MIB - 5..).into(), &bytes[MIB - 5..]),
        ((0..MIB).into(), &bytes[..]),
        // Past the end: what there is.
        ((MIB - 5..MIB + 5).into(), &bytes[MIB - 5..]),
    ] {
        let options = BlobClientDownloadOptions {
            range: Some(range),
            partition_size: Some(in_parts),
            ..BlobClientDownloadOptions::default()
        };
        let part = download(&blob, options).await.expect("downloaded");
        assert!(part == expected, "{} bytes are not the range", part.len());
    }

    let options = BlobClientDownloadOptions {
        range: Some((MIB..MIB + 5).into()),
        ..BlobClientDownloadOptions::default()
    };
    let error = download(&blob, options)
        .await
        .expect_err("nothing is there");
    assert_eq!(refusal(&error), (416, "InvalidRange".to_owned()));
}

async fn blocks_become_a_blob_when_they_are_committed() {
    let client = files().blob_client("blocks.txt");
    let blob = client.block_blob_client();
    for (id, text) in [(b"1", "one "), (b"2", "two "), (b"3", "three ")] {
        let staged = blob
            .stage_block(id, text.len() as u64, content(text), None)
            .await;
        staged.expect("staged");
    }
    assert!(
        !client.exists().await.expect("answered"),
        "nothing is committed"
    );
    let commit = async |ids: &[&[u8]]| {
        let list = BlockLookupList {
            latest: Some(ids.iter().map(|id| id.to_vec()).collect()),
            ..BlockLookupList::default()
        };
        blob.commit_block_list(list.try_into().expect("XML"), None)
            .await
            .map(drop)
    };

    let error = commit(&[b"1", b"4"])
        .await
        .expect_err("there is no block 4");
    assert_eq!(refusal(&error), (400, "InvalidBlockList".to_owned()));
    commit(&[b"3", b"1"]).await.expect("committed");

    let bytes = download(&client, BlobClientDownloadOptions::default()).await;
    assert_eq!(&bytes.expect("downloaded")[..], b"three one ");
    let error = commit(&[b"2"])
        .await
        .expect_err("what was left out is gone");
    assert_eq!(refusal(&error), (400, "InvalidBlockList".to_owned()));
}

async fn a_blob_exists_until_it_is_deleted() {
    let blob = files().blob_client("short-lived");
    let not_found = (404, "BlobNotFound".to_owned());

    assert!(!blob.exists().await.expect("answered"));
    put(&blob, b"x").await;
    assert!(blob.exists().await.expect("answered"));
    blob.delete(None).await.expect("deleted");
    assert!(!blob.exists().await.expect("answered"));

    let error = blob.delete(None).await.map(drop).expect_err("it is gone");
    assert_eq!(refusal(&error), not_found);
    let error = blob.download(None).await.map(drop).expect_err("it is gone");
    assert_eq!(refusal(&error), not_found);
}

async fn a_listing_has_the_prefix_and_comes_in_pages() {
    let container = service().blob_container_client("listed");
    let names: Vec<String> = (0..5).map(|number| format!("in/{number}")).collect();
    for name in names.iter().map(String::as_str).chain(["out/0", "in"]) {
        put(&container.blob_client(name), name.as_bytes()).await;
    }

    let options = BlobContainerClientListBlobsOptions {
        prefix: Some("in/".to_owned()),
        maxresults: Some(2),
        ..BlobContainerClientListBlobsOptions::default()
    };
    let listing = container.list_blobs(Some(options)).expect("a pager");
    let pages: Vec<_> = listing.into_pages().try_collect().await.expect("listed");

    let pages: Vec<Vec<_>> = pages
        .into_iter()
        .map(|page| page.into_model().expect("a page").blob_items)
        .collect();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    let blobs: Vec<_> = pages.into_iter().flatten().collect();
    let listed: Vec<_> = blobs.iter().filter_map(|blob| blob.name.clone()).collect();
    assert_eq!(listed, names);
    let properties = blobs[0].properties.as_ref().expect("properties");
    assert_eq!(properties.content_length, Some(4));
}

async fn conditions_hold_or_refuse() {
    let blob = files().blob_client("conditional");
    let first = put(&blob, b"one").await;

    let only_new = BlockBlobClientUploadOptions::default().if_not_exists();
    let error = blob.upload(content("two"), Some(only_new)).await;
    let error = error.map(drop).expect_err("it exists");
    assert_eq!(refusal(&error), (409, "BlobAlreadyExists".to_owned()));

    let second = put(&blob, b"two").await;
    assert_ne!(first, second);
    let not_met = (412, "ConditionNotMet".to_owned());
    let only_first = BlockBlobClientUploadOptions {
        if_match: Some(first.clone()),
        ..BlockBlobClientUploadOptions::default()
    };
    let error = blob.upload(content("three"), Some(only_first)).await;
    assert_eq!(refusal(&error.map(drop).expect_err("it changed")), not_met);
    let only_first = BlobClientDeleteOptions {
        if_match: Some(first.clone()),
        ..BlobClientDeleteOptions::default()
    };
    let error = blob.delete(Some(only_first)).await;
    assert_eq!(refusal(&error.map(drop).expect_err("it changed")), not_met);
    let only_first = BlobClientDownloadOptions {
        if_match: Some(first),
        ..BlobClientDownloadOptions::default()
    };
    let error = download(&blob, only_first).await.expect_err("it changed");
    assert_eq!(refusal(&error), not_met);
    let only_changed = BlobClientDownloadOptions {
        if_none_match: Some(second.clone()),
        ..BlobClientDownloadOptions::default()
    };
    let error = download(&blob, only_changed)
        .await
        .expect_err("it did not change");
    assert_eq!(refusal(&error).0, 304);

    let only_second = BlockBlobClientUploadOptions {
        if_match: Some(second),
        ..BlockBlobClientUploadOptions::default()
    };
    blob.upload(content("three"), Some(only_second))
        .await
        .expect("uploaded");
    let bytes = download(&blob, BlobClientDownloadOptions::default()).await;
    assert_eq!(&bytes.expect("downloaded")[..], b"three");
}

async fn odd_names_stay_as_they_are() {
    let container = files();
    let names = [
        "odd/a b/ü%2F+.bin",
        "odd/a?b=c&d#e",
        "odd/\"<é>'",
        "odd/a//b",
        "odd/100%",
    ];
    for name in names {
        put(&container.blob_client(name), name.as_bytes()).await;
    }

    let options = BlobContainerClientListBlobsOptions {
        prefix: Some("odd/".to_owned()),
        ..BlobContainerClientListBlobsOptions::default()
    };
    let listed = container.list_blobs(Some(options)).expect("a pager");
    let listed: Vec<_> = listed.try_collect().await.expect("listed");
    assert_eq!(
        set(listed.into_iter().filter_map(|blob| blob.name)),
        set(names)
    );
    for name in names {
        let blob = container.blob_client(name);
        let bytes = download(&blob, BlobClientDownloadOptions::default()).await;
        assert_eq!(&bytes.expect("downloaded")[..], name.as_bytes());
        blob.delete(None).await.expect("deleted");
    }
}

async fn containers_are_listed_and_a_missing_one_is_told() {
    let service = service();

    let listed = service.list_containers(None).expect("a pager");
    let listed: Vec<_> = listed.try_collect().await.expect("listed");
    let names = listed.into_iter().filter_map(|container| container.name);
    assert_eq!(set(names), set(["files", "listed", "readable"]));

    let missing = service.blob_container_client("missing");
    assert!(!missing.exists().await.expect("answered"));
    let error = missing.blob_client("x").download(None).await;
    assert_eq!(
        refusal(&error.map(drop).expect_err("there is no container")),
        (404, "ContainerNotFound".to_owned())
    );
}
