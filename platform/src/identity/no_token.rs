//! Why there is no access token, out of an error of any client: Entra's own
//! words, from below the wrappings of the credential and of the client.

use std::error::Error;

use azure_core::error::ErrorKind;

use crate::telemetry::redact;

/// What is known of an exchange that failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoToken {
    /// The HTTP status; `None` when Entra ID did not answer.
    pub(crate) status: Option<u16>,
    /// Entra's code, for example `AADSTS700213`.
    pub(crate) code: Option<String>,
    /// Entra's words, or why there are none. Redacted.
    pub(crate) message: String,
}

impl NoToken {
    /// What there is about it in an error; `None` when the error has another
    /// cause than the want of a token.
    pub(crate) fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut found: Option<(Option<u16>, String)> = None;
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(core) = as_core(error) {
                if matches!(core.kind(), ErrorKind::Credential) {
                    found = Some((None, core.to_string()));
                } else if let (Some(_), Some(status)) = (&found, core.http_status()) {
                    found = Some((Some(status.into()), core.to_string()));
                    break;
                }
            }
            cause = error.source();
        }
        let (status, message) = found?;
        Some(Self {
            status,
            code: aadsts_code(&message),
            message: redact(message.trim()).into_owned(),
        })
    }
}

/// Some wrap it in a box, and a box is an error of its own.
fn as_core<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a azure_core::Error> {
    let boxed = || {
        let boxed = error.downcast_ref::<Box<azure_core::Error>>()?;
        Some(&**boxed)
    };
    error.downcast_ref().or_else(boxed)
}

/// Entra's error code in a text.
fn aadsts_code(text: &str) -> Option<String> {
    const PREFIX: &str = "AADSTS";
    let code = &text[text.find(PREFIX)?..];
    let digits = code[PREFIX.len()..]
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(code.len() - PREFIX.len());
    Some(code[..PREFIX.len() + digits].to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use azure_core::http::StatusCode;

    pub(crate) const WORDS: &str =
        "AADSTS700213: No matching federated identity record found for presented assertion subject";

    /// What the credential makes of Entra's refusal, inside of what the pipeline
    /// of a client makes of that.
    pub(crate) fn refused() -> azure_core::Error {
        let answer = azure_core::Error::new(
            ErrorKind::HttpResponse {
                status: StatusCode::BadRequest,
                error_code: Some("700213".to_owned()),
                raw_response: None,
            },
            WORDS,
        );
        let text = format!("WorkloadIdentityCredential authentication failed. {WORDS}\nSee");
        azure_core::Error::with_error(ErrorKind::Credential, answer, text)
            .with_context("non-transport error occurred which will not be retried")
    }

    #[test]
    fn entras_words_come_through_every_wrapping() {
        let expected = Some(NoToken {
            status: Some(400),
            code: Some("AADSTS700213".to_owned()),
            message: WORDS.to_owned(),
        });

        assert_eq!(NoToken::behind(&refused()), expected);
        assert_eq!(NoToken::behind(&std::io::Error::other(refused())), expected);
    }

    #[test]
    fn a_boxed_error_is_seen_through() {
        #[derive(Debug, thiserror::Error)]
        #[error("no access token")]
        struct Boxing(#[source] Box<azure_core::Error>);

        let error = Boxing(Box::new(refused()));

        assert_eq!(NoToken::behind(&error).expect("no token").message, WORDS);
    }

    #[test]
    fn entra_that_does_not_answer_has_no_status_and_no_code() {
        let error = azure_core::Error::with_error(
            ErrorKind::Credential,
            azure_core::Error::with_message(ErrorKind::Io, "connection refused"),
            "WorkloadIdentityCredential authentication failed. connection refused",
        );

        assert_eq!(
            NoToken::behind(&error),
            Some(NoToken {
                status: None,
                code: None,
                message: "WorkloadIdentityCredential authentication failed. connection refused"
                    .to_owned(),
            })
        );
    }

    #[test]
    fn a_resources_own_refusal_is_not_about_tokens() {
        let error = azure_core::Error::with_message(
            ErrorKind::HttpResponse {
                status: StatusCode::Forbidden,
                error_code: None,
                raw_response: None,
            },
            "Caller is not authorized",
        );

        assert_eq!(NoToken::behind(&error), None);
    }
}
