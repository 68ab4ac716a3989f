//! What the frontend takes from the backend's answers. Fields that it does not
//! use are not here, so that the backend may change them.

use serde::Deserialize;
use time::OffsetDateTime;

use crate::id::Id;

/// The lists: that there is an answer is enough.
#[derive(Debug, Deserialize)]
pub(super) struct Lists {}

#[derive(Debug, Deserialize)]
pub(super) struct Todos {
    pub(super) todos: Vec<Todo>,
}

/// One thing to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Todo {
    pub(crate) id: Id,
    /// What somebody typed.
    pub(crate) title: String,
    pub(crate) done: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(default)]
    pub(crate) attachments: Vec<Attachment>,
}

/// A file of a todo: its metadata.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attachment {
    pub(crate) id: Id,
    /// The file's name, as somebody chose it.
    pub(crate) name: String,
    pub(crate) status: Status,
    /// The size that the worker found.
    pub(crate) size_bytes: Option<u64>,
    /// The media type that the worker found in the content.
    pub(crate) detected_type: Option<String>,
    /// Why it failed.
    pub(crate) reason: Option<String>,
}

/// How far the worker is with an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Status {
    /// Not read yet.
    Pending,
    /// Read: size and type are known.
    Ready,
    /// It will not be read, and why.
    Failed,
}
