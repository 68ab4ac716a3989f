//! Takes out of a text whatever looks like a token, as the last thing before it
//! leaves the process. What should never be there is not there twice: errors and
//! spans of this workload carry no tokens, but libraries may quote a request.

use std::borrow::Cow;

/// What stands in place of a token.
const REDACTED: &str = "[redacted]";

/// Words after which a credential follows, in lower case.
const MARKS: [Mark; 4] = [
    // The beginning of every JWT: `{"` in base64url. It is a part of the token.
    Mark {
        word: "eyj",
        keeps_word: false,
        ends: not_in_token,
    },
    Mark {
        word: "bearer ",
        keeps_word: true,
        ends: not_in_token,
    },
    // Signatures: of shared access, and of Cosmos DB's authorization header,
    // also in its encoded form.
    Mark {
        word: "sig=",
        keeps_word: true,
        ends: not_in_value,
    },
    Mark {
        word: "sig%3d",
        keeps_word: true,
        ends: not_in_value,
    },
];

struct Mark {
    word: &'static str,
    keeps_word: bool,
    ends: fn(char) -> bool,
}

/// The text with `[redacted]` in place of anything that looks like a JWT
/// (`eyJ...`), a bearer token (`Bearer ...`) or a signature (`sig=...`).
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some((before, after)) = next_credential(rest) {
        clean.push_str(before);
        clean.push_str(REDACTED);
        rest = after;
    }
    if clean.is_empty() && rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// What comes before the first credential and what comes after it.
fn next_credential(text: &str) -> Option<(&str, &str)> {
    for (start, _) in text.char_indices() {
        for mark in &MARKS {
            let Some(word) = text.get(start..start + mark.word.len()) else {
                continue;
            };
            if !word.eq_ignore_ascii_case(mark.word) {
                continue;
            }
            let credential = start + mark.word.len();
            let length = text[credential..]
                .find(mark.ends)
                .unwrap_or(text.len() - credential);
            let found = &text[credential..credential + length];
            if text[credential..].starts_with(REDACTED) || !is_credential(mark, word, found) {
                continue;
            }
            let before = if mark.keeps_word { credential } else { start };
            return Some((&text[..before], &text[credential + length..]));
        }
    }
    None
}

/// Prose speaks of bearer tokens too, and `eyj` may end up in any word.
fn is_credential(mark: &Mark, word: &str, text: &str) -> bool {
    match mark.word {
        "eyj" => word == "eyJ" && text.len() >= 8,
        "bearer " => {
            let is_word = text.len() < 16 && text.chars().all(|c| c.is_ascii_lowercase());
            !text.is_empty() && !is_word
        }
        _ => !text.is_empty(),
    }
}

fn not_in_token(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || "-_.~+/=%".contains(c))
}

fn not_in_value(c: char) -> bool {
    c.is_whitespace() || "&\"'\\,;<>)}]".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text), expected);
    }

    #[test]
    fn a_token_is_taken_out_wherever_it_stands() {
        check(
            r#"{"message":"sent eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln to Entra"}"#,
            r#"{"message":"sent [redacted] to Entra"}"#,
        );
        check(
            "client_assertion=eyJhbGciOiJSUzI1NiJ9.e30.x&scope=a",
            "client_assertion=[redacted]&scope=a",
        );
    }

    #[test]
    fn a_bearer_token_is_taken_out_whatever_it_looks_like() {
        check(
            "authorization: Bearer opaque-1234, host: x",
            "authorization: Bearer [redacted], host: x",
        );
        check("BEARER 12/34==", "BEARER [redacted]");
    }

    #[test]
    fn prose_about_bearer_tokens_is_left_alone() {
        check(
            "a bearer token is missing; the bearer of it",
            "a bearer token is missing; the bearer of it",
        );
    }

    #[test]
    fn a_signature_is_taken_out_to_its_end_and_no_further() {
        check(
            "https://x.blob.core.windows.net/c?sv=1&sig=a%2Bb%3D&se=2",
            "https://x.blob.core.windows.net/c?sv=1&sig=[redacted]&se=2",
        );
        check(
            r#""authorization":"type%3Daad%26ver%3D1.0%26sig%3Dabc.def""#,
            r#""authorization":"type%3Daad%26ver%3D1.0%26sig%3D[redacted]""#,
        );
    }

    #[test]
    fn several_credentials_in_a_line_are_all_taken_out() {
        check(
            "Bearer eyJaaaaaaaaaa.b.c and eyJdddddddddd.e.f",
            "Bearer [redacted] and [redacted]",
        );
    }

    #[test]
    fn what_is_redacted_stays_as_it_is() {
        let once = "Bearer [redacted] sig=[redacted]&x=1";

        check(once, once);
    }

    #[test]
    fn a_text_without_credentials_is_not_copied() {
        assert!(matches!(
            redact("403 ForbiddenByRbac: größer"),
            Cow::Borrowed(_)
        ));
    }
}
