//! Where two texts part that have to be the same to the character.

/// Says it in words.
pub(super) fn told(what: &str, found: &str, wanted: &str) -> String {
    let same = found
        .chars()
        .zip(wanted.chars())
        .take_while(|(found, wanted)| found == wanted)
        .count();
    let how = match (found.chars().count(), wanted.chars().count()) {
        _ if wanted.strip_suffix('/') == Some(found) => "its last slash is missing".to_owned(),
        _ if found.strip_suffix('/') == Some(wanted) => "it has a slash too many".to_owned(),
        (length, _) if length == same => format!("it ends after character {same}"),
        (_, length) if length == same => format!("it goes on after character {same}"),
        _ => format!("they part at character {}", same + 1),
    };
    format!("the {what} is `{found}`, and not `{wanted}`: {how}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_the_difference_is_told() {
        for (found, wanted, how) in [
            ("https://i/a", "https://i/a/", "its last slash is missing"),
            ("https://i/a/", "https://i/a", "it has a slash too many"),
            ("sa:n:work", "sa:n:worker", "it ends after character 9"),
            ("sa:n:worker", "sa:n:work", "it goes on after character 9"),
            ("sa:N:worker", "sa:n:worker", "they part at character 4"),
        ] {
            let told = told("subject", found, wanted);
            assert!(told.ends_with(how), "{told}");
        }
    }
}
