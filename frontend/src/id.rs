//! The names that occur in addresses, checked where they come in: a name that is
//! none never reaches the backend, a blob, a query or a header.

use std::fmt;

use serde::Deserialize;
use uuid::Uuid;

/// The list that everything begins with.
const INBOX: &str = "inbox";

/// More than any place in a listing needs.
const LONGEST_CURSOR: usize = 1024;

/// The longest token that is signed anywhere here.
const LONGEST_LINK: usize = 4096;

/// The id of a list: `inbox` or a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ListId(String);

/// The id of a todo or an attachment: a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Id(String);

/// A place in a listing, as the backend names it: letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Cursor(String);

/// What is shared, as its link names it: a signed token, which only the backend
/// can read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Link(String);

/// The version of something that can change, as the backend names it. It goes
/// into a form and comes back with it, and then into a header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ETag(String);

/// What is no such name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name of this kind")]
pub(crate) struct NotAName;

impl TryFrom<String> for ListId {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        checked(text, |text| text == INBOX || is_uuid(text)).map(Self)
    }
}

impl TryFrom<String> for Id {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        checked(text, is_uuid).map(Self)
    }
}

impl TryFrom<String> for Cursor {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        checked(text, |text| is_url_safe(text, b"-_", LONGEST_CURSOR)).map(Self)
    }
}

impl TryFrom<String> for Link {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        checked(text, |text| is_url_safe(text, b"-_.", LONGEST_LINK)).map(Self)
    }
}

impl TryFrom<String> for ETag {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        let sound = |text: &str| {
            (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        checked(text, sound).map(Self)
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl $name {
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text!(ListId, Id, Cursor, Link, ETag);

fn checked(text: String, is_sound: impl Fn(&str) -> bool) -> Result<String, NotAName> {
    if is_sound(&text) {
        Ok(text)
    } else {
        Err(NotAName)
    }
}

/// Only as it is written by us, so that nothing has two names.
fn is_uuid(text: &str) -> bool {
    let mut buffer = Uuid::encode_buffer();
    Uuid::try_parse(text).is_ok_and(|uuid| &*uuid.hyphenated().encode_lower(&mut buffer) == text)
}

fn is_url_safe(text: &str, others: &[u8], longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_its_place_is_none() {
        for text in ["", "..", "a/b", "a%2Fb", "a b", "a\r\n", "é"] {
            let text = text.to_owned();
            assert_eq!(Id::try_from(text.clone()), Err(NotAName), "{text:?}");
            assert_eq!(ListId::try_from(text.clone()), Err(NotAName), "{text:?}");
            assert_eq!(Cursor::try_from(text.clone()), Err(NotAName), "{text:?}");
        }
        for text in ["", "a/b", "a b", "a\r\nx: y"] {
            assert_eq!(Link::try_from(text.to_owned()), Err(NotAName), "{text:?}");
        }
        for text in ["", "a b", "\"1\"\r\nx: y", "\"é\""] {
            assert_eq!(ETag::try_from(text.to_owned()), Err(NotAName), "{text:?}");
        }
        assert_eq!(Link::try_from("a".repeat(4097)), Err(NotAName));
        assert_eq!(Cursor::try_from("a".repeat(1025)), Err(NotAName));
    }

    #[test]
    fn an_id_has_one_way_of_being_written() {
        let id = "3b241101-e2bb-4255-8caf-4136c566a962";
        assert_eq!(Id::try_from(id.to_owned()).expect("an id").to_string(), id);
        for text in [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
        ] {
            assert_eq!(Id::try_from(text.clone()), Err(NotAName), "{text}");
        }
    }

    #[test]
    fn a_list_is_the_inbox_or_has_a_uuid() {
        for (text, is_one) in [
            ("inbox", true),
            ("3b241101-e2bb-4255-8caf-4136c566a962", true),
            ("Inbox", false),
            ("team-plans", false),
            (":lists", false),
        ] {
            assert_eq!(ListId::try_from(text.to_owned()).is_ok(), is_one, "{text}");
        }
    }
}
