//! The texts of the domain, each parsed once, at the edge.

use std::fmt;

use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// The most characters of a list's name.
const LONGEST_LIST_NAME: usize = 100;

/// The most characters of a title and of a file's name.
const LONGEST: usize = 200;

/// The most characters of the notes of a todo.
const LONGEST_NOTES: usize = 2000;

/// The most characters of a media type.
const LONGEST_CONTENT_TYPE: usize = 127;

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// Why a text is not what it should be: a sentence for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(pub(crate) &'static str);

/// A text on one line that says something. What is wrong with one is told in
/// sentences of its own.
struct Line {
    longest: usize,
    empty: &'static str,
    too_long: &'static str,
    control: &'static str,
}

impl Line {
    /// White space around the text counts, and is then no part of it.
    fn parse(&self, text: &str) -> Result<String, Invalid> {
        if text.chars().any(char::is_control) {
            return Err(Invalid(self.control));
        }
        if text.chars().count() > self.longest {
            return Err(Invalid(self.too_long));
        }
        match text.trim() {
            "" => Err(Invalid(self.empty)),
            text => Ok(text.to_owned()),
        }
    }
}

/// The name of a list: 1 to 100 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListName(String);

impl ListName {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        const NAME: Line = Line {
            longest: LONGEST_LIST_NAME,
            empty: "a list's name must not be empty",
            too_long: "a list's name has at most 100 characters",
            control: "a list's name has no control characters",
        };
        NAME.parse(text).map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The title of a todo: 1 to 200 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Title(String);

impl Title {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        const TITLE: Line = Line {
            longest: LONGEST,
            empty: "a title must not be empty",
            too_long: "a title has at most 200 characters",
            control: "a title has no control characters",
        };
        TITLE.parse(text).map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What somebody noted about a todo: up to 2000 characters on any number of
/// lines, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notes(String);

impl Notes {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if text.chars().count() > LONGEST_NOTES {
            return Err(Invalid("notes have at most 2000 characters"));
        }
        let breaks = ['\t', '\n', '\r'];
        if text.chars().any(|c| c.is_control() && !breaks.contains(&c)) {
            return Err(Invalid(
                "notes have no control characters but tabs and line breaks",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The day on which a todo is due, as `2026-11-23`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DueDate(Date);

impl DueDate {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        Date::parse(text, DATE)
            .map(Self)
            .map_err(|_| Invalid("a due date is a day of the calendar, as 2026-11-23"))
    }
}

impl fmt::Display for DueDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(DATE).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// The name that a file had where it came from: for people, and never a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(String);

impl FileName {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        const NAME: Line = Line {
            longest: LONGEST,
            empty: "a file's name must not be empty",
            too_long: "a file's name has at most 200 characters",
            control: "a file's name has no control characters and no slashes",
        };
        if text.contains(['/', '\\']) {
            return Err(Invalid(NAME.control));
        }
        NAME.parse(text).map(Self)
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
        let essence = text.split(';').next().unwrap_or_default();
        let sound = text.len() <= LONGEST_CONTENT_TYPE
            && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
            && essence
                .trim_end()
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
    fn a_title_is_counted_in_characters_and_then_trimmed() {
        assert_eq!(
            Title::parse("  Buy milk ").map(|t| t.0),
            Ok("Buy milk".to_owned())
        );
        assert!(Title::parse(&"ü".repeat(200)).is_ok());

        for (broken, why) in [
            ("", "a title must not be empty"),
            (" \u{a0}\u{2003} ", "a title must not be empty"),
            ("a\u{7}b", "a title has no control characters"),
            ("two\nlines", "a title has no control characters"),
            ("\u{85}a", "a title has no control characters"),
            (&"a".repeat(201), "a title has at most 200 characters"),
        ] {
            assert_eq!(Title::parse(broken), Err(Invalid(why)), "{broken:?}");
        }
    }

    #[test]
    fn a_lists_name_is_shorter_than_a_title() {
        assert!(ListName::parse(&"ü".repeat(100)).is_ok());
        assert_eq!(
            ListName::parse(&"ü".repeat(101)),
            Err(Invalid("a list's name has at most 100 characters"))
        );
    }

    #[test]
    fn notes_may_have_lines_and_may_be_missing() {
        assert_eq!(Notes::parse(""), Ok(Notes::default()));
        assert!(Notes::parse("one\r\n\ttwo\n").is_ok());
        assert!(Notes::parse(&"ü".repeat(2000)).is_ok());

        for (broken, why) in [
            (
                "a\u{0}",
                "notes have no control characters but tabs and line breaks",
            ),
            (&"a".repeat(2001), "notes have at most 2000 characters"),
        ] {
            assert_eq!(Notes::parse(broken), Err(Invalid(why)), "{broken:?}");
        }
    }

    #[test]
    fn a_due_date_is_a_day_that_there_is() {
        for day in ["2026-11-23", "2028-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(
                DueDate::parse(day).map(|d| d.to_string()),
                Ok(day.to_owned())
            );
        }
        for broken in [
            "2026-02-29",
            "2026-1-1",
            "26-11-23",
            "2026-11-23T00:00:00Z",
            "",
        ] {
            assert_eq!(
                DueDate::parse(broken),
                Err(Invalid(
                    "a due date is a day of the calendar, as 2026-11-23"
                )),
                "{broken:?}"
            );
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
            " text/plain",
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
