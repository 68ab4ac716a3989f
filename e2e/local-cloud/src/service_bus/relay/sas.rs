//! The emulator's own credential: a shared access signature of its published key.
//!
//! Follows Microsoft Learn, *Service Bus access control with Shared Access
//! Signatures: generate a SAS token*.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

/// The type of the token at `$cbs`.
pub(super) const TOKEN_TYPE: &str = "servicebus.windows.net:sastoken";

/// The name of the key, and the key. It is no secret: both stand as such in the
/// connection string of every emulator, which is published (Microsoft Learn, *Test
/// locally by using the Azure Service Bus emulator: connection string*).
pub(super) const KEY_NAME: &str = "RootManageSharedAccessKey";
pub(super) const PUBLISHED_KEY: &str = "SAS_KEY_VALUE";

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A token for a resource and all below it, until it ends.
pub(super) fn token(key: &str, resource: &str, ends: OffsetDateTime) -> String {
    let resource = encoded(resource);
    let ends = ends.unix_timestamp();
    let signature = encoded(&signature(key, &resource, ends));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={ends}&skn={KEY_NAME}")
}

/// The key is used as its text, not as the bytes that it stands for.
fn signature(key: &str, resource: &str, ends: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signature = hmac::sign(&key, format!("{resource}\n{ends}").as_bytes());
    STANDARD.encode(signature)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// Signed with Python's `hmac`, as the page's own example does it.
    #[test]
    fn a_token_is_signed_as_the_page_says() {
        assert_eq!(
            token(
                PUBLISHED_KEY,
                "sb://localhost/attachment-jobs",
                datetime!(2026-11-28 12:00 UTC)
            ),
            "SharedAccessSignature sr=sb%3A%2F%2Flocalhost%2Fattachment-jobs&\
             sig=GnD1YZRJwmZZEb23q%2BLbVpDGfrBzDpwHU1ROtkVhSZs%3D&\
             se=1795867200&skn=RootManageSharedAccessKey"
        );
    }
}
