//! The API's own document, generated from the handlers: served, and printed by
//! `backend openapi`.
//!
//! Each handler says what it takes and what may go wrong with it in particular.
//! What follows from that for any operation is added here.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use platform::error::Kind;
use platform::error::kinds::{
    BODY_TOO_LARGE, BODY_TOO_SLOW, CALLER_FORBIDDEN, CALLER_UNAUTHENTICATED,
    DEPENDENCY_UNAVAILABLE, INTERNAL, INVALID, MALFORMED, UNSUPPORTED_MEDIA_TYPE,
};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, RefOr, SecurityRequirement,
};

use super::answers::text_header;
use super::attachments::AttachmentView;
use super::lists::ListView;
use super::problems::{self, IDEMPOTENCY_KEY_REUSED, PRECONDITION_REQUIRED};
use super::todos::TodoView;

/// What the caller's token is called in the document.
const CALLER: &str = "caller";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().into());

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "readDocument",
    tag = "document",
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value)),
)]
// No identity: the document is part of the program.
pub(super) async fn serve() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}

/// The document as JSON.
pub(crate) fn document() -> String {
    let mut document = super::operations().into_openapi();
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            complete(operation);
        }
    }
    document.to_pretty_json().expect("the document is JSON")
}

/// What is true of the whole API.
pub(super) fn introduction() -> OpenApi {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "The projected token of the one service account that may call, for the audience of \
             this service.",
        ));
    let components = ComponentsBuilder::new()
        .security_scheme(CALLER, SecurityScheme::Http(token.build()))
        .schema("Problem", problems::schema())
        .schema_from::<ListView>()
        .schema_from::<TodoView>()
        .schema_from::<AttachmentView>();
    let info = InfoBuilder::new()
        .title("To-do lists")
        .version("1")
        .description(Some(
            "Lists, their todos, and what is known of their attachments. For the frontend's pod \
             and nobody else.",
        ));
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components.build()))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>(
            CALLER,
            [],
        )]))
        .build()
}

/// Adds what may go wrong with an operation because of what it takes, and the
/// header that every answer has.
fn complete(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    let takes = |location: &ParameterIn, name: Option<&str>| {
        operation.parameters.iter().flatten().any(|parameter| {
            let RefOr::T(parameter) = parameter else {
                return false;
            };
            parameter.parameter_in == *location && name.is_none_or(|name| parameter.name == name)
        })
    };
    let mut kinds: Vec<Kind> = vec![
        CALLER_UNAUTHENTICATED,
        CALLER_FORBIDDEN,
        INTERNAL,
        DEPENDENCY_UNAVAILABLE,
    ];
    if takes(&ParameterIn::Header, None) {
        kinds.push(MALFORMED);
    }
    if takes(&ParameterIn::Header, Some("If-Match")) {
        kinds.push(PRECONDITION_REQUIRED);
    }
    if takes(&ParameterIn::Query, None) {
        kinds.push(INVALID);
    }
    if operation.request_body.is_some() {
        kinds.extend([
            MALFORMED,
            BODY_TOO_SLOW,
            BODY_TOO_LARGE,
            UNSUPPORTED_MEDIA_TYPE,
            INVALID,
        ]);
    }
    if takes(&ParameterIn::Header, Some("Idempotency-Key")) {
        kinds.push(IDEMPOTENCY_KEY_REUSED);
    }
    for kind in kinds {
        problems::document(responses, kind);
    }
    for response in responses.values_mut() {
        if let RefOr::T(response) = response {
            let id = text_header("The request's id, as in the log.");
            response
                .headers
                .insert("X-Request-Id".to_owned(), id.into());
        }
    }
}
