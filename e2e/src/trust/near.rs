//! Whether a text is nearly another: a slip of the hand, or of the case.

/// Whether they differ by one to three characters, or in case alone.
pub(super) fn nearly(text: &str, other: &str) -> bool {
    if text == other {
        return false;
    }
    text.eq_ignore_ascii_case(other) || distance(text, other) <= 3.min(other.len() / 4)
}

/// How many characters have to be put in, taken out or replaced.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, have) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (left, want) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(have != *want);
            diagonal = row[left + 1];
            row[left + 1] = replaced.min(row[left] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: &str = "api://AzureADTokenExchange";

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        for (text, expected) in [
            (EXCHANGE, false),
            ("api://AzureADTokenExchange/", true),
            ("api://AzureADTokenExchang", true),
            ("api://azureadtokenexchange", true),
            ("api:/AzureAdTokenExchange", true),
            // The audience of another of Microsoft's clouds.
            ("api://AzureADTokenExchangeChina", false),
            ("todolist-backend", false),
        ] {
            assert_eq!(nearly(text, EXCHANGE), expected, "{text}");
        }
    }

    #[test]
    fn short_names_have_to_be_nearer() {
        assert!(!nearly("api", "app"));
        assert!(nearly("todolist-backends", "todolist-backend"));
        assert!(!nearly("todolist-worker", "todolist-backend"));
    }
}
