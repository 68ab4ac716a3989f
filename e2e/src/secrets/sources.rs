//! Where secrets are looked for: a function for each part of the scan.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Content;
use crate::kustomization::Kustomized;

/// The files of a Git repository: those that are tracked, and those that could be
/// with the next `git add`.
pub fn repository(root: &Path) -> Result<Vec<Result<Content>>> {
    let files = files(root)?;
    Ok(files
        .into_iter()
        // A file may be tracked and deleted, or be a link to what is tracked itself.
        .filter(|file| {
            root.join(file)
                .symlink_metadata()
                .is_ok_and(|it| it.is_file())
        })
        .map(|file| Ok(Content::new(&file, read(&root.join(&file))?)))
        .collect())
}

/// What a repository's kustomizations come to: objects, `ConfigMap`s made from
/// files, and the values of `Secret`s, decoded. What our reader does not know is
/// read as it stands.
pub fn manifests(root: &Path) -> Result<Vec<Result<Content>>> {
    let files = files(root)?;
    let mut contents = Vec::new();
    for file in files {
        let path = root.join(&file);
        if path
            .file_name()
            .is_none_or(|name| name != "kustomization.yaml")
            || !path.is_file()
        {
            continue;
        }
        let directory = path.parent().unwrap_or(root);
        let name = |file: &Path| {
            file.strip_prefix(root)
                .unwrap_or(file)
                .display()
                .to_string()
        };
        let Ok(rendered) = Kustomized::read(directory) else {
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                if path
                    .extension()
                    .is_some_and(|it| it == "yaml" || it == "yml")
                {
                    contents.extend(objects(&name(&path), &read(&path)?));
                }
            }
            continue;
        };
        for resource in rendered.resources {
            contents.extend(objects(&name(&resource.file), resource.text.as_bytes()));
        }
        for map in rendered.config_maps {
            for (key, value) in map.data {
                let called = format!("{file}: {}/{key}", map.name);
                contents.push(Ok(Content::new(called, value)));
            }
        }
    }
    Ok(contents)
}

/// A file with objects, and what the `Secret`s in it hold.
fn objects(file: &str, text: &[u8]) -> Vec<Result<Content>> {
    let mut contents = vec![Ok(Content::new(file, text))];
    let text = String::from_utf8_lossy(text);
    let documents = text.split("\n---").filter_map(|document| {
        let document = document.trim_start_matches('-');
        serde_saphyr::from_str::<Value>(document).ok()
    });
    for secret in documents.filter(|object| object["kind"] == "Secret") {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        for (key, value) in secret["data"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            if let Ok(decoded) = STANDARD.decode(value.trim()) {
                let called = format!("{file}: Secret {name}/{key}, decoded");
                contents.push(Ok(Content::new(called, decoded)));
            }
        }
    }
    contents
}

/// Environment and arguments of processes, a line for each.
pub fn environments(processes: &[u32]) -> Vec<Result<Content>> {
    let read = |process: &u32, of: &str| {
        let file = PathBuf::from(format!("/proc/{process}/{of}"));
        let name = std::fs::read_to_string(format!("/proc/{process}/comm"));
        let name = name.unwrap_or_default();
        let mut bytes = read(&file)?;
        for byte in &mut bytes {
            *byte = if *byte == 0 { b'\n' } else { *byte };
        }
        Ok(Content::new(
            format!("{} ({})", file.display(), name.trim()),
            bytes,
        ))
    };
    let both = |process| ["environ", "cmdline"].map(|of| read(process, of));
    processes.iter().flat_map(both).collect()
}

/// A process and all that it started, as `/proc` tells.
pub fn process_tree(root: u32) -> Result<Vec<u32>> {
    ensure!(
        Path::new("/proc").join(root.to_string()).exists(),
        "there is no process {root}"
    );
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").context("/proc cannot be read")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended since.
        let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else {
            continue;
        };
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        let parent = parent.and_then(|parent| parent.trim().parse::<u32>().ok());
        parents.extend(parent.map(|parent| (process, parent)));
    }
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(&parent) = tree.get(at) {
        let children = parents.iter().filter(|(_, own)| *own == parent);
        tree.extend(children.map(|(process, _)| *process));
        at += 1;
    }
    Ok(tree)
}

/// Files, and all files below directories: logs, pages, whatever was kept.
pub fn kept(paths: &[PathBuf]) -> Result<Vec<Result<Content>>> {
    let mut contents = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = std::fs::read_dir(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let below: Vec<_> = entries
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<_>>()?;
            contents.extend(kept(&below)?);
        } else {
            let name = path.display().to_string();
            contents.push(read(path).map(|bytes| Content::new(name, bytes)));
        }
    }
    Ok(contents)
}

/// The names of a repository's files, from its root.
fn files(root: &Path) -> Result<Vec<String>> {
    let listed = Command::new("git")
        .arg("-C")
        .arg(root)
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .context("git cannot be run")?;
    if !listed.status.success() {
        let why = String::from_utf8_lossy(&listed.stderr);
        bail!(
            "git does not list the files of {}: {}",
            root.display(),
            why.trim()
        );
    }
    let listed = String::from_utf8(listed.stdout).context("a file's name is no text")?;
    Ok(listed.split_terminator('\0').map(str::to_owned).collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}
