//! A file that belongs to a todo, and what is found out about it.

use time::OffsetDateTime;

use super::{AttachmentId, ContentType, EventKind, FileName, Fingerprint, ListId, Outcome, TodoId};

/// The most attachments of one todo.
pub(crate) const MOST_ATTACHMENTS: usize = 20;

/// A file that belongs to a todo: what is known of it. Its bytes are a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) id: AttachmentId,
    pub(crate) list: ListId,
    pub(crate) todo: TodoId,
    pub(crate) name: FileName,
    /// As whoever sent it says.
    pub(crate) content_type: ContentType,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) status: Status,
    pub(crate) fingerprint: Fingerprint,
}

/// How far an attachment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// Announced. Whether its bytes are there is not known yet.
    Pending,
    /// Its bytes were read.
    Ready(Contents),
    /// Its bytes could not be read, and why.
    Failed(String),
}

/// What the bytes of an attachment are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) size_bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub(crate) sha256: String,
    /// The media type that the bytes themselves show.
    pub(crate) detected_type: String,
}

/// What was found where the bytes of an attachment should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// They are there.
    Present(Contents),
    /// They are not.
    Absent,
}

/// The reason of an attachment without bytes.
const NEVER_UPLOADED: &str = "the file was never uploaded";

impl Attachment {
    pub(crate) fn new(
        id: AttachmentId,
        (list, todo): (ListId, TodoId),
        (name, content_type): (FileName, ContentType),
        at: OffsetDateTime,
    ) -> Self {
        Self {
            id,
            list,
            todo,
            name,
            content_type,
            created_at: at,
            status: Status::Pending,
            fingerprint: None,
        }
    }

    /// The name of the blob with its bytes.
    pub(crate) fn blob_name(&self) -> String {
        format!("{}/{}", self.list, self.id)
    }

    /// Whether its bytes still have to be looked at. A failed one's too: it may
    /// have been given up while its upload was still going on.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.status, Status::Ready(_))
    }

    /// The attachment after its bytes were looked for.
    pub(crate) fn found(self, finding: Finding) -> Outcome<Self> {
        let (status, event) = match finding {
            Finding::Present(contents) => (Status::Ready(contents), EventKind::AttachmentReady),
            Finding::Absent => (
                Status::Failed(NEVER_UPLOADED.to_owned()),
                EventKind::AttachmentFailed,
            ),
        };
        if !self.is_open() || self.status == status {
            return Outcome::Unchanged;
        }
        Outcome::Changed {
            now: Self { status, ..self },
            event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{attachment, contents};
    use super::*;

    #[test]
    fn what_is_found_decides_what_an_attachment_becomes() {
        let failed = || Status::Failed(NEVER_UPLOADED.to_owned());
        let ready = || Status::Ready(contents());
        for (before, finding, after) in [
            (
                Status::Pending,
                Finding::Present(contents()),
                Some((ready(), EventKind::AttachmentReady)),
            ),
            (
                Status::Pending,
                Finding::Absent,
                Some((failed(), EventKind::AttachmentFailed)),
            ),
            // The upload took longer than the sweep's patience.
            (
                failed(),
                Finding::Present(contents()),
                Some((ready(), EventKind::AttachmentReady)),
            ),
            (failed(), Finding::Absent, None),
            (ready(), Finding::Present(contents()), None),
            (ready(), Finding::Absent, None),
        ] {
            let outcome = attachment(before.clone()).found(finding.clone());

            let expected = match after {
                Some((status, event)) => Outcome::Changed {
                    now: attachment(status),
                    event,
                },
                None => Outcome::Unchanged,
            };
            assert_eq!(outcome, expected, "{before:?}, {finding:?}");
        }
    }

    #[test]
    fn a_blob_is_named_by_list_and_attachment() {
        assert_eq!(
            attachment(Status::Pending).blob_name(),
            "inbox/00000000-0000-0000-0000-000000000002"
        );
    }
}
