//! Where two texts part, down to the character, and what it is in words.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::cut;

/// One field, and how the two sides of it differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The field: `subject`, `issuer`, `scope`.
    pub field: String,
    /// What was presented, if anything was.
    pub presented: Option<String>,
    /// What it was measured against, if there is anything.
    pub trusted: Option<String>,
    /// What the second is called.
    pub against: Against,
    /// Where the two texts part, if they can be laid side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parting: Option<Parting>,
    /// The difference in words.
    pub words: String,
}

/// What something presented is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// What a federated credential trusts.
    Trusted,
    /// What a role assignment grants.
    Granted,
    /// What a service takes, whoever asks.
    Expected,
}

impl Against {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Granted => "granted",
            Self::Expected => "expected",
        }
    }
}

/// The first character at which two texts differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parting {
    /// Its place, in characters, from 1.
    pub position: usize,
    /// The character that was presented there; nothing behind the end.
    pub presented: Option<char>,
    /// The character that is trusted or granted there; nothing behind the end.
    pub trusted: Option<char>,
}

impl Difference {
    /// The difference of two texts; nothing if there is none.
    pub fn between(field: &str, presented: &str, trusted: &str, against: Against) -> Option<Self> {
        if presented == trusted {
            return None;
        }
        let (presented, trusted) = (cut(presented), cut(trusted));
        let parts = part(&presented, &trusted);
        let (parting, words) = parts.unzip();
        Some(Self {
            field: field.to_owned(),
            presented: Some(presented),
            trusted: Some(trusted),
            against,
            parting,
            words: words.unwrap_or_else(|| "they differ where they were cut".to_owned()),
        })
    }

    /// Two things that differ as a whole, not in characters.
    pub fn whole(
        field: &str,
        presented: Option<String>,
        trusted: Option<String>,
        against: Against,
        words: impl Into<String>,
    ) -> Self {
        Self {
            field: field.to_owned(),
            presented: presented.map(|text| cut(&text)),
            trusted: trusted.map(|text| cut(&text)),
            against,
            parting: None,
            words: words.into(),
        }
    }
}

/// How alike two texts are, for choosing the nearest of several: the characters
/// that they share at the beginning and at the end, whatever their case.
pub(super) fn likeness(one: &str, other: &str) -> usize {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (start, end) = shared(&one, &other);
    // The same text is more alike than a longer one that contains it.
    (start + end) * 4 + usize::from(one.len() == other.len())
}

/// How many characters are the same at the beginning, and then at the end.
fn shared(one: &[char], other: &[char]) -> (usize, usize) {
    let same = |(a, b): &(&char, &char)| a == b;
    let start = one.iter().zip(other).take_while(same).count();
    let rest = |text: &[char]| text[start..].to_vec();
    let (one, other) = (rest(one), rest(other));
    let end = one.iter().rev().zip(other.iter().rev());
    (start, end.take_while(same).count())
}

fn part(presented: &str, trusted: &str) -> Option<(Parting, String)> {
    if presented == trusted {
        return None;
    }
    let p: Vec<char> = presented.chars().collect();
    let t: Vec<char> = trusted.chars().collect();
    let (start, end) = shared(&p, &t);
    let (mine, theirs) = (&p[start..p.len() - end], &t[start..t.len() - end]);
    let parting = Parting {
        position: start + 1,
        presented: p.get(start).copied(),
        trusted: t.get(start).copied(),
    };
    let place = match (start, end) {
        (_, 0) => " at the end",
        (0, _) => " at the beginning",
        _ => "",
    };
    let mut words = match (mine, theirs) {
        ([], missing) => format!("lacks {}{place}", named(missing)),
        (more, []) => format!("{}{place} should not be there", named(more)),
        (mine, theirs) => format!("{} instead of {}", named(mine), named(theirs)),
    };
    if presented.to_lowercase() == trusted.to_lowercase() {
        words.push_str("; only the case differs");
    } else if presented.trim() == trusted.trim() {
        words.push_str("; the rest is the same");
    } else if let ([one], [other]) = (mine, theirs)
        && (!one.is_ascii() || !other.is_ascii())
    {
        words.push_str("; they may look the same and are not");
    }
    Some((parting, words))
}

/// Characters in words: what cannot be seen is named, what looks like something
/// else bears its number.
fn named(characters: &[char]) -> String {
    match characters {
        [one] => match one {
            '/' => "the slash `/`".to_owned(),
            other => name(*other),
        },
        several if several.iter().all(|c| c.is_whitespace()) => {
            format!("{} blanks", several.len())
        }
        several => {
            let text: String = several.iter().take(60).collect();
            format!("`{}`", visible(&text))
        }
    }
}

/// One character in words.
fn name(character: char) -> String {
    let number = u32::from(character);
    match character {
        ' ' => "a blank (U+0020)".to_owned(),
        '\t' => "a tab (U+0009)".to_owned(),
        '\n' => "an end of line (U+000A)".to_owned(),
        '\r' => "a carriage return (U+000D)".to_owned(),
        '\u{a0}' => "a no-break space (U+00A0)".to_owned(),
        '\u{200b}' => "a zero-width space (U+200B)".to_owned(),
        '\u{feff}' => "a byte-order mark (U+FEFF)".to_owned(),
        c if c.is_ascii_graphic() => format!("`{c}`"),
        c if is_plain(c) => format!("`{c}` (U+{number:04X})"),
        _ => format!("U+{number:04X}"),
    }
}

/// A text in which everything can be seen: blanks at its ends and characters
/// without a shape appear as `\u{20}`.
pub(super) fn visible(text: &str) -> String {
    let starts = text.len() - text.trim_start().len();
    let ends = text.trim_end().len();
    let mut shown = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let at_an_end = character == ' ' && (at < starts || at >= ends);
        if is_plain(character) && !at_an_end {
            shown.push(character);
        } else {
            let _never_fails = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
    }
    shown
}

/// How many columns the characters before a place take when shown.
pub(super) fn columns_before(text: &str, position: usize) -> usize {
    let whole = visible(text);
    let behind: String = text.chars().skip(position - 1).collect();
    // What is shown of the end is the same with or without what is before it,
    // but for blanks that only then are at an end.
    let before: String = text.chars().take(position - 1).collect();
    if behind.is_empty() {
        return whole.chars().count();
    }
    let marked = visible(&format!("{before}x"));
    marked.chars().count() - 1
}

/// Whether a character has a shape of its own and takes one column.
fn is_plain(character: char) -> bool {
    let invisible = matches!(character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}');
    let combining = matches!(character, '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}');
    character == ' '
        || !(character.is_control() || character.is_whitespace() || invisible || combining)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(presented: &str, trusted: &str, position: usize, words: &str) {
        let (parting, found) = part(presented, trusted).expect("they differ");
        assert_eq!((parting.position, found.as_str()), (position, words));
        assert_eq!(parting.presented, presented.chars().nth(position - 1));
        assert_eq!(parting.trusted, trusted.chars().nth(position - 1));
    }

    #[test]
    fn the_same_texts_do_not_part() {
        assert_eq!(part("a/b", "a/b"), None);
        assert_eq!(part("", ""), None);
    }

    #[test]
    fn a_missing_slash_at_the_end_is_named() {
        check(
            "https://issuer/id",
            "https://issuer/id/",
            18,
            "lacks the slash `/` at the end",
        );
        check(
            "https://issuer/id/",
            "https://issuer/id",
            18,
            "the slash `/` at the end should not be there",
        );
    }

    #[test]
    fn a_difference_of_case_alone_is_called_that() {
        check(
            "system:serviceaccount:todolist:Frontend",
            "system:serviceaccount:todolist:frontend",
            32,
            "`F` instead of `f`; only the case differs",
        );
        check(
            "AbC",
            "abc",
            1,
            "`AbC` instead of `abc`; only the case differs",
        );
    }

    #[test]
    fn blanks_are_named_in_words() {
        check(
            "a ",
            "a",
            2,
            "a blank (U+0020) at the end should not be there; the rest is the same",
        );
        check(
            " a",
            "a",
            1,
            "a blank (U+0020) at the beginning should not be there; the rest is the same",
        );
        check("a\tb", "ab", 2, "a tab (U+0009) should not be there");
        check(
            "a  ",
            "a",
            2,
            "2 blanks at the end should not be there; the rest is the same",
        );
        check(
            "a\u{200b}b",
            "ab",
            2,
            "a zero-width space (U+200B) should not be there",
        );
        check(
            "a\u{a0}b",
            "a b",
            2,
            "a no-break space (U+00A0) instead of a blank (U+0020); they may look the same and are not",
        );
    }

    #[test]
    fn a_character_of_another_script_bears_its_number() {
        check(
            "b\u{430}ckend",
            "backend",
            2,
            "`\u{430}` (U+0430) instead of `a`; they may look the same and are not",
        );
    }

    #[test]
    fn other_texts_are_set_against_each_other_where_they_part() {
        check(
            "a:worker",
            "a:frontend",
            3,
            "`worker` instead of `frontend`",
        );
        check("http://x", "https://x", 5, "lacks `s`");
        check("aa", "aaa", 3, "lacks `a` at the end");
        check("", "abc", 1, "lacks `abc` at the end");
        check(
            "größe",
            "große",
            3,
            "`ö` (U+00F6) instead of `o`; they may look the same and are not",
        );
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(visible("a b"), "a b");
        assert_eq!(visible(" a "), "\\u{20}a\\u{20}");
        assert_eq!(visible("a\u{200b}\n"), "a\\u{200b}\\u{a}");
        assert_eq!(columns_before("a\u{200b}b", 3), 9);
        assert_eq!(columns_before("a b", 3), 2);
        assert_eq!(columns_before("a", 2), 1);
        assert_eq!(columns_before(" a", 2), 6);
    }

    #[test]
    fn the_likest_text_is_the_one_with_a_slip_in_it() {
        let likest = |text: &str, of: &[&'static str]| {
            of.iter()
                .copied()
                .max_by_key(|other| likeness(text, other))
                .expect("one")
        };
        assert_eq!(
            likest(
                "x:todolist:Frontend",
                &["x:todolist:backend", "x:todolist:frontend"]
            ),
            "x:todolist:frontend"
        );
        assert_eq!(
            likest(
                "vault/secrets/session-kez",
                &["vault/secrets/share-link-key", "vault/secrets/session-key"]
            ),
            "vault/secrets/session-key"
        );
    }
}
