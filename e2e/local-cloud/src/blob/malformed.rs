//! Requests that cannot be understood, and the codes that they are refused with
//! (Azure Storage REST reference, *Common REST API error codes*; the texts name
//! what is wrong, where the service's do not).

use std::borrow::Cow;

use http::StatusCode;

use super::body::MAX_BYTES;

/// What is wrong with a request.
#[derive(Debug)]
pub(super) enum Malformed {
    InvalidHeader(String),
    InvalidParameter(&'static str),
    OutOfRangeParameter(&'static str),
    MissingParameter(&'static str),
    MissingRequiredHeader,
    MissingContentLength,
    BodyTooLarge,
    BodyBroken,
    InvalidXml,
    InvalidUri,
    InvalidResourceName,
    OutOfRangeInput,
    InvalidMetadata,
    EmptyMetadataKey,
    MetadataTooLarge,
}

impl Malformed {
    /// Status, code and text.
    pub(super) fn parts(&self) -> (StatusCode, &'static str, Cow<'static, str>) {
        let bad = StatusCode::BAD_REQUEST;
        let (status, code, message) = match self {
            Self::InvalidHeader(name) => {
                let message = format!(
                    "The value for one of the HTTP headers is not in the correct format: {name}."
                );
                return (bad, "InvalidHeaderValue", message.into());
            }
            Self::InvalidParameter(name) => {
                let message = format!(
                    "Value for one of the query parameters specified in the request URI is invalid: {name}."
                );
                return (bad, "InvalidQueryParameterValue", message.into());
            }
            Self::OutOfRangeParameter(name) => {
                let message = format!(
                    "One of the query parameters specified in the request URI is outside the permissible range: {name}."
                );
                return (bad, "OutOfRangeQueryParameterValue", message.into());
            }
            Self::MissingParameter(name) => {
                let message = format!(
                    "A query parameter that's mandatory for this request is not specified: {name}."
                );
                return (bad, "MissingRequiredQueryParameter", message.into());
            }
            Self::MissingRequiredHeader => (
                bad,
                "MissingRequiredHeader",
                "An HTTP header that's mandatory for this request is not specified.",
            ),
            Self::MissingContentLength => (
                StatusCode::LENGTH_REQUIRED,
                "MissingContentLengthHeader",
                "The Content-Length header was not specified.",
            ),
            Self::BodyTooLarge => {
                let message = format!(
                    "The request body is too large and exceeds the maximum permissible limit, which is {MAX_BYTES} bytes in the local cloud."
                );
                return (
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "RequestBodyTooLarge",
                    message.into(),
                );
            }
            Self::BodyBroken => (
                bad,
                "InvalidInput",
                "The request body is not as long as the Content-Length header says.",
            ),
            Self::InvalidXml => (
                bad,
                "InvalidXmlDocument",
                "The specified XML is not syntactically valid.",
            ),
            Self::InvalidUri => (
                bad,
                "InvalidUri",
                "The requested URI does not represent any resource on the server.",
            ),
            Self::InvalidResourceName => (
                bad,
                "InvalidResourceName",
                "The specified resource name contains invalid characters.",
            ),
            Self::OutOfRangeInput => (
                bad,
                "OutOfRangeInput",
                "One of the request inputs is out of range.",
            ),
            Self::InvalidMetadata => (
                bad,
                "InvalidMetadata",
                "The specified metadata is invalid. It includes characters that are not permitted.",
            ),
            Self::EmptyMetadataKey => (
                bad,
                "EmptyMetadataKey",
                "The key for one of the metadata key-value pairs is empty.",
            ),
            Self::MetadataTooLarge => (
                bad,
                "MetadataTooLarge",
                "The size of the specified metadata exceeds the maximum size permitted.",
            ),
        };
        (status, code, message.into())
    }
}
