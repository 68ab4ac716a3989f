//! Lines for a drawing, which breaks none by itself.

/// Breaks a text into lines of so many characters, where it can after one of
/// `/ - : . ` or at a space. What does not fit into the lines ends with `…`.
pub(super) fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut rest: &[char] = &text.chars().collect::<Vec<_>>();
    let mut lines = Vec::new();
    while !rest.is_empty() && lines.len() < most {
        let end = if rest.len() <= width {
            rest.len()
        } else if lines.len() + 1 == most {
            let line: String = rest[..width - 1].iter().collect();
            lines.push(format!("{}…", line.trim_end()));
            break;
        } else {
            line_end(rest, width)
        };
        let line: String = rest[..end].iter().collect();
        lines.push(line.trim_end().to_owned());
        rest = &rest[end..];
        while rest.first() == Some(&' ') {
            rest = &rest[1..];
        }
    }
    lines
}

/// As [`wrap`], and of a path that does not fit, the end.
pub(super) fn wrap_end(path: &str, width: usize, most: usize) -> Vec<String> {
    let ends = path
        .match_indices('/')
        .map(|(at, _)| format!("…{}", &path[at..]));
    std::iter::once(path.to_owned())
        .chain(ends.skip(1))
        .map(|end| wrap(&end, width, most + 1))
        .find(|lines| lines.len() <= most)
        .unwrap_or_else(|| wrap(path, width, most))
}

/// After the last place to break that leaves the line at least half full.
fn line_end(text: &[char], width: usize) -> usize {
    let fits = &text[..width];
    if text[width] == ' ' {
        return width;
    }
    fits.iter()
        .rposition(|c| matches!(c, '/' | '-' | ':' | '.' | ' '))
        .map(|at| at + 1)
        .filter(|end| *end * 2 > width)
        .unwrap_or(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_where_it_reads_well() {
        assert_eq!(
            wrap("system:serviceaccount:todolist:frontend", 24, 3),
            ["system:serviceaccount:", "todolist:frontend"]
        );
        assert_eq!(
            wrap("Entra ID issues an access token", 18, 3),
            ["Entra ID issues an", "access token"]
        );
        assert_eq!(wrap("0123456789", 4, 9), ["0123", "4567", "89"]);
        assert_eq!(wrap("", 4, 9), [""; 0]);
    }

    #[test]
    fn what_does_not_fit_ends_with_an_ellipsis() {
        assert_eq!(wrap("0123456789", 4, 2), ["0123", "456…"]);
        assert_eq!(wrap("äöüäöüäöü", 4, 1), ["äöü…"]);
    }

    #[test]
    fn of_a_long_path_the_end_is_shown() {
        assert_eq!(
            wrap_end("/a/long/way/down/to/the/token", 12, 1),
            ["…/the/token"]
        );
        assert_eq!(wrap_end("/token", 12, 1), ["/token"]);
        assert_eq!(wrap_end("a-long-name-of-a-file", 12, 1), ["a-long-name…"]);
    }
}
