//! A value that is known, and must be nowhere but in its vault: the surest way to
//! find it is to look for it.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use regex::bytes::{Regex, RegexBuilder};

/// The shortest value that is looked for, in bytes: a shorter one is anywhere.
const SHORTEST: usize = 8;

/// A value to look for. `Debug` shows its name alone.
pub struct Canary {
    name: String,
    forms: Regex,
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Canary").field(&self.name).finish()
    }
}

impl Canary {
    /// A value by the name of its secret. It is looked for as it is, in base64, in
    /// hexadecimal digits and as a URL has it; and so are the bytes that it stands
    /// for, if it is base64 itself. Nothing for a value that is too short.
    pub fn new(name: &str, value: &str) -> Option<Self> {
        let value = value.trim();
        if value.len() < SHORTEST {
            return None;
        }
        let mut forms = vec![value.to_owned(), in_url(value)];
        let decoded = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
            .into_iter()
            .find_map(|form| form.decode(value).ok());
        for bytes in [Some(value.as_bytes().to_vec()), decoded]
            .into_iter()
            .flatten()
        {
            if bytes.len() >= SHORTEST {
                // Without the padding, which may be there or not.
                forms.extend([
                    STANDARD_NO_PAD.encode(&bytes),
                    URL_SAFE_NO_PAD.encode(&bytes),
                ]);
                forms.push(super::hexadecimal(&bytes));
            }
        }
        let escaped: Vec<_> = forms.iter().map(|form| regex::escape(form)).collect();
        // In any case of letters: hexadecimal digits have both.
        let forms = RegexBuilder::new(&escaped.join("|"))
            .unicode(false)
            .case_insensitive(true)
            .build();
        Some(Self {
            name: name.to_owned(),
            forms: forms.ok()?,
        })
    }

    pub(super) fn what(&self) -> String {
        format!("the value of the secret `{}`: [redacted]", self.name)
    }

    pub(super) fn places(&self, content: &[u8]) -> impl Iterator<Item = Range<usize>> {
        self.forms.find_iter(content).map(|found| found.range())
    }
}

fn in_url(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
