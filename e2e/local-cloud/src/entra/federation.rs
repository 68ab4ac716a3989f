//! Whether an identity trusts an assertion: issuer, subject and audience of one
//! of its federated credentials.
//!
//! All three are compared exactly, byte for byte (Microsoft Learn, *Important
//! considerations and restrictions for federated identity credentials*).

use super::error::AadError;
use crate::directory::{FederatedCredential, Identity};

impl Identity {
    /// Whether one credential trusts this issuer, subject and audience; if none
    /// does, the error for what comes closest.
    pub(crate) fn check_trust(
        &self,
        issuer: &str,
        subject: &str,
        audience: &str,
    ) -> Result<(), AadError> {
        if self.federated_credentials.is_empty() {
            return Err(AadError::no_federated_credential(
                &self.client_id.to_string(),
                &self.name,
            ));
        }
        let of_issuer: Vec<_> = self
            .federated_credentials
            .iter()
            .filter(|trusted| trusted.issuer == issuer)
            .collect();
        if of_issuer.is_empty() {
            return Err(AadError::issuer_mismatch(issuer));
        }
        let of_subject: Vec<_> = of_issuer
            .iter()
            .filter(|trusted| trusted.subject == subject)
            .collect();
        if of_subject.is_empty() {
            let but_for_case =
                |trusted: &&FederatedCredential| trusted.subject.eq_ignore_ascii_case(subject);
            return Err(
                if of_issuer.into_iter().any(|trusted| but_for_case(&trusted)) {
                    AadError::subject_case_mismatch(subject)
                } else {
                    AadError::subject_mismatch(subject)
                },
            );
        }
        if of_subject
            .iter()
            .any(|trusted| trusted.audience == audience)
        {
            return Ok(());
        }
        Err(AadError::audience_mismatch(audience))
    }
}
