//! What may go wrong with any request, whatever it is about.

use http::StatusCode;

use super::Kind;

/// The request cannot be read.
pub const MALFORMED: Kind = Kind::new(
    StatusCode::BAD_REQUEST,
    "malformed",
    "the body is not JSON, or a header is not what it should be",
);

/// Who are you?
pub const CALLER_UNAUTHENTICATED: Kind = Kind::new(
    StatusCode::UNAUTHORIZED,
    "caller_unauthenticated",
    "there is no bearer token, or not one of this cluster for this service and this time",
);

/// Not you.
pub const CALLER_FORBIDDEN: Kind = Kind::new(
    StatusCode::FORBIDDEN,
    "caller_forbidden",
    "the token is sound, and its service account may not call this service",
);

/// There is no such path.
pub const NO_SUCH_ROUTE: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "no_such_route",
    "there is nothing at this path",
);

/// There is such a path, for other methods.
pub const METHOD_NOT_ALLOWED: Kind = Kind::new(
    StatusCode::METHOD_NOT_ALLOWED,
    "method_not_allowed",
    "the path does not take this method; `Allow` says which it takes",
);

/// The body does not arrive.
pub const BODY_TOO_SLOW: Kind = Kind::new(
    StatusCode::REQUEST_TIMEOUT,
    "body_too_slow",
    "the body did not arrive in time",
);

/// The body is longer than any that makes sense.
pub const BODY_TOO_LARGE: Kind = Kind::new(
    StatusCode::PAYLOAD_TOO_LARGE,
    "body_too_large",
    "the body is longer than this service reads",
);

/// The body is of another kind.
pub const UNSUPPORTED_MEDIA_TYPE: Kind = Kind::new(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "unsupported_media_type",
    "`Content-Type` is not one that the operation takes",
);

/// The request can be read and makes no sense.
pub const INVALID: Kind = Kind::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "invalid",
    "a member of the body or a parameter makes no sense; `member` names it if its value does not",
);

/// Too often.
pub const TOO_MANY_REQUESTS: Kind = Kind::new(
    StatusCode::TOO_MANY_REQUESTS,
    "too_many_requests",
    "asked too often; `Retry-After` says when to come again",
);

/// Our bug.
pub const INTERNAL: Kind = Kind::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "internal",
    "a fault of this service; its log tells more under the request id",
);

/// Somebody that this service needs does not answer, or refuses this service.
pub const DEPENDENCY_UNAVAILABLE: Kind = Kind::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "dependency_unavailable",
    "something that this service stands on did not do its part; the detail names it",
);
