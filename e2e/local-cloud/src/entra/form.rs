//! The form in the body of a token request (`application/x-www-form-urlencoded`).
//!
//! It knows nothing else of this crate, so that the fuzzer can take this file alone.

use std::collections::HashMap;

/// How many parameters a request may have. Ours; Azure's number is not documented.
pub(crate) const MAX_PARAMETERS: usize = 64;

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Form(HashMap<String, String>);

/// Why a form is not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FormError {
    /// It has more than [`MAX_PARAMETERS`].
    TooMany,
    /// A parameter that is sent twice has two meanings, and so none.
    Repeated(String),
}

impl Form {
    /// Reads a body. Whatever it is, it is some form: what is no UTF-8 becomes
    /// replacement characters, which match nothing.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut form = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if form.len() >= MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            if form.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(FormError::Repeated(name.chars().take(64).collect()));
            }
        }
        Ok(Self(form))
    }

    /// The value of a parameter, if it is there at all.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
#[path = "form/properties.rs"]
mod properties;
