//! A step's card, filled from top to bottom.

use platform::access::{Step, StepOutcome};
use serde_json::Value;
use time::OffsetDateTime;

use super::super::super::words::Milliseconds;
use super::super::clock::Clock;
use super::super::steps::text_of;
use super::wrapping::{wrap, wrap_end};
use super::{Bar, Text};

const TITLE_Y: i32 = 103;
const STATUS_Y: i32 = 144;
const AGE_Y: i32 = 161;
const VALUES_Y: i32 = 182;
const LINE: i32 = 16;
const PADDING: i32 = 14;

/// Where a card is, and how many characters fit into its lines.
pub(super) struct Place {
    pub(super) x: i32,
    pub(super) width: i32,
    title: usize,
    mono: usize,
    sans: usize,
}

const fn place(x: i32, width: i32, title: usize, mono: usize, sans: usize) -> Place {
    Place {
        x,
        width,
        title,
        mono,
        sans,
    }
}

/// The cards of the five steps.
pub(super) const PLACES: [Place; 5] = [
    place(0, 212, 20, 24, 26),
    place(240, 272, 24, 33, 32),
    place(548, 272, 24, 33, 32),
    place(848, 188, 18, 21, 22),
    place(1064, 176, 16, 19, 21),
];

impl Place {
    pub(super) fn center(&self) -> i32 {
        self.x + self.width / 2
    }
}

/// A card that is being filled.
pub(super) struct Card {
    place: &'static Place,
    now: OffsetDateTime,
    /// Where the next text stands.
    pub(super) y: i32,
    pub(super) texts: Vec<Text>,
    pub(super) bars: Vec<Bar>,
}

impl Card {
    /// A card with its title, how long its step took and, on a line of its own
    /// because it grows, how long ago.
    pub(super) fn new(
        place: &'static Place,
        title: &str,
        step: &Step,
        now: OffsetDateTime,
    ) -> Self {
        let mut card = Self {
            place,
            now,
            y: TITLE_Y,
            texts: Vec::new(),
            bars: Vec::new(),
        };
        for line in wrap(title, place.title, 2) {
            card.text("fig-title", line);
            card.y += 20;
        }
        card.y = STATUS_Y;
        let (class, told) = match step.outcome {
            StepOutcome::Done => ("fig-ok", format!("✓ {}", took(step))),
            StepOutcome::Failed => ("fig-no", format!("✕ failed {}", failed(step))),
            StepOutcome::NotReached => ("fig-quiet", "not reached".to_owned()),
        };
        card.text(class, told.trim_end());
        if step.outcome != StepOutcome::NotReached
            && let Some(at) = step.at
        {
            card.y = AGE_Y;
            card.text("fig-age", "");
            card.clock_behind(Clock::since(at, now));
        }
        card.y = VALUES_Y;
        card
    }

    /// Whether the step was done. If not, its words stand in place of its values.
    pub(super) fn is_done(&mut self, step: &Step) -> bool {
        self.y += 14;
        let class = match step.outcome {
            StepOutcome::Done => return true,
            StepOutcome::Failed => "fig-failure",
            StepOutcome::NotReached => "fig-quiet",
        };
        self.lines(class, wrap(in_short(&step.summary), self.place.sans, 12));
        false
    }

    /// A value by its name; nothing when there is none.
    pub(super) fn value(&mut self, label: &str, value: Option<&Value>, most: usize) {
        if let Some(value) = value {
            self.exactly(label, &text_of(value), most);
        }
    }

    /// What is read letter by letter.
    pub(super) fn exactly(&mut self, label: &str, text: &str, most: usize) {
        let lines = wrap(text, self.place.mono, most);
        self.labelled(label, "fig-mono", lines);
    }

    /// A path, by its end.
    pub(super) fn path(&mut self, label: &str, path: &str, most: usize) {
        let lines = wrap_end(path, self.place.mono, most);
        self.labelled(label, "fig-mono", lines);
    }

    /// What is read as words.
    pub(super) fn words(&mut self, label: &str, class: &'static str, text: &str) {
        let lines = wrap(text, self.place.sans, 3);
        self.labelled(label, class, lines);
    }

    /// When a token expires, in words and as a bar. The times are claims.
    pub(super) fn lifetime(&mut self, from: Option<&Value>, until: Option<&Value>) {
        let Some(until) = until.and_then(Value::as_i64) else {
            return;
        };
        let Ok(expires) = OffsetDateTime::from_unix_timestamp(until) else {
            return;
        };
        self.text("fig-label", "expires in");
        self.y += 24;
        self.text("fig-clock", "");
        self.clock_behind(Clock::until(expires, self.now));
        let from = from.and_then(Value::as_i64).unwrap_or(until);
        let life = until.saturating_sub(from).max(1);
        let left = (until - self.now.unix_timestamp()).clamp(0, life);
        let width = self.place.width - 2 * PADDING;
        self.bars.push(Bar {
            x: self.place.x + PADDING,
            y: self.y + 10,
            width,
            left: i64::from(width).saturating_mul(left) / life,
            from,
            until,
        });
        self.y += 40;
    }

    /// The lines of one of the values that have to match.
    pub(super) fn claim(&self, claim: &Value, most: usize) -> Vec<String> {
        wrap(&text_of(claim), self.place.mono, most)
    }

    /// One of the values that have to match; returns how high it is.
    pub(super) fn matched(&mut self, label: &str, lines: Vec<String>) -> i32 {
        let top = self.y;
        self.y += 18;
        self.text("fig-match", label);
        self.y += LINE + 1;
        self.lines("fig-mono", lines);
        self.y - top - 7
    }

    fn labelled(&mut self, label: &str, class: &'static str, lines: Vec<String>) {
        self.text("fig-label", label);
        self.y += LINE;
        self.lines(class, lines);
        self.y += 10;
    }

    fn lines(&mut self, class: &'static str, lines: Vec<String>) {
        for line in lines {
            self.text(class, line);
            self.y += LINE;
        }
    }

    fn text(&mut self, class: &'static str, line: impl Into<String>) {
        self.texts.push(Text {
            x: self.place.x + PADDING,
            y: self.y,
            class,
            line: line.into(),
            clock: None,
        });
    }

    /// Sets a clock behind the text that was written last.
    fn clock_behind(&mut self, clock: Clock) {
        if let Some(text) = self.texts.last_mut() {
            text.clock = Some(clock);
        }
    }
}

/// What Entra ID said, without the ids that follow: they are with the step's words.
fn in_short(summary: &str) -> &str {
    summary.split(" Trace ID: ").next().unwrap_or(summary)
}

/// How long a step took.
fn took(step: &Step) -> String {
    match step.duration_ms {
        Some(duration) => Milliseconds(duration).to_string(),
        // Entra ID does steps 3 and 4 before it answers.
        None if matches!(step.number, 3 | 4) => "in step 2".to_owned(),
        None => "done".to_owned(),
    }
}

/// After how long a step failed.
fn failed(step: &Step) -> String {
    match step.duration_ms {
        Some(duration) => format!("after {}", Milliseconds(duration)),
        None if matches!(step.number, 3 | 4) => "in step 2".to_owned(),
        None => String::new(),
    }
}
