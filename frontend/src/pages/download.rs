//! A file down: a stream, of which this pod holds a part at a time, always to be
//! saved and never to be shown.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures::TryStreamExt as _;
use http::{HeaderName, StatusCode, header};
use platform::telemetry::{error_chain, redact};

use super::{At, Pages, Problem};
use crate::attachments::{FileName, blob_name};
use crate::backend::{Attachment, Status};
use crate::id::{Id, ListId};

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

/// Gives a file out.
// Identity frontend, call to backend.
// Identity frontend, Storage Blob Data Contributor on container attachments.
pub(super) async fn download(
    State(pages): State<Pages>,
    At((list, id)): At<(ListId, Id)>,
) -> Result<Response, Problem> {
    let attachment = pages.backend.attachment(&list, &id).await?;
    let name = FileName::sanitised(&attachment.name);
    let not_ready = |why| Err(Problem::not_ready(name.as_str(), why));
    match attachment.status {
        Status::Ready => {}
        Status::Pending => return not_ready("It is still being processed."),
        Status::Failed => return not_ready("It could not be processed."),
    }
    let blob = blob_name(&list, &attachment.id);
    let content = match pages.attachments.blobs.open(&blob).await {
        Ok(content) => content,
        Err(failure) if failure.is_not_found() => return not_ready("Its content is gone."),
        Err(failure) => return Err(failure.into()),
    };
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
