//! Errors of the token endpoint, as Entra ID words them.
//!
//! Codes, statuses and texts: Microsoft Learn, *Microsoft Entra authentication
//! and authorization error codes*, and answers quoted in public issue threads.
//! Clients should rely on codes only, because the texts change; ours follow
//! `docs/fidelity.md`, which says which were observed and which are assumed.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;
use uuid::Uuid;

mod faults;

/// Why a token is not issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AadError {
    pub(crate) code: u32,
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    pub(crate) text: String,
    /// In how many seconds to come again, where that is said.
    pub(crate) retry_after: Option<u32>,
}

const SEE: &str = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation";

const BREAKING_CHANGE: &str = "https://learn.microsoft.com/en-us/entra/identity-platform/reference-breaking-changes#august-2024";

/// Codes without an entry on the look-up page: their answers carry no link to it.
const WITHOUT_ENTRY: [u32; 4] = [50166, 70025, 90061, 1_002_012];

fn bad_request(code: u32, error: &'static str, text: String) -> AadError {
    AadError {
        code,
        status: StatusCode::BAD_REQUEST,
        error,
        text,
        retry_after: None,
    }
}

fn invalid_client(code: u32, text: String) -> AadError {
    AadError {
        code,
        status: StatusCode::UNAUTHORIZED,
        error: "invalid_client",
        text,
        retry_after: None,
    }
}

impl AadError {
    pub(crate) fn unknown_tenant(tenant: &str) -> Self {
        let text = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into \
             the correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        );
        bad_request(90002, "invalid_request", text)
    }

    pub(crate) fn malformed_tenant(tenant: &str) -> Self {
        let text = format!(
            "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."
        );
        bad_request(900_023, "invalid_request", text)
    }

    pub(crate) fn empty_tenant(tenant: &str) -> Self {
        let text = format!(
            "Requested tenant identifier '{tenant}' is not valid. Tenant identifiers may not be an empty GUID."
        );
        bad_request(900_021, "invalid_request", text)
    }

    pub(crate) fn tenant_required() -> Self {
        let text =
            "The 'client_credentials' grant type requires a tenant to be specified.".to_owned();
        bad_request(900_191, "invalid_request", text)
    }

    pub(crate) fn missing_parameter(name: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        bad_request(900_144, "invalid_request", text)
    }

    pub(crate) fn unsupported_grant(grant: &str) -> Self {
        let text = format!("The app requested an unsupported grant type '{grant}'.");
        bad_request(70003, "unsupported_grant_type", text)
    }

    /// Assumed: which grants it is said for, and the status.
    pub(crate) fn user_flow_of_managed_identity() -> Self {
        let text = "Server cannot satisfy the request. MSIs do not support user-based flows, only the client \
                    credentials flow. Use a multi-tenant application and secret or certificate in order to sign in \
                    users at this time."
            .to_owned();
        bad_request(900_058, "invalid_request", text)
    }

    pub(crate) fn unsupported_parameter(name: &str) -> Self {
        let text = format!("The '{name}' request parameter is not supported.");
        bad_request(901_002, "invalid_request", text)
    }

    /// Assumed: the code was seen for other endpoints.
    pub(crate) fn repeated_parameter(name: &str) -> Self {
        let text =
            format!("The request is not properly formatted. The parameter '{name}' is duplicated.");
        bad_request(9_000_411, "invalid_request", text)
    }

    /// Assumed: the code exists; how many are too many is not documented.
    pub(crate) fn too_many_parameters() -> Self {
        let text = "Invalid request. The request contains too many encoded parameters.".to_owned();
        bad_request(901_003, "invalid_request", text)
    }

    /// Assumed: the code exists; how much is too much, and the status, are not
    /// documented.
    pub(crate) fn too_large() -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..bad_request(900_048, "invalid_request", "Request too large.".to_owned())
        }
    }

    pub(crate) fn unknown_instance() -> Self {
        let text = "Unknown or invalid instance.".to_owned();
        bad_request(50049, "invalid_instance", text)
    }

    pub(crate) fn post_only(method: &str) -> Self {
        let text = format!("The endpoint only accepts POST requests. Received a {method} request.");
        // Assumed: the status is not documented.
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            ..bad_request(900_561, "invalid_request", text)
        }
    }

    pub(crate) fn unknown_client(client: &str, tenant: &str) -> Self {
        let text = format!(
            "Application with identifier '{client}' was not found in the directory '{tenant}'. This can happen if \
             the application has not been installed by the administrator of the tenant or consented to by any user \
             in the tenant. You may have sent your authentication request to the wrong tenant."
        );
        bad_request(700_016, "unauthorized_client", text)
    }

    pub(crate) fn no_assertion() -> Self {
        let text = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant \
                    type."
            .to_owned();
        invalid_client(7_000_216, text)
    }

    pub(crate) fn malformed_assertion() -> Self {
        bad_request(
            50027,
            "invalid_request",
            "JWT token is invalid or malformed.".to_owned(),
        )
    }

    /// Assumed: the status.
    pub(crate) fn no_subject() -> Self {
        let text = "No Subject claim provided in the assertion. Review the documentation at \
                    https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials ."
            .to_owned();
        invalid_client(700_022, text)
    }

    /// Assumed: the code exists, that `alg: none` leads to it does not stand anywhere.
    pub(crate) fn unsigned_assertion() -> Self {
        bad_request(
            900_385,
            "invalid_request",
            "JWT token must be signed.".to_owned(),
        )
    }

    pub(crate) fn wrong_algorithm() -> Self {
        let text = "Invalid JWT token. Unsupported key for the signing algorithm.".to_owned();
        bad_request(5_002_730, "invalid_request", text)
    }

    pub(crate) fn issued_by_entra() -> Self {
        let text = "AAD-issued tokens may not be used for federated identity flows.".to_owned();
        invalid_client(700_222, text)
    }

    pub(crate) fn no_federated_credential(client: &str, name: &str) -> Self {
        let text = format!(
            "The client '{client}'({name}) has no configured federated identity credentials."
        );
        invalid_client(70025, text)
    }

    pub(crate) fn issuer_mismatch(issuer: &str) -> Self {
        invalid_client(700_211, no_match("issuer", issuer))
    }

    pub(crate) fn audience_mismatch(audience: &str) -> Self {
        invalid_client(700_212, no_match("audience", audience))
    }

    pub(crate) fn subject_mismatch(subject: &str) -> Self {
        invalid_client(700_213, no_match("subject", subject))
    }

    pub(crate) fn subject_case_mismatch(subject: &str) -> Self {
        let text = format!(
            "No matching federated identity record found for presented assertion subject '{subject}'. The subject \
             matches with case-insensitive comparison, but not with case-sensitive comparison. Check your federated \
             identity credential Subject, Audience and Issuer against the presented assertion. See documentation at: \
             {SEE}. See breaking change notification and remediation at: {BREAKING_CHANGE}."
        );
        invalid_client(7_002_138, text)
    }

    /// Assumed: the status.
    pub(crate) fn unlawful_issuer(issuer: &str) -> Self {
        let text = format!(
            "Federated Identity Credential issuer must use HTTPS scheme, must not be loopback address, and may not \
             include a query-string or fragment. Token issuer: {issuer}."
        );
        bad_request(70022, "invalid_request", text)
    }

    /// With `invalid_request` in 2022, with `invalid_client` since 2023.
    pub(crate) fn lives_too_long(issued: i64, expires: i64) -> Self {
        let text = format!(
            "External OIDC Provider token must have a lifetime of less than or equal to 1.01:00:00. Token issued at \
             {issued}. Token expires on {expires}."
        );
        invalid_client(70023, text)
    }

    /// Assumed: that this is said of what is not asked for at all, or not read to
    /// its end.
    pub(crate) fn issuer_not_asked() -> Self {
        let text = "Non-retryable error has occurred during request to external OIDC endpoint.";
        bad_request(900_610, "invalid_request", text.to_owned())
    }

    pub(crate) fn missing_metadata(field: &str) -> Self {
        let text = format!("OIDC Provider Metadata missing required field '{field}'.");
        bad_request(70024, "invalid_request", text)
    }

    /// Also said of two keys of one id, which is assumed.
    pub(crate) fn unusable_keys() -> Self {
        let text = "Failed to parse provider signing keys.".to_owned();
        bad_request(900_612, "invalid_request", text)
    }

    pub(crate) fn issuer_unreachable() -> Self {
        bad_request(
            50166,
            "invalid_request",
            "Request to External OIDC endpoint failed.".to_owned(),
        )
    }

    pub(crate) fn unusable_metadata() -> Self {
        bad_request(
            900_611,
            "invalid_request",
            "Failed to parse provider metadata.".to_owned(),
        )
    }

    pub(crate) fn metadata_issuer_mismatch(presented: &str, published: &str) -> Self {
        let text = format!(
            "Issuer from the provided JWT '{presented}' does not match the issuer published in the OIDC discovery \
             metadata ('{published}') registered for this federated credential."
        );
        bad_request(700_221, "invalid_request", text)
    }

    pub(crate) fn unknown_key(kid: &str, issuer: &str) -> Self {
        let text = format!(
            "The certificate with identifier {kid} used to sign the federated credential could not be found in the \
             metadata of identity provider {issuer}. Please validate that your Identity Provider's metadata exposes \
             the key used to sign the incoming token."
        );
        invalid_client(7_000_272, text)
    }

    /// Assumed: no capture of a tampered assertion under a federated credential was found.
    pub(crate) fn bad_signature() -> Self {
        invalid_client(
            700_027,
            "Client assertion failed signature validation.".to_owned(),
        )
    }

    pub(crate) fn outside_valid_time(
        now: OffsetDateTime,
        from: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Self {
        let text = format!(
            "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry \
             time of assertion {}. Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
            iso7(now),
            iso7(from),
            iso7(until)
        );
        invalid_client(700_024, text)
    }

    pub(crate) fn scope_without_default(scope: &str) -> Self {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
             /.default suffixed to the resource identifier (application ID URI)."
        );
        bad_request(1_002_012, "invalid_scope", text)
    }

    pub(crate) fn invalid_scope(scope: &str) -> Self {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
             'scope' is not valid. The scope {scope} is not valid."
        );
        bad_request(70011, "invalid_scope", text)
    }

    pub(crate) fn unknown_resource(resource: &str, tenant: &str) -> Self {
        let text = format!(
            "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if \
             the application has not been installed by the administrator of the tenant or consented to by any user \
             in the tenant. You might have sent your authentication request to the wrong tenant."
        );
        bad_request(500_011, "invalid_resource", text)
    }

    /// The answer on the wire.
    pub(crate) fn response(&self, now: OffsetDateTime, correlation_id: Option<Uuid>) -> Response {
        let trace_id = Uuid::new_v4();
        let correlation_id = correlation_id.unwrap_or_else(Uuid::new_v4);
        let timestamp = now
            .format(format_description!(
                "[year]-[month]-[day] [hour]:[minute]:[second]Z"
            ))
            .expect("a UTC time formats");
        let Self { code, text, .. } = self;
        let mut body = json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{code}: {text} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
            ),
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
        });
        if !WITHOUT_ENTRY.contains(code) {
            body["error_uri"] = Value::from(format!(
                "https://login.microsoftonline.com/error?code={code}"
            ));
        }
        let mut response = no_store((self.status, Json(body)).into_response());
        name(&mut response, trace_id);
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Answers of the token endpoint must not be cached.
pub(crate) fn no_store(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache"),
    );
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::EXPIRES, HeaderValue::from_static("-1"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

/// Gives an answer the id by which Entra ID's own logs know it: the trace id.
pub(crate) fn name(response: &mut Response, trace_id: Uuid) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&trace_id.to_string()) {
        headers.insert("x-ms-request-id", id);
    }
    headers.insert(
        "x-ms-ests-server",
        HeaderValue::from_static("local cloud, not Azure"),
    );
}

fn no_match(what: &str, presented: &str) -> String {
    format!(
        "No matching federated identity record found for presented assertion {what} '{presented}'. Check your \
         federated identity credential Subject, Audience and Issuer against the presented assertion. {SEE}"
    )
}

fn iso7(at: OffsetDateTime) -> String {
    at.format(format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]Z"
    ))
    .expect("a UTC time formats")
}
