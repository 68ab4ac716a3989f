//! What makes a create happen once, however often its form is sent.

use uuid::Uuid;

/// The key of a create: of the form that asks for it and of what the form says.
///
/// The same form with the same words is the same wish, sent twice. With other
/// words it is another wish: somebody went back and wrote something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of this form with these words in it.
    pub(crate) fn new(form: Uuid, words: &[&str]) -> Self {
        let mut name = Vec::new();
        for word in words {
            name.extend_from_slice(&word.len().to_be_bytes());
            name.extend_from_slice(word.as_bytes());
        }
        Self(Uuid::new_v5(&form, &name).to_string())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_the_same_words_has_the_same_key() {
        let (form, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let key = IdempotencyKey::new(form, &["ab", "c"]);

        assert_eq!(key, IdempotencyKey::new(form, &["ab", "c"]));
        assert_ne!(key, IdempotencyKey::new(form, &["a", "bc"]));
        assert_ne!(key, IdempotencyKey::new(form, &["ab"]));
        assert_ne!(key, IdempotencyKey::new(other, &["ab", "c"]));
    }
}
