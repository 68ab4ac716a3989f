//! The texts of the domain, each parsed once, at the edge.

use std::fmt;

/// The most characters of a title and of a file's name.
const LONGEST: usize = 200;

/// The most characters of a list's id.
const LONGEST_LIST_ID: usize = 64;

/// The most characters of a media type.
const LONGEST_CONTENT_TYPE: usize = 127;

/// Why a text is not what it should be: a sentence for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(pub(crate) &'static str);

/// The id of a list: lower-case letters, digits and hyphens, 1 to 64 of them. It
/// is part of paths, of partition keys and of the names of blobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ListId(String);

impl ListId {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let sound = (1..=LONGEST_LIST_ID).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid(
                "a list's id is 1 to 64 lower-case letters, digits and hyphens",
            ))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The title of a todo: 1 to 200 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Title(String);

impl Title {
    /// White space around the title is no part of it.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid("a title must not be empty"));
        }
        if text.chars().count() > LONGEST {
            return Err(Invalid("a title has at most 200 characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid("a title has no control characters"));
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name that a file had where it came from: for people, and never a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(String);

impl FileName {
    /// White space around the name is no part of it.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid("a file's name must not be empty"));
        }
        if text.chars().count() > LONGEST {
            return Err(Invalid("a file's name has at most 200 characters"));
        }
        if text
            .chars()
            .any(|c| c.is_control() || c == '/' || c == '\\')
        {
            return Err(Invalid(
                "a file's name has no control characters and no slashes",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The media type that whoever sent the file says it has, for example
/// `text/plain; charset=utf-8`. Nobody has checked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContentType(String);

impl ContentType {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let essence = text.split(';').next().unwrap_or_default().trim_end();
        let sound = text.len() <= LONGEST_CONTENT_TYPE
            && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
            && essence
                .split_once('/')
                .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid("a media type looks like text/plain"))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A token of RFC 9110.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lists_id_is_what_a_path_can_carry() {
        let longest = "a".repeat(64);
        for sound in ["inbox", "a", "2026-11", longest.as_str()] {
            assert_eq!(ListId::parse(sound).map(|id| id.0), Ok(sound.to_owned()));
        }
        let too_long = "a".repeat(65);
        for broken in ["", "Inbox", "a/b", "..", "a b", "ä", too_long.as_str()] {
            assert_eq!(
                ListId::parse(broken),
                Err(Invalid(
                    "a list's id is 1 to 64 lower-case letters, digits and hyphens"
                )),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn a_title_is_trimmed_and_counted_in_characters() {
        assert_eq!(
            Title::parse("  Buy milk\n").map(|t| t.0),
            Ok("Buy milk".to_owned())
        );
        assert!(Title::parse(&"ü".repeat(200)).is_ok());

        for (broken, why) in [
            (" \t ", "a title must not be empty"),
            ("a\u{7}b", "a title has no control characters"),
            ("two\nlines", "a title has no control characters"),
            (&"a".repeat(201), "a title has at most 200 characters"),
        ] {
            assert_eq!(Title::parse(broken), Err(Invalid(why)), "{broken:?}");
        }
    }

    #[test]
    fn a_files_name_is_no_path() {
        assert!(FileName::parse("Ünïcode (1).pdf").is_ok());

        for (broken, why) in [
            ("", "a file's name must not be empty"),
            (
                "../../etc/passwd",
                "a file's name has no control characters and no slashes",
            ),
            (
                "C:\\x",
                "a file's name has no control characters and no slashes",
            ),
            (
                "a\r\nb",
                "a file's name has no control characters and no slashes",
            ),
            (&"a".repeat(201), "a file's name has at most 200 characters"),
        ] {
            assert_eq!(FileName::parse(broken), Err(Invalid(why)), "{broken:?}");
        }
    }

    #[test]
    fn a_media_type_has_two_parts_and_cannot_break_a_header() {
        for sound in ["text/plain", "text/plain; charset=utf-8", "image/svg+xml"] {
            assert!(ContentType::parse(sound).is_ok(), "{sound}");
        }
        for broken in [
            "",
            "text",
            "text/",
            "/plain",
            "a b/c",
            "text/plain\r\nX: y",
            "täxt/plain",
        ] {
            assert_eq!(
                ContentType::parse(broken),
                Err(Invalid("a media type looks like text/plain")),
                "{broken:?}"
            );
        }
    }
}
