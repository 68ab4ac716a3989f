//! Reading a request to the account: which operation it is, where it goes, and
//! what that takes. Whatever it says beyond what is played is refused, because
//! a header or parameter that is ignored would be answered wrongly.

use std::collections::BTreeMap;

use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use super::malformed::Malformed;
use super::refusal::Refusal;
use crate::roles::Permission;

const READ: Permission =
    Permission::DataAction("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read");
const WRITE: Permission =
    Permission::DataAction("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write");
const DELETE: Permission = Permission::DataAction(
    "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
);
// Control actions that the data plane enforces itself.
const READ_CONTAINER: Permission =
    Permission::Action("Microsoft.Storage/storageAccounts/blobServices/containers/read");
const WRITE_CONTAINER: Permission =
    Permission::Action("Microsoft.Storage/storageAccounts/blobServices/containers/write");
const DELETE_CONTAINER: Permission =
    Permission::Action("Microsoft.Storage/storageAccounts/blobServices/containers/delete");

/// Headers of Azure Storage that are understood, or that change nothing here.
const HEADERS: [&str; 13] = [
    "x-ms-version",
    "x-ms-date",
    "x-ms-client-request-id",
    "x-ms-return-client-request-id",
    "x-ms-useragent",
    "x-ms-range",
    "x-ms-blob-type",
    "x-ms-blob-content-type",
    "x-ms-blob-content-encoding",
    "x-ms-blob-content-language",
    "x-ms-blob-content-disposition",
    "x-ms-blob-cache-control",
    // There are no snapshots to delete with a blob.
    "x-ms-delete-snapshots",
];

/// Parameters that are understood, or that change nothing here.
const PARAMETERS: [&str; 10] = [
    "comp",
    "restype",
    "timeout",
    "blockid",
    "blocklisttype",
    "prefix",
    "delimiter",
    "marker",
    "maxresults",
    "include",
];

/// The operations that the local cloud plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ListContainers,
    CreateContainer,
    DeleteContainer,
    GetContainerProperties,
    ListBlobs,
    PutBlob,
    PutBlock,
    PutBlockList,
    GetBlockList,
    GetBlob,
    GetBlobProperties,
    SetBlobMetadata,
    DeleteBlob,
}

impl Kind {
    /// The operation's name in the REST reference, and the action that it takes
    /// (Microsoft Learn, *Authorize with Microsoft Entra ID: permissions for
    /// calling data operations*).
    pub(super) fn needs(self) -> (&'static str, Permission) {
        match self {
            Self::ListContainers => ("ListContainers", READ_CONTAINER),
            Self::CreateContainer => ("CreateContainer", WRITE_CONTAINER),
            Self::DeleteContainer => ("DeleteContainer", DELETE_CONTAINER),
            Self::GetContainerProperties => ("GetContainerProperties", READ_CONTAINER),
            Self::ListBlobs => ("ListBlobs", READ),
            Self::PutBlob => ("PutBlob", WRITE),
            Self::PutBlock => ("PutBlock", WRITE),
            Self::PutBlockList => ("PutBlockList", WRITE),
            Self::GetBlockList => ("GetBlockList", READ),
            Self::GetBlob => ("GetBlob", READ),
            Self::GetBlobProperties => ("GetBlobProperties", READ),
            Self::SetBlobMetadata => ("SetBlobMetadata", WRITE),
            Self::DeleteBlob => ("DeleteBlob", DELETE),
        }
    }
}

/// A request that the local cloud plays.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    /// Empty where the operation is the account's.
    pub(super) container: String,
    /// Empty where the operation is a container's or the account's.
    pub(super) blob: String,
    pub(super) parameters: BTreeMap<String, String>,
}

impl Asked {
    /// Reads a request's head.
    pub(super) fn of(parts: &Parts) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or_default();
        let parameters: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
            .map(|(key, value)| (key.to_ascii_lowercase(), value.into_owned()))
            .collect();
        if parameters.contains_key("sig") {
            return Err(Refusal::NotPlayed(
                "user delegation shared access signatures".to_owned(),
            ));
        }
        let (container, blob) = target(parts.uri.path())?;
        let of = |name: &str| parameters.get(name).map_or("", String::as_str);
        let (comp, restype) = (of("comp"), of("restype"));
        let level = match (container.as_str(), blob.as_str()) {
            ("", _) => Level::Account,
            (_, "") if restype == "container" => Level::Container,
            _ => Level::Blob,
        };
        let kind = kind(&parts.method, level, comp, restype)
            .filter(|_| level != Level::Blob || !blob.is_empty())
            .ok_or_else(|| {
                let mut named = format!("{} {}", parts.method, parts.uri.path());
                for (key, value) in [("restype", restype), ("comp", comp)] {
                    if !value.is_empty() {
                        named = format!("{named} {key}={value}");
                    }
                }
                Refusal::NotPlayed(named)
            })?;
        let (name, _) = kind.needs();
        if let Some(parameter) = parameters.keys().find(|key| !is_played(key)) {
            return Err(Refusal::NotPlayed(format!(
                "the parameter {parameter} of {name}"
            )));
        }
        check_headers(kind, &parts.headers)?;
        if level != Level::Account {
            check_container_name(&container)?;
        }
        Ok(Self {
            kind,
            container,
            blob,
            parameters,
        })
    }

    /// A parameter, if it is there and not empty.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.parameters.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Account,
    Container,
    Blob,
}

fn kind(method: &Method, level: Level, comp: &str, restype: &str) -> Option<Kind> {
    let kind = match (level, method, comp) {
        (Level::Account, &Method::GET, "list") if restype.is_empty() => Kind::ListContainers,
        (Level::Container, &Method::GET, "list") => Kind::ListBlobs,
        (Level::Container, &Method::GET | &Method::HEAD, "") => Kind::GetContainerProperties,
        (Level::Container, &Method::PUT, "") => Kind::CreateContainer,
        (Level::Container, &Method::DELETE, "") => Kind::DeleteContainer,
        (Level::Blob, &Method::GET, "") => Kind::GetBlob,
        (Level::Blob, &Method::HEAD, "") => Kind::GetBlobProperties,
        (Level::Blob, &Method::PUT, "") => Kind::PutBlob,
        (Level::Blob, &Method::DELETE, "") => Kind::DeleteBlob,
        (Level::Blob, &Method::PUT, "block") => Kind::PutBlock,
        (Level::Blob, &Method::PUT, "blocklist") => Kind::PutBlockList,
        (Level::Blob, &Method::GET, "blocklist") => Kind::GetBlockList,
        (Level::Blob, &Method::PUT, "metadata") => Kind::SetBlobMetadata,
        _ => return None,
    };
    (level != Level::Blob || restype.is_empty()).then_some(kind)
}

/// The container and the blob that a path names. A blob's name may hold slashes,
/// sent as they are or as `%2F`.
fn target(path: &str) -> Result<(String, String), Refusal> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (container, blob) = path.split_once('/').unwrap_or((path, ""));
    let decode = |text| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(Into::into).map_err(|_| Malformed::InvalidUri)
    };
    let blob: String = decode(blob)?;
    // Documented: a name has at most 1024 characters; the code is assumed.
    if blob.chars().count() > 1024 {
        return Err(Malformed::InvalidUri.into());
    }
    Ok((decode(container)?, blob))
}

fn is_played(parameter: &str) -> bool {
    PARAMETERS.contains(&parameter)
}

fn check_headers(kind: Kind, headers: &HeaderMap) -> Result<(), Refusal> {
    let (name, _) = kind.needs();
    let known = |header: &str| {
        HEADERS.contains(&header)
            || header.starts_with("x-ms-meta-")
            || !(header.starts_with("x-ms-") || header == "content-md5")
    };
    if let Some(header) = headers.keys().find(|header| !known(header.as_str())) {
        return Err(Refusal::NotPlayed(format!("the header {header} of {name}")));
    }
    let unconditional = !matches!(
        kind,
        Kind::PutBlob
            | Kind::PutBlockList
            | Kind::GetBlob
            | Kind::GetBlobProperties
            | Kind::SetBlobMetadata
            | Kind::DeleteBlob
    );
    let condition = headers.keys().find(|h| h.as_str().starts_with("if-"));
    if let (true, Some(header)) = (unconditional, condition) {
        return Err(Refusal::NotPlayed(format!("the header {header} of {name}")));
    }
    if kind == Kind::PutBlob {
        let blob_type = headers
            .get("x-ms-blob-type")
            .ok_or(Malformed::MissingRequiredHeader)?;
        if blob_type != "BlockBlob" {
            let blob_type = blob_type.to_str().unwrap_or("unknown");
            return Err(Refusal::NotPlayed(format!("PutBlob of a {blob_type}")));
        }
    }
    Ok(())
}

/// Documented, *Naming and referencing containers*; the codes are observed with
/// Azurite.
fn check_container_name(name: &str) -> Result<(), Refusal> {
    if name.starts_with('$') {
        return Err(Refusal::NotPlayed(format!("the container {name}")));
    }
    if !(3..=63).contains(&name.len()) {
        return Err(Malformed::OutOfRangeInput.into());
    }
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let hyphens = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    if letters && !hyphens {
        return Ok(());
    }
    Err(Malformed::InvalidResourceName.into())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn ask(line: &str) -> Result<(Kind, String, String), String> {
        let (method, uri) = line.split_once(' ').expect("a method and a URI");
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("x-ms-blob-type", "BlockBlob");
        let (parts, ()) = request.body(()).expect("the request is valid").into_parts();
        match Asked::of(&parts) {
            Ok(asked) => Ok((asked.kind, asked.container, asked.blob)),
            Err(refusal) => Err(format!("{refusal:?}")),
        }
    }

    #[test]
    fn requests_of_the_official_clients_become_operations() {
        for (line, kind, container, blob) in [
            ("GET /?comp=list", Kind::ListContainers, "", ""),
            (
                "PUT /files?restype=container",
                Kind::CreateContainer,
                "files",
                "",
            ),
            (
                "GET /files?restype=container",
                Kind::GetContainerProperties,
                "files",
                "",
            ),
            (
                "GET /files?comp=list&restype=container&maxresults=1",
                Kind::ListBlobs,
                "files",
                "",
            ),
            (
                "GET /files?restype=container&com%70=list",
                Kind::ListBlobs,
                "files",
                "",
            ),
            (
                "DELETE /files?restype=container",
                Kind::DeleteContainer,
                "files",
                "",
            ),
            (
                "PUT /files/dir%2Fsmall.txt",
                Kind::PutBlob,
                "files",
                "dir/small.txt",
            ),
            (
                "PUT /files/dir/small.txt",
                Kind::PutBlob,
                "files",
                "dir/small.txt",
            ),
            (
                "PUT /files/a%20b+c?blockid=QUE%3D&comp=block",
                Kind::PutBlock,
                "files",
                "a b+c",
            ),
            (
                "PUT /files/a?comp=blocklist",
                Kind::PutBlockList,
                "files",
                "a",
            ),
            (
                "GET /files/a?comp=blocklist&blocklisttype=all",
                Kind::GetBlockList,
                "files",
                "a",
            ),
            ("HEAD /files/a", Kind::GetBlobProperties, "files", "a"),
            (
                "PUT /files/a?comp=metadata",
                Kind::SetBlobMetadata,
                "files",
                "a",
            ),
            ("DELETE /files/a", Kind::DeleteBlob, "files", "a"),
        ] {
            let expected = Ok((kind, container.to_owned(), blob.to_owned()));
            assert_eq!(ask(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_played_is_named() {
        for (line, named) in [
            ("PUT /files/a?comp=lease", "PUT /files/a comp=lease"),
            (
                "GET /?restype=account&comp=properties",
                "GET / restype=account comp=properties",
            ),
            ("POST /?comp=batch", "POST / comp=batch"),
            ("GET /file-in-the-root", "GET /file-in-the-root"),
            (
                "GET /files/a?snapshot=2026",
                "the parameter snapshot of GetBlob",
            ),
            (
                "GET /files/a?sv=1&skoid=1&sig=secret",
                "user delegation shared access signatures",
            ),
            ("GET /$web/a", "the container $web"),
        ] {
            assert_eq!(ask(line), Err(format!("NotPlayed({named:?})")), "{line}");
        }
    }
}
