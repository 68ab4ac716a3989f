//! A file up and a file down. Both are streams: this pod holds a few blocks of
//! one, never the whole.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::multipart::Field;
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderMap, HeaderName, StatusCode, header};
use platform::telemetry::{error_chain, redact};

use super::{At, Notice, Pages, Problem, to_list};
use crate::attachments::{self, FileName, Job, LARGEST_BYTES, UploadFailure, blob_name};
use crate::backend::{Attachment, Status};
use crate::id::{Id, ListId};

/// The largest form with a file: what stands around the file in it is small.
const LARGEST_FORM_BYTES: u64 = LARGEST_BYTES + 64 * 1024;

/// How much of a form is read at all, and thrown away where it is too large: a
/// browser shows an answer only when it could send what it had to send.
pub(super) const ABSORBED_BYTES: usize = 256 * 1024 * 1024;

/// How long reading what is thrown away may take.
const ABSORBING: Duration = Duration::from_secs(10);

/// How long a file may pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The types that a browser is told; anything else is bytes. None of them can
/// hold a script, and the file is saved and not shown in any case.
const HARMLESS_TYPES: [&str; 5] = [
    "application/pdf",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
];

/// What a file may do if a browser shows it all the same: nothing.
const INERT: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// Takes a file in. The order is: metadata, blob, job (see [`attachments`]).
///
/// Access: the backend, as this pod's service account, for the metadata; identity
/// `frontend`, Storage Blob Data Contributor on `storage/containers/attachments`,
/// for the blob; identity `frontend`, Azure Service Bus Data Sender on
/// `bus/queues/attachment-jobs`, for the job.
pub(super) async fn upload(
    State(pages): State<Pages>,
    At((list, todo)): At<(ListId, Id)>,
    request: Request,
) -> Result<Redirect, Problem> {
    if content_length(request.headers()) > Some(LARGEST_FORM_BYTES) {
        absorb(request.into_body().into_data_stream()).await;
        return Err(Problem::file_too_large());
    }
    let Some(_place) = pages.attachments.place() else {
        absorb(request.into_body().into_data_stream()).await;
        return Err(Problem::busy());
    };
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let file = chosen_file(&mut form).await?;
    let name = FileName::sanitised(file.file_name().unwrap_or_default());
    let content_type = file.content_type().unwrap_or("application/octet-stream");

    let attachment = pages
        .backend
        .attach(&list, &todo, name.as_str(), content_type)
        .await?;
    let blob = blob_name(&list, &attachment.id);
    let mut parts = parts(file);
    let blobs = &pages.attachments.blobs;
    let size_bytes = match attachments::store(blobs, &blob, LARGEST_BYTES, &mut parts).await {
        Ok(size) => size,
        Err(failure) => {
            if let UploadFailure::TooLarge { .. } = failure {
                absorb(parts).await;
            }
            return Err(failure.into());
        }
    };
    tracing::info!(attachment.id = %attachment.id, size_bytes, "file stored");

    match pages
        .attachments
        .jobs
        .send(Job::new(&list, &attachment.id))
        .await
    {
        Ok(()) => Ok(to_list(&list, None)),
        // The file is there and pending, so the worker's sweep will find it: that
        // is later, and not too late.
        Err(failure) => {
            let cause = redact(&error_chain(&failure)).into_owned();
            tracing::warn!(attachment.id = %attachment.id, cause, "job not sent, left to the sweep");
            Ok(to_list(&list, Some(Notice::ProcessingDelayed)))
        }
    }
}

/// Gives a file out, always to be saved and never to be shown.
///
/// Access: the backend, as this pod's service account, for the metadata; identity
/// `frontend`, Storage Blob Data Contributor on `storage/containers/attachments`,
/// for the blob.
pub(super) async fn download(
    State(pages): State<Pages>,
    At((list, id)): At<(ListId, Id)>,
) -> Result<Response, Problem> {
    let attachment = pages.backend.attachment(&list, &id).await?;
    let name = FileName::sanitised(&attachment.name);
    match attachment.status {
        Status::Ready => {}
        Status::Pending => {
            return Err(Problem::not_ready(
                name.as_str(),
                "It is still being processed.",
            ));
        }
        Status::Failed => {
            return Err(Problem::not_ready(
                name.as_str(),
                "It could not be processed.",
            ));
        }
    }
    let content = pages
        .attachments
        .blobs
        .open(&blob_name(&list, &attachment.id))
        .await
        .map_err(|failure| {
            if failure.is_not_found() {
                Problem::not_ready(name.as_str(), "Its content is gone.")
            } else {
                failure.into()
            }
        })?;
    // The answer has begun when a part fails: all that is left is to break it off.
    let content = content.inspect_err(|failure| {
        let cause = redact(&error_chain(failure)).into_owned();
        tracing::error!(cause, "download broken off");
    });
    Ok(saved_as(&name, &attachment, Body::from_stream(content)))
}

fn saved_as(name: &FileName, attachment: &Attachment, content: Body) -> Response {
    let mut headers: Vec<(HeaderName, String)> = vec![
        (header::CONTENT_TYPE, content_type(attachment).to_owned()),
        (header::CONTENT_DISPOSITION, name.disposition()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, INERT.to_owned()),
    ];
    if let Some(size) = attachment.size_bytes {
        headers.push((header::CONTENT_LENGTH, size.to_string()));
    }
    let mut response = (StatusCode::OK, content).into_response();
    for (name, value) in headers {
        let value = value
            .try_into()
            .expect("these values are ASCII that can be seen");
        response.headers_mut().insert(name, value);
    }
    response
}

fn content_type(attachment: &Attachment) -> &'static str {
    let detected = attachment.detected_type.as_deref();
    HARMLESS_TYPES
        .into_iter()
        .find(|harmless| Some(*harmless) == detected)
        .unwrap_or("application/octet-stream")
}

/// The form's one field, `file`, if a file was chosen: a browser sends an empty
/// one without a name otherwise.
async fn chosen_file(form: &mut Multipart) -> Result<Field<'_>, Problem> {
    let error = |error: axum::extract::multipart::MultipartError| {
        Problem::from(UploadFailure::Body(Part::Broken(error)))
    };
    match form.next_field().await.map_err(error)? {
        Some(field)
            if field.name() == Some("file")
                && field.file_name().is_some_and(|name| !name.is_empty()) =>
        {
            Ok(field)
        }
        _ => Err(Problem::no_file()),
    }
}

/// Why a part of a file did not come.
#[derive(Debug, thiserror::Error)]
enum Part {
    #[error("the form is broken")]
    Broken(#[source] axum::extract::multipart::MultipartError),
    #[error("no part of it for {LONGEST_PAUSE:?}")]
    Paused,
}

/// The parts of a file as they come.
fn parts(file: Field<'_>) -> Pin<Box<dyn Stream<Item = Result<Bytes, Part>> + Send + '_>> {
    Box::pin(stream::try_unfold(
        file,
        async |mut file| match tokio::time::timeout(LONGEST_PAUSE, file.chunk()).await {
            Ok(Ok(Some(part))) => Ok(Some((part, file))),
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(Part::Broken(error)),
            Err(_) => Err(Part::Paused),
        },
    ))
}

impl From<UploadFailure<Part>> for Problem {
    fn from(failure: UploadFailure<Part>) -> Self {
        match failure {
            UploadFailure::TooLarge { .. } => Self::file_too_large(),
            UploadFailure::Body(Part::Paused) => Self::too_slow(),
            UploadFailure::Body(Part::Broken(error))
                if error.status() == StatusCode::PAYLOAD_TOO_LARGE =>
            {
                Self::file_too_large()
            }
            UploadFailure::Body(Part::Broken(error)) => {
                Self::invalid("The form was not whole, or not a form.").caused_by(error)
            }
            UploadFailure::Blobs(failure) => failure.into(),
        }
    }
}

/// Reads and throws away, within bounds.
async fn absorb<E: Error>(parts: impl Stream<Item = Result<Bytes, E>>) {
    let reading = async {
        let mut parts = std::pin::pin!(parts);
        let mut read = 0;
        while let Some(Ok(part)) = parts.next().await
            && read < ABSORBED_BYTES
        {
            read += part.len();
        }
    };
    if tokio::time::timeout(ABSORBING, reading).await.is_err() {
        tracing::debug!("a body that is too large is still coming: not read on");
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
