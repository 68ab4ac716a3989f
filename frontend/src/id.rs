//! The names that occur in paths, checked where they come in: a name that is
//! none never reaches the backend, a blob or a query.

use std::fmt;

use serde::Deserialize;

/// More than any name has.
const LONGEST: usize = 64;

/// The id of a list: 1 to 64 of `a` to `z`, `0` to `9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ListId(String);

/// The id of a todo or an attachment: 1 to 64 ASCII letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Id(String);

/// What is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub(crate) struct NotAnId;

impl ListId {
    /// The list that everything begins with.
    pub(crate) fn inbox() -> Self {
        Self("inbox".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a heading: `team-plans` is `Team plans`.
    pub(crate) fn heading(&self) -> String {
        let words = self.0.replace('-', " ");
        let mut letters = words.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(letters)
            .collect()
    }
}

impl Id {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ListId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        checked(text, sound).map(Self)
    }
}

impl TryFrom<String> for Id {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        checked(text, |b| b.is_ascii_alphanumeric() || b == b'-').map(Self)
    }
}

impl fmt::Display for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn checked(text: String, sound: impl Fn(u8) -> bool) -> Result<String, NotAnId> {
    if (1..=LONGEST).contains(&text.len()) && text.bytes().all(sound) {
        Ok(text)
    } else {
        Err(NotAnId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_its_place_is_no_id() {
        for text in ["", "..", "a/b", "a%2Fb", "a b", "a\r\n", "é"] {
            assert_eq!(Id::try_from(text.to_owned()), Err(NotAnId), "{text:?}");
            assert_eq!(ListId::try_from(text.to_owned()), Err(NotAnId), "{text:?}");
        }
        assert_eq!(Id::try_from("a".repeat(65)), Err(NotAnId));
        assert_eq!(ListId::try_from("Inbox".to_owned()), Err(NotAnId));
    }

    #[test]
    fn a_lists_id_makes_its_heading() {
        let list = ListId::try_from("team-plans".to_owned()).expect("an id");

        assert_eq!(list.heading(), "Team plans");
    }
}
