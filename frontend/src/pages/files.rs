//! The files of a todo as its page tells of them.

use super::Notice;
use super::words::size;
use crate::attachments::FileName;
use crate::backend::{Attachment, Status};
use crate::id::Id;

/// A file.
pub(super) struct FileView {
    /// The link, when the file is ready.
    pub(super) id: Option<Id>,
    pub(super) name: FileName,
    pub(super) status: Status,
    /// What is known about it.
    pub(super) about: String,
}

impl FileView {
    pub(super) fn new(attachment: Attachment) -> Self {
        let about = match attachment.status {
            Status::Pending => String::new(),
            Status::Ready => [attachment.size_bytes.map(size), attachment.detected_type]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", "),
            Status::Failed => attachment
                .reason
                .unwrap_or_else(|| "it could not be processed".to_owned()),
        };
        Self {
            id: (attachment.status == Status::Ready).then_some(attachment.id),
            name: FileName::sanitised(&attachment.name),
            status: attachment.status,
            about,
        }
    }
}

/// The notices that are about files.
pub(super) fn told(notice: Notice) -> Option<&'static str> {
    match notice {
        Notice::ProcessingDelayed => Some(
            "The file is stored. The worker could not be told about it, so processing it may \
             take a minute longer. There is nothing to do.",
        ),
        Notice::AlreadyAttached => Some(
            "This form was sent before, and its file is here. To attach another one of the same \
             name, choose it again.",
        ),
        Notice::ProbedJustNow => None,
    }
}
