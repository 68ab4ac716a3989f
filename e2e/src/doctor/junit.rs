//! The six lines as `JUnit` XML, for pipelines.

use std::fmt::Write as _;

use super::{Line, State};

/// The whole document.
pub fn document(lines: &[Line]) -> String {
    let count = |state| lines.iter().filter(|line| line.state == state).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"doctor\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
        lines.len(),
        count(State::Failed),
        count(State::NotChecked)
    );
    for line in lines {
        let inner = match line.state {
            State::Met => format!("<system-out>{}</system-out>", escaped(&line.found)),
            State::NotChecked => "<skipped/>".to_owned(),
            State::Failed => {
                let told: Vec<_> = line
                    .problems
                    .iter()
                    .map(|p| format!("{}\nfrom: {}\nfix: {}", p.what, p.from, p.fix))
                    .collect();
                let first = line.problems.first().map(|p| p.what.as_str());
                format!(
                    "<failure message=\"{}\">{}</failure>",
                    escaped(first.unwrap_or_default()),
                    escaped(&told.join("\n\n"))
                )
            }
        };
        let name = escaped(line.title);
        writeln!(
            xml,
            "  <testcase classname=\"doctor\" name=\"{} {name}\">{inner}</testcase>",
            line.number
        )
        .expect("a string takes text");
    }
    xml.push_str("</testsuite>\n");
    xml
}

pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML has no others below a space.
            '\t' | '\n' => safe.push(character),
            other if other.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::Problem;
    use super::*;

    fn line(number: u8, state: State, problems: Vec<Problem>) -> Line {
        Line {
            number,
            title: "identity",
            state,
            found: "a < b".to_owned(),
            from: String::new(),
            problems,
        }
    }

    #[test]
    fn each_line_is_a_test_case_and_texts_are_escaped() {
        let problem = Problem {
            what: "`a` & \"b\"\u{1b}".to_owned(),
            from: "x".to_owned(),
            fix: "y".to_owned(),
        };
        let xml = document(&[
            line(1, State::Met, vec![]),
            line(2, State::Failed, vec![problem]),
            line(3, State::NotChecked, vec![]),
        ]);

        for part in [
            "tests=\"3\" failures=\"1\" skipped=\"1\"",
            "name=\"1 identity\"><system-out>a &lt; b</system-out>",
            "<failure message=\"`a` &amp; &quot;b&quot;\u{fffd}\">",
            "name=\"3 identity\"><skipped/>",
        ] {
            assert!(xml.contains(part), "{part}\n{xml}");
        }
    }
}
