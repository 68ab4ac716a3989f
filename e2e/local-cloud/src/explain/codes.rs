//! What is known of each code: its meaning, the usual causes on AKS, how to see
//! which it is, and how to mend it.
//!
//! Codes, texts and causes: `entra.rs` and `resources.rs` say where they are from.

mod entra;
mod resources;

/// What is known of one code.
#[derive(Debug)]
pub struct Code {
    /// As an explanation names it.
    pub code: &'static str,
    /// At which of the five steps it appears.
    pub step: u8,
    /// What it means, in a sentence.
    pub means: &'static str,
    /// The usual causes on AKS.
    pub causes: &'static [&'static str],
    /// How to see which of them it is.
    pub check: &'static [&'static str],
    /// How to mend it.
    pub mend: &'static [&'static str],
}

/// Every code that is known.
pub fn all() -> impl Iterator<Item = &'static Code> {
    entra::CODES.iter().chain(resources::CODES)
}

/// What is known of a code.
pub fn find(code: &str) -> Option<&'static Code> {
    all().find(|known| known.code == code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_told_once_and_wholly() {
        let mut seen = BTreeSet::new();
        for known in all() {
            let code = known.code;
            assert!(seen.insert(code), "{code} is there twice");
            assert!((1..=5).contains(&known.step), "{code}");
            let texts = [known.causes, known.check, known.mend];
            for text in texts.iter().copied().flatten().chain([&known.means]) {
                assert!(
                    text.len() > 10 && text.ends_with(['.', '`']),
                    "{code}: {text}"
                );
            }
            assert!(!texts.iter().any(|texts| texts.is_empty()), "{code}");
        }
    }

    /// Every code of the token endpoint and of the resources that the facts list.
    #[test]
    fn no_code_of_the_facts_is_missing() {
        let entra = [
            90002, 900_023, 900_021, 700_016, 70025, 700_211, 700_212, 700_213, 7_002_138, 70021,
            700_024, 7_000_272, 700_027, 5_002_730, 50027, 900_385, 700_022, 90061, 50166, 501_661,
            70024, 900_611, 900_612, 900_610, 700_221, 70022, 70023, 700_222, 7_000_216, 900_144,
            1_002_012, 70011, 500_011, 901_002, 70003, 900_561, 900_191, 900_058, 90055, 50196,
            90024,
        ];
        for code in entra {
            assert!(find(&format!("AADSTS{code}")).is_some(), "AADSTS{code}");
        }
        for code in [
            "AKV10000",
            "AKV10022",
            "AKV10032",
            "ForbiddenByRbac",
            "ForbiddenByPolicy",
            "ForbiddenByFirewall",
            "ForbiddenByConnection",
            "NoAuthenticationInformation",
            "InvalidAuthenticationInfo",
            "AuthenticationFailed",
            "AuthorizationPermissionMismatch",
            "AuthorizationFailure",
            "InvalidAudience",
            "InvalidIssuer",
            "ExpiredToken",
            "InvalidSignature",
            "LocalAuthDisabled",
            "com.microsoft:auth-failed",
            "amqp:unauthorized-access",
            "Authorization_RequestDenied",
        ] {
            assert!(find(code).is_some(), "{code}");
        }
        let cosmos = (5000..=5001)
            .chain(5003..=5009)
            .chain([5011, 5200, 5201, 5202]);
        for sub in cosmos {
            assert!(find(&format!("401/{sub}")).is_some(), "401/{sub}");
        }
        for sub in (5300..=5307).chain([5400]) {
            assert!(find(&format!("403/{sub}")).is_some(), "403/{sub}");
        }
    }
}
