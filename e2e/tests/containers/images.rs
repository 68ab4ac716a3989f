//! What is in the images: one program, what it reads, and nothing that could be run.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use containers::Docker;
use containers::docker::IMAGES;
use e2e::secrets::{self, Exceptions, Scan};
use futures::TryStreamExt as _;
use libtest_mimic::Trial;
use testcontainers::bollard::models::ContainerCreateBody;
use testcontainers::bollard::query_parameters::CreateContainerOptions;
use tokio::runtime::Runtime;

use crate::{Found, trial};

/// The largest image, in bytes.
const LARGEST: i64 = 25_000_000;

const USER: &str = "10001:10001";

pub(crate) fn trials(runtime: &Arc<Runtime>, found: &Arc<Found>) -> Vec<Trial> {
    let mut trials = vec![Trial::test(
        "a shell in an image would be found",
        || match only_these(&["program", "bin/sh"], &["program"]) {
            Err(refusal) if refusal.to_string().contains("bin/sh") => Ok(()),
            other => Err(format!("{other:?}").into()),
        },
    )];
    for image in IMAGES {
        trials.push(trial(
            format!("{image} holds its program and what it reads, no shell"),
            runtime,
            found,
            async move |docker| {
                let files = files(docker, image).await?;
                let files: Vec<_> = files.iter().map(String::as_str).collect();
                only_these(&files, expected(image))
            },
        ));
        trials.push(trial(
            format!("{image} has no secret in any layer"),
            runtime,
            found,
            async move |docker| has_no_secret(docker, image).await,
        ));
        trials.push(trial(
            format!("{image} runs as {USER} and is smaller than 25 MB"),
            runtime,
            found,
            async move |docker| {
                let image = docker.client().inspect_image(image).await?;
                let user = image.config.and_then(|config| config.user);
                ensure!(user.as_deref() == Some(USER), "it runs as {user:?}");
                let size = image.size.context("the daemon tells the size")?;
                ensure!(size < LARGEST, "it has {size} bytes");
                Ok(())
            },
        ));
    }
    trials
}

/// The files that an image may have.
fn expected(image: &str) -> &'static [&'static str] {
    match image {
        "todolist-local-cloud" => &[
            "program",
            "etc/ssl/certs/ca-certificates.crt",
            "etc/local-cloud/access.json",
        ],
        _ => &["program", "etc/ssl/certs/ca-certificates.crt"],
    }
}

/// What Docker puts into every container.
const OF_DOCKER: [&str; 6] = [
    ".dockerenv",
    "dev/console",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
];

fn only_these(files: &[&str], expected: &[&str]) -> Result<()> {
    let of_image = files.iter().filter(|file| !OF_DOCKER.contains(file));
    let of_image: BTreeSet<_> = of_image.collect();
    let expected: BTreeSet<_> = expected.iter().collect();
    ensure!(
        of_image == expected,
        "it has {of_image:?} and should have {expected:?}"
    );
    Ok(())
}

/// Configuration and every layer, whatever a later layer deletes.
async fn has_no_secret(docker: &Docker, image: &str) -> Result<()> {
    let archive = docker.client().export_image(image);
    let archive: Vec<_> = archive.try_collect().await?;
    let mut scan = Scan::default();
    scan.look_at(
        "images",
        secrets::images::archived(image, &archive.concat())?,
    )?;
    let found = scan.judged_by(&Exceptions::default()).findings;
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// Every file of an image, directories left out.
async fn files(docker: &Docker, image: &str) -> Result<Vec<String>> {
    let client = docker.client();
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        ..ContainerCreateBody::default()
    };
    let created = client
        .create_container(None::<CreateContainerOptions>, body)
        .await?;
    let parts = client.export_container(&created.id).try_collect::<Vec<_>>();
    let parts = parts.await;
    client.remove_container(&created.id, None).await?;
    let archive = parts?.concat();
    let mut archive = tar::Archive::new(&archive[..]);
    let mut files = Vec::new();
    for entry in archive.entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_dir() {
            files.push(entry.path()?.display().to_string());
        }
    }
    ensure!(!files.is_empty(), "the daemon exports nothing of {image}");
    Ok(files)
}
