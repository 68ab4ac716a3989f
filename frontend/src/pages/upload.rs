//! A file up: a stream, of which this pod holds a few blocks, never the whole.
//!
//! The fields of the form come before the file, so that a form that is not ours
//! is refused before any of the file is looked at.

mod body;
mod pace;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::response::Redirect;
use bytes::Bytes;
use futures::{Stream, stream};
use http::{HeaderMap, header};
use platform::server::stopped_coming;
use platform::telemetry::{error_chain, redact};
use uuid::Uuid;

use super::form::content_length;
use super::{At, Notice, Pages, Problem, path_of_todo, see};
use crate::attachments::{self, Attachments, FileName, Job, Stored, UploadFailure, blob_name};
use crate::backend::{Attachment, IdempotencyKey, Status};
use crate::id::{Id, ListId};
use crate::session::Session;
use body::{Incoming, came_too_slowly};

/// What stands around the file in a form is small.
const AROUND_BYTES: u64 = 64 * 1024;

/// The longest field that is no file.
const FIELD_BYTES: usize = 256;

/// The longest media type.
const TYPE_LENGTH: usize = 127;

/// Takes a file in: first its metadata, then the blob, last the job.
// Identity frontend, call to backend.
// Identity frontend, Storage Blob Data Contributor on container attachments.
// Identity frontend, Azure Service Bus Data Sender on queue attachment-jobs.
pub(super) async fn upload(
    State(pages): State<Pages>,
    session: Session,
    At((list, todo)): At<(ListId, Id)>,
    request: Request,
) -> Result<Redirect, Problem> {
    let (request, incoming) = Incoming::of(request);
    let upload = Upload {
        pages: &pages,
        session: &session,
        list: &list,
        todo: &todo,
        incoming: &incoming,
    };
    let notice = upload.take_in(request).await;
    incoming.absorb().await;
    Ok(see(&path_of_todo(&list, &todo), notice?))
}

/// What a file is taken in with.
struct Upload<'a> {
    pages: &'a Pages,
    session: &'a Session,
    list: &'a ListId,
    todo: &'a Id,
    incoming: &'a Incoming,
}

impl Upload<'_> {
    /// Takes the file of a form in, and says what there is to say about it.
    async fn take_in(&self, request: Request) -> Result<Option<Notice>, Problem> {
        let Attachments {
            blobs,
            jobs,
            limit_bytes,
            ..
        } = &self.pages.attachments;
        let announced = content_length(request.headers());
        let _place = self.pages.attachments.place().ok_or_else(Problem::busy)?;
        let form = Multipart::from_request(request, &()).await;
        let mut form = form.map_err(|rejection| Problem::no_form().caused_by(rejection))?;
        let (key, file) = self.fields(&mut form).await?;
        if announced > Some(limit_bytes + AROUND_BYTES) {
            return Err(Problem::file_too_large(*limit_bytes));
        }

        let attachment = self.announce(key, &file).await?;
        if attachment.status != Status::Pending {
            return Ok(Some(Notice::AlreadyAttached));
        }
        let blob = blob_name(self.list, &attachment.id);
        self.incoming.allow_all();
        let stored = attachments::store(blobs, &blob, *limit_bytes, &mut parts(file)).await?;
        tracing::info!(attachment.id = %attachment.id, ?stored, "file stored");

        let sent = jobs.send(Job::new(self.list, &attachment.id)).await;
        match (sent, stored) {
            (Ok(()), Stored::Now { .. }) => Ok(None),
            (Ok(()), Stored::Before) => Ok(Some(Notice::AlreadyAttached)),
            // The file is there and pending, so the worker's sweep will find it:
            // that is later, and not too late.
            (Err(failure), _) => {
                let cause = redact(&error_chain(&failure)).into_owned();
                tracing::warn!(attachment.id = %attachment.id, cause, "job not sent, left to the sweep");
                Ok(Some(Notice::ProcessingDelayed))
            }
        }
    }

    /// Announces a file under a name and a type that are sound.
    async fn announce(&self, key: Uuid, file: &Field<'_>) -> Result<Attachment, Problem> {
        let name = FileName::sanitised(file.file_name().unwrap_or_default());
        let content_type = file.content_type().filter(|said| said.len() <= TYPE_LENGTH);
        let content_type = content_type.unwrap_or("application/octet-stream");
        let key = IdempotencyKey::new(key, &[name.as_str(), content_type]);
        let announced = self
            .pages
            .backend
            .attach(self.list, self.todo, name.as_str(), content_type, &key)
            .await?;
        Ok(announced)
    }

    /// Reads the fields before the file, up to the file.
    async fn fields<'f>(&self, form: &'f mut Multipart) -> Result<(Uuid, Field<'f>), Problem> {
        let token = text(form, "csrf").await?.unwrap_or_default();
        if !self.session.is_of_form(&token) {
            return Err(Problem::without_session());
        }
        let key = text(form, "key").await?;
        let key = key.and_then(|key| key.parse().ok());
        let key = key.ok_or_else(Problem::incomplete)?;
        let file = form.next_field().await.map_err(broken)?;
        let file = file.filter(|file| file.name() == Some("file"));
        let file = file.ok_or_else(Problem::incomplete)?;
        match file.file_name() {
            // A browser sends a file without a name when none was chosen.
            Some("") => Err(Problem::no_file()),
            Some(_) => Ok((key, file)),
            None if is_garbled(file.headers()) => Err(Problem::garbled()),
            None => Err(Problem::incomplete()),
        }
    }
}

/// The next field of a form, if it is the one of this name.
async fn text(form: &mut Multipart, name: &str) -> Result<Option<String>, Problem> {
    let Some(mut field) = form.next_field().await.map_err(broken)? else {
        return Ok(None);
    };
    if field.name() != Some(name) {
        return Ok(None);
    }
    let mut text = Vec::new();
    while let Some(part) = field.chunk().await.map_err(broken)? {
        text.extend_from_slice(&part);
        if text.len() > FIELD_BYTES {
            return Err(Problem::form_too_large());
        }
    }
    String::from_utf8(text)
        .map(Some)
        .map_err(|_| Problem::garbled())
}

/// Whether the head of a field is no text.
fn is_garbled(headers: &HeaderMap) -> bool {
    let disposition = headers.get(header::CONTENT_DISPOSITION);
    disposition.is_some_and(|value| str::from_utf8(value.as_bytes()).is_err())
}

/// The parts of a file as they come.
fn parts(file: Field<'_>) -> impl Stream<Item = Result<Bytes, MultipartError>> + Unpin + Send {
    Box::pin(stream::try_unfold(file, async |mut file| {
        let part = file.chunk().await?;
        Ok(part.map(|part| (part, file)))
    }))
}

fn broken(error: MultipartError) -> Problem {
    if stopped_coming(&error) || came_too_slowly(&error) {
        Problem::too_slow().caused_by(error)
    } else {
        Problem::broken_off().caused_by(error)
    }
}

impl From<UploadFailure<MultipartError>> for Problem {
    fn from(failure: UploadFailure<MultipartError>) -> Self {
        match failure {
            UploadFailure::TooLarge { limit } => Self::file_too_large(limit),
            UploadFailure::Body(error) => broken(error),
            UploadFailure::Blobs(failure) => failure.into(),
        }
    }
}
