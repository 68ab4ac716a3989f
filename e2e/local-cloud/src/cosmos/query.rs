//! Refuses the queries that the engine would answer wrongly in silence.
//!
//! Cosmos DB takes string literals in single or double quotes. The engine reads
//! double quotes as names, so that `c.tag = "a"` would match nothing.

use bytes::Bytes;
use serde::Deserialize;

use super::refusal::Refusal;

#[derive(Deserialize)]
struct Specification {
    query: String,
}

/// Lets a query through, unless it holds a string literal in double quotes. A
/// body that is no query specification is left to the engine's own refusal.
pub(super) fn check(body: &Bytes) -> Result<(), Refusal> {
    let Ok(Specification { query }) = serde_json::from_slice(body) else {
        return Ok(());
    };
    if has_double_quoted_literal(&query) {
        return Err(Refusal::not_implemented(
            "string literals in double quotes (use single quotes or parameters)",
        ));
    }
    Ok(())
}

/// Double quotes also name a property, in `c["a"]` and in `{"a": 1}`.
fn has_double_quoted_literal(query: &str) -> bool {
    let mut rest = query;
    while let Some(at) = rest.find(['\'', '"']) {
        let (before, quoted) = rest.split_at(at);
        let quote = &quoted[..1];
        let (ended, after) = split_literal(&quoted[1..], quote);
        let names_property = is_accessor(before) || after.trim_start().starts_with(':');
        if quote == "\"" && ended && !names_property {
            return true;
        }
        rest = after;
    }
    false
}

/// Whether this text ends like `c[`, and not like the start of an array.
fn is_accessor(before: &str) -> bool {
    let of = before.trim_end().strip_suffix('[').unwrap_or_default();
    of.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == ']')
}

/// Whether the quote ends at all, and what follows it. A backslash escapes.
fn split_literal<'a>(text: &'a str, quote: &str) -> (bool, &'a str) {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if quote.starts_with(character) => return (true, &text[at + 1..]),
            _ => {}
        }
    }
    (false, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_literals_in_double_quotes_are_found_and_property_names_are_not() {
        for (query, expected) in [
            ("SELECT * FROM c", false),
            ("SELECT * FROM c WHERE c.tag = \"a\"", true),
            ("SELECT * FROM c WHERE c.tag = 'a'", false),
            ("SELECT * FROM c WHERE c.tag = 'say \"a\"'", false),
            ("SELECT * FROM c WHERE c.tag = 'it\\'s \"a\"'", false),
            ("SELECT c[\"tag\"] FROM c", false),
            ("SELECT c['x'][ \"tag\" ] FROM c", false),
            ("SELECT {\"a\": c.tag} FROM c", false),
            ("SELECT c[\"tag\"] FROM c WHERE c[\"tag\"] = \"a\"", true),
            ("SELECT * FROM c WHERE c.tag IN ('b', \"a\")", true),
            ("SELECT * FROM c WHERE ARRAY_CONTAINS([\"a\"], c.tag)", true),
        ] {
            assert_eq!(has_double_quoted_literal(query), expected, "{query}");
        }
    }
}
