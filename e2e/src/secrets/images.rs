//! What is in an image: its configuration and the files of every layer, also those
//! that a later layer deletes.

use std::io::Read;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use flate2::read::MultiGzDecoder;

use super::Content;

/// The images of a Docker daemon whose names match, such as `todolist-*`; the reason
/// when there is no daemon, or no such image.
pub fn of_daemon(pattern: &str) -> Result<Vec<String>, String> {
    let listed = Command::new("docker")
        .args(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"])
        .arg(format!("--filter=reference={pattern}"))
        .output();
    let listed = match listed {
        Ok(listed) if listed.status.success() => listed.stdout,
        _ => return Err("no Docker daemon".to_owned()),
    };
    let names = String::from_utf8_lossy(&listed);
    let names: Vec<_> = names.lines().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(format!("the Docker daemon has no image {pattern}"));
    }
    Ok(names)
}

/// What is in an image of the Docker daemon.
pub fn contents(image: &str) -> Result<Vec<Result<Content>>> {
    let saved = Command::new("docker")
        .args(["image", "save", image])
        .output()
        .context("docker cannot be run")?;
    if !saved.status.success() {
        let why = String::from_utf8_lossy(&saved.stderr);
        bail!("docker does not save {image}: {}", why.trim());
    }
    archived(image, &saved.stdout)
}

/// What is in an image's archive, as `docker image save` writes it, before and after
/// it follows the OCI image layout.
pub fn archived(image: &str, archive: &[u8]) -> Result<Vec<Result<Content>>> {
    let mut contents = Vec::new();
    let mut layers = 0;
    for (name, bytes) in entries(archive).with_context(|| format!("{image} is no archive"))? {
        let bytes = unpacked(bytes).with_context(|| format!("{image}: {name} cannot be read"))?;
        let short = name
            .trim_start_matches("blobs/sha256/")
            .trim_end_matches("/layer.tar");
        let called = format!("{image}: {}", short.get(..12).unwrap_or(short));
        if !is_archive(&bytes) {
            contents.push(Ok(Content::new(called, bytes)));
            continue;
        }
        layers += 1;
        for (file, bytes) in entries(&bytes)? {
            contents.push(Ok(Content::new(format!("{called}/{file}"), bytes)));
        }
    }
    if layers == 0 {
        bail!("{image} has no layer that can be read");
    }
    Ok(contents)
}

/// The files of an archive, by name.
fn entries(archive: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path()?.display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.push((name, bytes));
    }
    Ok(files)
}

/// A layer may be compressed.
fn unpacked(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        bail!("it is compressed with Zstandard; save the image with layers of another kind");
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

fn is_archive(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}
