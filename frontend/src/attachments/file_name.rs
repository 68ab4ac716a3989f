//! The name of a file, as a browser sends it and as another will save it: a
//! stranger's text, on its way into a header.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest name, in characters.
const LONGEST: usize = 120;

/// What RFC 8187 lets stand unencoded (`attr-char`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A file's name that is only a name: no folder, no control or direction
/// characters, nothing that a file system reads in its own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(String);

impl FileName {
    /// Makes a name of what somebody sent. There is always one.
    pub(crate) fn sanitised(text: &str) -> Self {
        let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
        let clean: String = last
            .chars()
            .filter(|c| !is_invisible(*c))
            .map(|c| if r#"<>:"|?*"#.contains(c) { '_' } else { c })
            .collect();
        let name = clean.trim_matches(|c: char| c == '.' || c.is_whitespace());
        if name.is_empty() {
            Self("file".to_owned())
        } else {
            Self(shortened(name))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of `Content-Disposition` that makes a browser save the file
    /// under this name and never show it (RFC 6266, the name as of RFC 8187, with
    /// an ASCII one for old clients).
    pub(crate) fn disposition(&self) -> String {
        let ascii: String = self
            .0
            .chars()
            .map(|c| match c {
                '%' | '\'' => '_',
                c if c.is_ascii_graphic() || c == ' ' => c,
                _ => '_',
            })
            .collect();
        let encoded = utf8_percent_encode(&self.0, ENCODED);
        format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Controls, and the characters by which `exe.txt` can be made to look like
/// `txt.exe`.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// At most the longest, with the ending kept: it says what the file is.
fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= LONGEST {
        return name.to_owned();
    }
    let ending: String = match name.rsplit_once('.') {
        Some((_, ending)) if ending.chars().count() <= 10 => format!(".{ending}"),
        _ => String::new(),
    };
    let kept = LONGEST - ending.chars().count();
    name.chars().take(kept).chain(ending.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_invisible_characters_are_no_part_of_a_name() {
        for (sent, name) in [
            ("plan.txt", "plan.txt"),
            ("../../etc/passwd", "passwd"),
            (r"C:\Users\me\plan.txt", "plan.txt"),
            ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie_ x=1.txt"),
            ("in\u{202e}txt.exe", "intxt.exe"),
            ("\0\u{feff}", "file"),
            ("", "file"),
            ("..", "file"),
            (".htaccess", "htaccess"),
            ("a/", "file"),
            ("<b>\"x\"|?*.txt", "_b__x____.txt"),
            ("Lösung 🎉.pdf", "Lösung 🎉.pdf"),
        ] {
            assert_eq!(FileName::sanitised(sent).as_str(), name, "{sent:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let name = FileName::sanitised(&format!("{}.tar", "é".repeat(500)));

        assert_eq!(name.as_str().chars().count(), 120);
        assert!(name.as_str().ends_with("é.tar"));
    }

    #[test]
    fn a_name_cannot_end_its_header() {
        let name = FileName::sanitised("a\"; filename=evil.html\r\nX-Evil: 1\r\n\r\n<script>.txt");

        assert_eq!(
            name.disposition(),
            "attachment; filename=\"a_; filename=evil.htmlX-Evil_ 1_script_.txt\"; \
             filename*=UTF-8''a_%3B%20filename%3Devil.htmlX-Evil_%201_script_.txt"
        );
    }

    #[test]
    fn a_name_beyond_ascii_is_encoded_and_has_a_stand_in() {
        let name = FileName::sanitised("50% Lösung's.pdf");

        assert_eq!(
            name.disposition(),
            "attachment; filename=\"50_ L_sung_s.pdf\"; filename*=UTF-8''50%25%20L%C3%B6sung%27s.pdf"
        );
    }
}
