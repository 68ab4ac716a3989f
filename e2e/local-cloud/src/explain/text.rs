//! The one text of an explanation: lines of pieces, each with a tone. A terminal
//! colours the tones; everywhere else they are left out.

use std::fmt;

use super::differences::{columns_before, visible};
use super::{Difference, Explanation, Fix, STEPS};

/// What a piece of text is, for whoever gives it a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Plain.
    Plain,
    /// What it is about.
    Heading,
    /// What was presented.
    Presented,
    /// What is trusted, granted or expected.
    Trusted,
    /// Where the two part.
    Mark,
    /// A place in a file.
    Place,
    /// A command.
    Command,
}

/// A line of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(pub Vec<(Tone, String)>);

impl Line {
    /// A line of one piece.
    pub fn of(tone: Tone, text: impl Into<String>) -> Self {
        Self(vec![(tone, text.into())])
    }

    /// The line with a piece more.
    #[must_use]
    pub fn and(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.0.push((tone, text.into()));
        self
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(_, text)| f.write_str(text))
    }
}

impl Explanation {
    /// The text, line by line.
    pub fn lines(&self) -> Vec<Line> {
        let step = usize::from(self.step);
        let name = STEPS.get(step.wrapping_sub(1)).copied();
        let mut lines = vec![
            Line::of(Tone::Heading, visible(&self.code)).and(
                Tone::Plain,
                format!("  step {step} of 5: {}", name.unwrap_or("unknown")),
            ),
            Line::of(Tone::Plain, format!("  {}", visible(&self.summary))),
        ];
        lines.extend(comparison(&self.differences, &self.same));
        for (heading, texts) in [
            ("usual causes", &self.causes),
            ("how to see which", &self.checks),
        ] {
            if texts.is_empty() {
                continue;
            }
            lines.push(Line::of(Tone::Heading, format!("  {heading}")));
            let bullets = texts.iter().map(|text| format!("  - {}", visible(text)));
            lines.extend(bullets.map(|text| Line::of(Tone::Plain, text)));
        }
        if !self.fixes.is_empty() {
            lines.push(Line::of(Tone::Heading, "  to mend it"));
        }
        lines.extend(self.fixes.iter().flat_map(Fix::lines));
        lines
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.lines().iter().map(Line::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// The fields, one by one: what differs, and what does not.
pub(super) fn comparison(differences: &[Difference], same: &[String]) -> Vec<Line> {
    let mut lines = Vec::new();
    for difference in differences {
        lines.extend(difference.lines());
    }
    if !same.is_empty() {
        let text = format!("  the same: {}", same.join(", "));
        lines.push(Line::of(Tone::Plain, text));
    }
    lines
}

impl Difference {
    fn lines(&self) -> Vec<Line> {
        let side = |label: &str, tone: Tone, text: &Option<String>| {
            let shown = text.as_deref().map_or("(nothing)".to_owned(), visible);
            Line::of(Tone::Plain, format!("    {label:<11}")).and(tone, shown)
        };
        let mut lines = vec![
            Line::of(Tone::Heading, format!("  {}", self.field)),
            side("presented", Tone::Presented, &self.presented),
            side(self.against.word(), Tone::Trusted, &self.trusted),
        ];
        let words = match (&self.parting, &self.presented) {
            (Some(parting), Some(presented)) => {
                let indent = " ".repeat(15 + columns_before(presented, parting.position));
                lines.push(Line::of(Tone::Plain, indent).and(Tone::Mark, "^"));
                format!("at character {}: {}", parting.position, self.words)
            }
            _ => self.words.clone(),
        };
        lines.push(Line::of(Tone::Plain, "    ").and(Tone::Mark, visible(&words)));
        lines
    }
}

impl Fix {
    fn lines(&self) -> Vec<Line> {
        let mut first = Line::of(Tone::Plain, format!("  - {}", visible(&self.what)));
        if let Some(file) = &self.file {
            let place = match self.line {
                Some(line) => format!("{file}:{line}"),
                None => file.clone(),
            };
            first = first
                .and(Tone::Plain, "  ")
                .and(Tone::Place, visible(&place));
        }
        let mut lines = vec![first];
        if let Some(az) = &self.az {
            lines.push(Line::of(Tone::Command, format!("    {az}")));
        }
        lines
    }
}
