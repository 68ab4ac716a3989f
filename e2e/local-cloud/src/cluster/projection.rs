//! A projected volume on disk, written as kubelet's atomic writer does it
//! (Kubernetes, `pkg/volume/util/atomic_writer.go`): the files lie in a new
//! timestamped directory, `..data` is switched over to it by one rename, and
//! what the container sees are links through `..data`. A reader sees the old
//! files or the new ones, never a half.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::macros::format_description;
use uuid::Uuid;

/// A volume's directory, which exists from the first write on.
#[derive(Debug)]
pub(crate) struct Volume {
    directory: PathBuf,
}

impl Volume {
    /// A volume that will be at this path.
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Replaces all files at once. Keys are relative paths; the content is
    /// written as it is, without a newline at the end. Directories are open to
    /// all, as kubelet's are; that of the cloud's state, above them, is not.
    pub(crate) fn write(
        &self,
        files: &BTreeMap<String, String>,
        mode: u32,
        now: OffsetDateTime,
    ) -> io::Result<()> {
        let stamp = now
            .format(format_description!(
                "[year]_[month]_[day]_[hour]_[minute]_[second]"
            ))
            .map_err(io::Error::other)?;
        let current = format!("..{stamp}.{}", Uuid::new_v4().simple());
        let target = self.directory.join(&current);
        fs::create_dir_all(&target)?;
        fs::set_permissions(&target, Permissions::from_mode(0o755))?;
        for (path, content) in files {
            let file = target.join(path);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent)?;
            }
            write_with_mode(&file, content, mode)?;
        }
        self.switch(&current)?;
        for path in files.keys() {
            self.link(path)?;
        }
        Ok(())
    }

    fn switch(&self, current: &str) -> io::Result<()> {
        let data = self.directory.join("..data");
        let before = match fs::read_link(&data) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let next = self.directory.join("..data_tmp");
        symlink(current, &next)?;
        fs::rename(&next, &data)?;
        before.map_or(Ok(()), |before| {
            fs::remove_dir_all(self.directory.join(before))
        })
    }

    /// The link that the container sees: the first element of the file's path.
    fn link(&self, path: &str) -> io::Result<()> {
        let first = path.split('/').next().unwrap_or(path);
        match symlink(Path::new("..data").join(first), self.directory.join(first)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }
}

/// Nobody else reads it at any moment.
fn write_with_mode(file: &Path, content: &str, mode: u32) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut created = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    created.write_all(content.as_bytes())?;
    fs::set_permissions(file, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(token: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("token/azure-identity-token".to_owned(), token.to_owned())])
    }

    #[test]
    fn a_new_token_replaces_the_old_one_behind_the_same_path() {
        let root = tempfile::tempdir().expect("a directory");
        let volume = Volume::at(root.path().join("volume"));
        let seen = volume.directory().join("token/azure-identity-token");

        volume
            .write(&files("one"), 0o644, OffsetDateTime::now_utc())
            .expect("written");
        assert_eq!(fs::read_to_string(&seen).expect("readable"), "one");
        let behind = fs::canonicalize(&seen).expect("a file");
        volume
            .write(&files("two"), 0o600, OffsetDateTime::now_utc())
            .expect("written");

        assert_eq!(fs::read_to_string(&seen).expect("readable"), "two");
        assert!(!behind.exists(), "the old directory is removed");
        let link = fs::read_link(volume.directory().join("token")).expect("a link");
        assert_eq!(link, Path::new("..data/token"));
        let mode = fs::metadata(&seen).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
