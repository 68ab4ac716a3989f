//! The media type that a file's first bytes show, whatever its name or its sender
//! say. A handful of types; anything else is `application/octet-stream`.
//!
//! Signatures: WHATWG, *MIME Sniffing*, section 6.

/// How many bytes are looked at.
pub(super) const HEAD: usize = 512;

const SIGNATURES: [(&[u8], &str); 8] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    // An archive without files.
    (b"PK\x05\x06", "application/zip"),
    (b"PK\x07\x08", "application/zip"),
];

/// The media type of a file that begins with these bytes, at most [`HEAD`].
pub(super) fn media_type(head: &[u8]) -> &'static str {
    let known = SIGNATURES
        .into_iter()
        .find(|(signature, _)| head.starts_with(signature));
    match known {
        Some((_, media_type)) => media_type,
        None if is_text(head) => "text/plain",
        None => "application/octet-stream",
    }
}

/// UTF-8 without control characters but those of lines. The last character may
/// be cut off, where the head is.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && head.len() == HEAD => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{c}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_first_bytes_tell_its_type() {
        for (head, media_type) in [
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"GIF89a\x01\0", "image/gif"),
            (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
            (b"PK\x03\x04\x14\0", "application/zip"),
            ("Grüße\r\n\tund mehr".as_bytes(), "text/plain"),
            (b"<svg onload=alert(1)>", "text/plain"),
            (b"", "application/octet-stream"),
            (b"\x89PNG", "application/octet-stream"),
            (b"a\0b", "application/octet-stream"),
            (b"latin-1: \xfc", "application/octet-stream"),
            (b"\x1b[31mred", "application/octet-stream"),
        ] {
            assert_eq!(super::media_type(head), media_type, "{head:?}");
        }
    }

    #[test]
    fn a_character_that_the_head_cuts_off_is_text_still() {
        let mut head = vec![b'a'; HEAD - 1];
        head.extend("ü".bytes());

        assert_eq!(media_type(&head[..HEAD]), "text/plain");
        assert_eq!(media_type(b"a\xc3"), "application/octet-stream");
    }
}
