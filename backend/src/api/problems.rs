//! What may go wrong with an operation: the kinds of this API, and how its
//! document tells them.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use platform::azure::Service;
use platform::error::kinds::{
    BODY_TOO_LARGE, BODY_TOO_SLOW, CALLER_FORBIDDEN, CALLER_UNAUTHENTICATED,
    DEPENDENCY_UNAVAILABLE, INTERNAL, INVALID, MALFORMED, METHOD_NOT_ALLOWED, NO_SUCH_ROUTE,
    TOO_MANY_REQUESTS, UNSUPPORTED_MEDIA_TYPE,
};
use platform::error::{ApiError, Kind};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::store::{StoreError, Thing};

pub(super) const NO_SUCH_LIST: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "no_such_list",
    "there is no list of this id",
);

pub(super) const NO_SUCH_TODO: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "no_such_todo",
    "the list has no todo of this id, or has it no more",
);

pub(super) const NO_SUCH_ATTACHMENT: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "no_such_attachment",
    "the list has no attachment of this id",
);

pub(super) const NO_SUCH_LINK: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "no_such_link",
    "the link was never made here",
);

pub(super) const TOO_MANY_ATTACHMENTS: Kind = Kind::new(
    StatusCode::CONFLICT,
    "too_many_attachments",
    "the todo has as many attachments as a todo may have",
);

pub(super) const LINK_EXPIRED: Kind =
    Kind::new(StatusCode::GONE, "link_expired", "the link's time is over");

pub(super) const LINK_WITHDRAWN: Kind = Kind::new(
    StatusCode::GONE,
    "link_withdrawn",
    "the key that signed the link was disabled",
);

pub(super) const CHANGED: Kind = Kind::new(
    StatusCode::PRECONDITION_FAILED,
    "changed",
    "it is another version than `If-Match` names; `current` and `ETag` tell the one that it is",
);

pub(super) const IDEMPOTENCY_KEY_REUSED: Kind = Kind::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "idempotency_key_reused",
    "the `Idempotency-Key` belongs to another request",
);

pub(super) const PRECONDITION_REQUIRED: Kind = Kind::new(
    StatusCode::PRECONDITION_REQUIRED,
    "precondition_required",
    "a change needs `If-Match`: the ETag of the version that it is made to, or `*`",
);

/// Every kind of problem that this API answers with.
pub(super) const ALL: [Kind; 22] = [
    MALFORMED,
    CALLER_UNAUTHENTICATED,
    CALLER_FORBIDDEN,
    NO_SUCH_ROUTE,
    NO_SUCH_LIST,
    NO_SUCH_TODO,
    NO_SUCH_ATTACHMENT,
    NO_SUCH_LINK,
    METHOD_NOT_ALLOWED,
    BODY_TOO_SLOW,
    TOO_MANY_ATTACHMENTS,
    LINK_EXPIRED,
    LINK_WITHDRAWN,
    CHANGED,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID,
    IDEMPOTENCY_KEY_REUSED,
    PRECONDITION_REQUIRED,
    TOO_MANY_REQUESTS,
    INTERNAL,
    DEPENDENCY_UNAVAILABLE,
];

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotThere(thing) => {
                let kind = match thing {
                    Thing::List => NO_SUCH_LIST,
                    Thing::Todo => NO_SUCH_TODO,
                    Thing::Attachment => NO_SUCH_ATTACHMENT,
                };
                Self::new(kind, error.to_string())
            }
            StoreError::CosmosDb { source, .. } => source.into(),
            StoreError::Contended(_) | StoreError::Transaction(_) | StoreError::Incomplete(_) => {
                Self::unavailable(Service::CosmosDb, error)
            }
            StoreError::Document(..) => Self::internal(error),
        }
    }
}

/// A type whose responses are these kinds of problems, for
/// `#[utoipa::path(responses(..))]`.
macro_rules! problems {
    ($name:ident: $($kind:expr),+ $(,)?) => {
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                let mut responses = std::collections::BTreeMap::new();
                $($crate::api::problems::document(&mut responses, $kind);)+
                responses
            }
        }
    };
}
pub(super) use problems;

/// Adds a kind of problem to the responses of an operation, beside what they tell
/// of its status already.
pub(super) fn document(responses: &mut BTreeMap<String, RefOr<Response>>, kind: Kind) {
    let told = format!("`{}`: {}", kind.code, kind.meaning);
    let response = responses.remove(kind.status.as_str());
    let response = match response {
        Some(RefOr::T(mut known)) => {
            if !known.description.contains(&told) {
                known.description = format!("{}; {told}", known.description);
            }
            known
        }
        _ => new_response(kind, told),
    };
    responses.insert(kind.status.as_str().to_owned(), response.into());
}

fn new_response(kind: Kind, told: String) -> Response {
    let problem = Ref::from_schema_name("Problem");
    let response = ResponseBuilder::new().description(told).content(
        "application/problem+json",
        ContentBuilder::new().schema(Some(problem)).build(),
    );
    let header = match kind.status {
        StatusCode::UNAUTHORIZED => Some(("WWW-Authenticate", Type::String)),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Some(("Retry-After", Type::Integer))
        }
        _ => None,
    };
    match header {
        Some((name, r#type)) => {
            let schema = Object::with_type(r#type);
            let header = HeaderBuilder::new().schema(Some(schema)).build();
            response.header(name, header).build()
        }
        None => response.build(),
    }
}

/// Problem details (RFC 9457), as [`platform::error::Problem`] writes them.
pub(super) fn schema() -> Object {
    let text = || Object::with_type(Type::String);
    let code = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("What happened, for programs."))
        .enum_values(Some(ALL.map(|kind| kind.code)));
    let member = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("What of the request makes no sense."));
    ObjectBuilder::new()
        .description(Some("Problem details (RFC 9457)."))
        .property("type", text())
        .property("title", text())
        .property("status", Object::with_type(Type::Integer))
        .property("detail", text())
        .property("code", code)
        .property("requestId", text())
        .property("member", member)
        .required("type")
        .required("title")
        .required("status")
        .required("detail")
        .required("code")
        .required("requestId")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::answered;
    use crate::todos::ListId;

    #[test]
    fn each_reason_of_the_store_has_its_answer() {
        for (error, status, code, detail) in [
            (
                StoreError::NotThere(Thing::Todo),
                404,
                "no_such_todo",
                "there is no such todo",
            ),
            (
                answered(azure_core::http::StatusCode::Forbidden, Some(5302)),
                503,
                "dependency_unavailable",
                "Cosmos DB refused this pod's identity (403/5302): see infra/access.json",
            ),
            (
                StoreError::Contended(ListId::inbox()),
                503,
                "dependency_unavailable",
                "Cosmos DB did not do what was asked of it",
            ),
        ] {
            let problem = ApiError::from(error).problem();

            assert_eq!(problem.status, status);
            assert_eq!(problem.code, code);
            assert_eq!(problem.detail, detail);
        }
    }

    /// The table of `docs/api.md`, as it has to be.
    #[test]
    fn the_documents_table_of_codes_is_that_of_the_code() {
        let rows = ALL.map(|kind| {
            let Kind {
                status,
                code,
                meaning,
            } = kind;
            format!("| {} | `{code}` | {meaning} |\n", status.as_u16())
        });

        let document = include_str!("../../../docs/api.md");

        let table = rows.concat();
        assert!(
            document.contains(&table),
            "docs/api.md should have:\n{table}"
        );
    }

    #[test]
    fn no_two_kinds_have_the_same_code_and_they_come_by_status() {
        let mut codes = ALL.map(|kind| kind.code);
        codes.sort_unstable();

        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "{codes:?}");
        assert!(ALL.is_sorted_by_key(|kind| kind.status));
    }
}
