//! What people write in the fields of our forms, and how much of it. The backend
//! has the same bounds, and the last word.

/// The longest name of a list, in characters.
pub(super) const NAME_LENGTH: usize = 100;

/// The longest title of a todo, in characters.
pub(super) const TITLE_LENGTH: usize = 200;

/// The longest notes of a todo, in characters.
pub(super) const NOTES_LENGTH: usize = 2000;

/// What is not as it has to be, in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mistake {
    #[error("A name has at least one character.")]
    NoName,
    #[error("A name has at most {NAME_LENGTH} characters.")]
    LongName,
    #[error("A title has at least one character.")]
    NoTitle,
    #[error("A title has at most {TITLE_LENGTH} characters.")]
    LongTitle,
    #[error("Notes have at most {NOTES_LENGTH} characters.")]
    LongNotes,
    #[error("A day is written as 2026-12-24.")]
    NoDay,
}

/// The name of a list, without what is around it.
pub(super) fn name(written: &str) -> Result<&str, Mistake> {
    let name = written.trim();
    match name.chars().count() {
        0 => Err(Mistake::NoName),
        1..=NAME_LENGTH => Ok(name),
        _ => Err(Mistake::LongName),
    }
}

/// The title of a todo, without what is around it.
pub(super) fn title(written: &str) -> Result<&str, Mistake> {
    let title = written.trim();
    match title.chars().count() {
        0 => Err(Mistake::NoTitle),
        1..=TITLE_LENGTH => Ok(title),
        _ => Err(Mistake::LongTitle),
    }
}

/// The notes of a todo, as they are.
pub(super) fn notes(written: &str) -> Result<&str, Mistake> {
    if written.chars().count() <= NOTES_LENGTH {
        Ok(written)
    } else {
        Err(Mistake::LongNotes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_titles_and_notes_are_counted_in_characters() {
        assert_eq!(name("  Home "), Ok("Home"));
        assert_eq!(name(" \n"), Err(Mistake::NoName));
        assert!(name(&"é".repeat(100)).is_ok());
        assert_eq!(name(&"é".repeat(101)), Err(Mistake::LongName));
        assert_eq!(title(" Milk"), Ok("Milk"));
        assert_eq!(title(""), Err(Mistake::NoTitle));
        assert!(title(&"🎉".repeat(200)).is_ok());
        assert_eq!(title(&"🎉".repeat(201)), Err(Mistake::LongTitle));
        assert_eq!(notes(" as they are\n"), Ok(" as they are\n"));
        assert!(notes(&"é".repeat(2000)).is_ok());
        assert_eq!(notes(&"é".repeat(2001)), Err(Mistake::LongNotes));
    }
}
