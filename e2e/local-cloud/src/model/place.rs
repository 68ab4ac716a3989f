//! Where in a JSON text a value stands.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ModelError;

/// A line and column, both from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    /// Where `raw`, which was borrowed from `text`, begins.
    pub(super) fn of(text: &str, raw: &RawValue) -> Self {
        let offset = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: offset - line_start + 1,
        }
    }

    /// Parses the value that stands here; errors name their place in the file.
    pub(super) fn parse<'a, T: Deserialize<'a>>(self, raw: &'a RawValue) -> Result<T, ModelError> {
        serde_json::from_str(raw.get()).map_err(|error| {
            let mut inner = ModelError::from(error);
            if inner.line == 1 {
                inner.column += self.column - 1;
            }
            inner.line += self.line - 1;
            inner
        })
    }
}
