//! The five steps as a drawing, from left to right: what is handed on, how long
//! each step took and how long ago, and the three values that have to be equal in
//! steps 2 and 3. Everything in it is what the pod's own report says.
//!
//! Lengths are in the drawing's own units, about a pixel each.

mod wrapping;

use platform::access::{AccessReport, Step, StepOutcome};
use serde_json::Value;
use time::OffsetDateTime;

use super::super::words::Milliseconds;
use super::clock::Clock;
use super::steps::text_of;
use crate::grants::AccessModel;
use wrapping::{wrap, wrap_end};

/// What is drawn; the template gives each part its form.
pub(super) struct Figure {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) description: String,
    pub(super) stations: Vec<Station>,
    pub(super) arrows: Vec<Arrow>,
    pub(super) ribbons: Vec<Ribbon>,
    pub(super) texts: Vec<Text>,
    pub(super) bars: Vec<Bar>,
}

/// A step: its sign on the line above and its card below.
pub(super) struct Station {
    pub(super) number: u8,
    /// `done`, `failed` or `not-reached`.
    pub(super) state: &'static str,
    pub(super) x: i32,
    pub(super) width: i32,
    pub(super) center: i32,
    /// The sign's lines, on 24 by 24.
    pub(super) sign: &'static str,
}

/// From one step to the next.
pub(super) struct Arrow {
    pub(super) from: i32,
    pub(super) to: i32,
    pub(super) middle: i32,
    /// What is handed on.
    pub(super) carries: &'static str,
    pub(super) is_reached: bool,
}

/// One of the three values, across the cards of steps 2 and 3.
pub(super) struct Ribbon {
    /// `iss`, `sub` or `aud`.
    pub(super) name: &'static str,
    pub(super) y: i32,
    pub(super) height: i32,
    /// `=`, `≠`, or `?` when nobody says.
    pub(super) sign: &'static str,
}

/// A line of text.
pub(super) struct Text {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) class: &'static str,
    pub(super) text: String,
    /// Follows the text.
    pub(super) clock: Option<Clock>,
}

/// What is left of a token's life, as a bar.
pub(super) struct Bar {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) left: i64,
    pub(super) from: i64,
    pub(super) until: i64,
}

/// A card's place, and how many characters fit into its lines.
struct Place {
    x: i32,
    width: i32,
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

const PLACES: [Place; 5] = [
    place(0, 212, 20, 24, 26),
    place(240, 272, 24, 33, 34),
    place(548, 272, 24, 33, 34),
    place(848, 188, 18, 21, 22),
    place(1064, 176, 16, 19, 21),
];
const WIDTH: i32 = 1240;

const TITLE_Y: i32 = 103;
const STATUS_Y: i32 = 145;
const VALUES_Y: i32 = 168;
const LINE: i32 = 16;
const PADDING: i32 = 14;

/// What a step is called here; its whole title is beside its values.
const TITLES: [&str; 5] = [
    "Kubernetes issues a token to the pod",
    "The pod presents it to Entra ID",
    "Entra ID checks the trust",
    "Entra ID issues an access token",
    "The resource checks the role",
];

/// What is handed on after each step but the last.
const CARRIES: [&str; 4] = ["token file", "client assertion", "trusted", "access token"];

const SIGNS: [&str; 5] = [
    // A document.
    "M7 3h7l4 4v14H7zM14 3v4h4M10 12h5M10 16h5",
    // A paper plane.
    "M3 11.5 21 4l-5.5 16-4-6.5zM11.5 13.5 21 4",
    // A balance.
    "M12 4v16M8 20h8M5 7.5h14M5 7.5 2.5 14h5zM19 7.5 16.5 14h5z",
    // A key.
    "M8 16a4 4 0 1 1 3.6-5.8H21v3.3h-2.6v2.6h-3.2v-2.6h-3.4A4 4 0 0 1 8 16zM8 12h.01",
    // A shield.
    "M12 3l7 2.8v5.4c0 4.6-2.9 8-7 9.8-4.1-1.8-7-5.2-7-9.8V5.8zM8.7 12l2.4 2.4 4.3-4.8",
];

/// The three values, and Entra's code when one of them is not trusted (Microsoft
/// Learn, *Microsoft Entra authentication and authorization error codes*).
const MATCHED: [(&str, &str, usize, &str); 3] = [
    ("iss", "issuer", 4, "AADSTS700211"),
    ("sub", "subject", 3, "AADSTS700213"),
    ("aud", "audience", 2, "AADSTS700212"),
];

impl Figure {
    pub(super) fn new(
        report: &AccessReport,
        model: Option<&AccessModel>,
        now: OffsetDateTime,
    ) -> Self {
        let mut sheet = Sheet {
            now,
            deepest: VALUES_Y,
            texts: Vec::new(),
            bars: Vec::new(),
            ribbons: Vec::new(),
        };
        for (index, step) in report.steps.iter().take(5).enumerate() {
            sheet.head(index, step);
        }
        if let [kubernetes, presented, trusted, issued, called] = &report.steps[..] {
            sheet.project(kubernetes);
            let below = sheet.matched(presented, trusted);
            sheet.present(presented, below);
            sheet.trust(trusted, below, &report.client_id);
            sheet.issue(issued);
            sheet.call(called, report, model);
        }
        Self {
            width: WIDTH,
            height: sheet.deepest + PADDING,
            description: description(&report.steps),
            stations: stations(&report.steps),
            arrows: arrows(&report.steps),
            ribbons: sheet.ribbons,
            texts: sheet.texts,
            bars: sheet.bars,
        }
    }
}

/// A drawing that is being made.
struct Sheet {
    now: OffsetDateTime,
    /// Where the lowest text stands.
    deepest: i32,
    texts: Vec<Text>,
    bars: Vec<Bar>,
    ribbons: Vec<Ribbon>,
}

impl Sheet {
    fn head(&mut self, index: usize, step: &Step) {
        let place = &PLACES[index];
        for (y, line) in (TITLE_Y..)
            .step_by(20)
            .zip(wrap(TITLES[index], place.title, 2))
        {
            self.text(index, y, "fig-title", line);
        }
        let (class, told) = match step.outcome {
            StepOutcome::Done => ("fig-ok", "✓ "),
            StepOutcome::Failed => ("fig-no", "✕ failed "),
            StepOutcome::NotReached => ("fig-quiet", "not reached"),
        };
        let mut told = told.to_owned();
        if step.outcome != StepOutcome::NotReached {
            match step.duration_ms {
                Some(duration) => told += &format!("{} · ", Milliseconds(duration)),
                // Entra ID does both before it answers.
                None if step.number == 3 || step.number == 4 => told += "within step 2 · ",
                None => {}
            }
        }
        let reached = step.at.filter(|_| step.outcome != StepOutcome::NotReached);
        self.text(index, STATUS_Y, class, told);
        self.clock_behind(reached.map(|at| Clock::since(at, self.now)));
    }

    /// Step 1: the file, and how long its token is good.
    fn project(&mut self, step: &Step) {
        let Some(y) = self.unless_failed(0, step, VALUES_Y) else {
            return;
        };
        let token = step.token.as_ref();
        let claim = |name: &str| token.and_then(|token| token.claims.get(name));
        let y = self.lifetime(0, y, claim("iat"), claim("exp"));
        let file = value(step, "file").map(text_of).unwrap_or_default();
        let y = self.lines(0, y, "token file", wrap_end(&file, PLACES[0].mono, 4));
        let pod = token.and_then(|token| token.claims.pointer("/kubernetes.io/pod/name"));
        self.value(0, y, "bound to the pod", pod, 2);
    }

    /// What steps 2 and 3 have in common; returns where it ends.
    fn matched(&mut self, presented: &Step, trusted: &Step) -> i32 {
        let mut y = VALUES_Y;
        let Some(token) = &presented.token else {
            return y;
        };
        let code = value(trusted, "code").map(text_of);
        for (name, label, most, refusal) in MATCHED {
            let Some(claim) = token.claims.get(name) else {
                continue;
            };
            let claim = wrap(&text_of(claim), PLACES[1].mono, most);
            let (sign, answer) = match trusted.outcome {
                StepOutcome::Done => ("=", claim.clone()),
                _ if code.as_deref() == Some(refusal) => (
                    "≠",
                    vec![
                        "no federated credential".to_owned(),
                        "has this value".to_owned(),
                    ],
                ),
                _ => ("?", vec!["Entra ID does not say".to_owned()]),
            };
            let lines = claim.len().max(answer.len());
            let height = 28 + LINE * i32::try_from(lines).unwrap_or_default();
            for (index, (label, lines)) in [(label, claim), (label, answer)].into_iter().enumerate()
            {
                self.text(1 + index, y + 18, "fig-match", label);
                for (y, line) in (y + 35..).step_by(16).zip(lines) {
                    self.text(1 + index, y, "fig-mono", line);
                }
            }
            self.ribbons.push(Ribbon {
                name,
                y,
                height,
                sign,
            });
            y += height + 8;
        }
        y
    }

    /// Step 2: as whom, and for what.
    fn present(&mut self, step: &Step, y: i32) {
        let Some(y) = self.unless_failed(1, step, y) else {
            return;
        };
        let y = self.value(1, y, "client id", value(step, "client_id"), 2);
        self.value(1, y, "asks for", value(step, "scope"), 2);
    }

    /// Step 3: whose credential it is that matched.
    fn trust(&mut self, step: &Step, y: i32, client_id: &str) {
        let Some(y) = self.unless_failed(2, step, y) else {
            return;
        };
        let credential = wrap(client_id, PLACES[2].mono, 2);
        let y = self.lines(2, y, "a federated credential of the client id", credential);
        let signature = wrap("made by a key that the issuer publishes", PLACES[2].sans, 2);
        self.label(2, y, "signature");
        self.sans(2, y + LINE, "fig-plain", signature);
    }

    /// Step 4: for whom, and how long it is good.
    fn issue(&mut self, step: &Step) {
        let Some(y) = self.unless_failed(3, step, VALUES_Y) else {
            return;
        };
        let token = step.token.as_ref();
        let claim = |name: &str| token.and_then(|token| token.claims.get(name));
        let y = self.lifetime(3, y, claim("iat"), claim("exp"));
        let y = self.value(3, y, "audience", claim("aud"), 2);
        let y = self.value(3, y, "object id", claim("oid"), 3);
        self.value(3, y, "tenant", claim("tid"), 3);
    }

    /// Step 5: one call that tells the whole way, and the grant behind it.
    fn call(&mut self, step: &Step, report: &AccessReport, model: Option<&AccessModel>) {
        let Some(y) = self.unless_failed(4, step, VALUES_Y) else {
            return;
        };
        let y = self.value(4, y, "request", value(step, "request"), 3);
        let answer = value(step, "answer").map(text_of).unwrap_or_default();
        let (class, answer) = match answer.as_str() {
            "allowed" => ("fig-ok", "✓ allowed".to_owned()),
            refusal => ("fig-no", format!("✕ {refusal}")),
        };
        self.label(4, y, "answer");
        let y = self.sans(4, y + LINE, class, wrap(&answer, PLACES[4].sans, 2));
        let action = value(step, "action").map(text_of);
        let cell = report.cells.iter().find(|cell| Some(cell.id()) == action);
        let grant = cell
            .zip(model)
            .filter(|(cell, _)| cell.outcome.text() == "allowed")
            .and_then(|(cell, model)| {
                let grants = model.covering(&report.pod, &cell.resource);
                Some((grants.first().copied()?, &model.file))
            });
        if let Some((grant, file)) = grant {
            self.label(4, y, "because of");
            let y = self.sans(
                4,
                y + LINE,
                "fig-plain",
                wrap(&grant.role, PLACES[4].sans, 3),
            );
            let scope = wrap(&grant.scope, PLACES[4].mono, 4);
            let y = self.lines(4, y, "at", scope);
            self.lines(4, y, "granted in", vec![format!("{file}:{}", grant.line)]);
        }
    }

    /// The words of a step that was not done stand in place of its values.
    fn unless_failed(&mut self, index: usize, step: &Step, y: i32) -> Option<i32> {
        let class = match step.outcome {
            StepOutcome::Done => return Some(y + 14),
            StepOutcome::Failed => "fig-failure",
            StepOutcome::NotReached => "fig-quiet",
        };
        self.sans(
            index,
            y + 14,
            class,
            wrap(&step.summary, PLACES[index].sans, 12),
        );
        None
    }

    fn lifetime(
        &mut self,
        index: usize,
        y: i32,
        from: Option<&Value>,
        until: Option<&Value>,
    ) -> i32 {
        let Some(until) = until.and_then(Value::as_i64) else {
            return y;
        };
        let Ok(expires) = OffsetDateTime::from_unix_timestamp(until) else {
            return y;
        };
        let (x, width) = (PLACES[index].x + PADDING, PLACES[index].width - 2 * PADDING);
        self.label(index, y, "expires in");
        self.text(index, y + 24, "fig-clock", "");
        self.clock_behind(Some(Clock::until(expires, self.now)));
        let from = from.and_then(Value::as_i64).unwrap_or(until);
        let life = (until - from).max(1);
        let left = (until - self.now.unix_timestamp()).clamp(0, life);
        self.bars.push(Bar {
            x,
            y: y + 34,
            width,
            left: i64::from(width) * left / life,
            from,
            until,
        });
        y + 64
    }

    /// A value in lines of its own; nothing when there is none.
    fn value(
        &mut self,
        index: usize,
        y: i32,
        label: &str,
        value: Option<&Value>,
        most: usize,
    ) -> i32 {
        match value {
            Some(value) => {
                let lines = wrap(&text_of(value), PLACES[index].mono, most);
                self.lines(index, y, label, lines)
            }
            None => y,
        }
    }

    fn lines(&mut self, index: usize, mut y: i32, label: &str, lines: Vec<String>) -> i32 {
        self.label(index, y, label);
        for line in lines {
            y += LINE;
            self.text(index, y, "fig-mono", line);
        }
        y + 26
    }

    fn sans(&mut self, index: usize, mut y: i32, class: &'static str, lines: Vec<String>) -> i32 {
        for line in lines {
            self.text(index, y, class, line);
            y += LINE;
        }
        y + 10
    }

    fn label(&mut self, index: usize, y: i32, label: &str) {
        self.text(index, y, "fig-label", label);
    }

    fn text(&mut self, index: usize, y: i32, class: &'static str, text: impl Into<String>) {
        self.deepest = self.deepest.max(y);
        self.texts.push(Text {
            x: PLACES[index].x + PADDING,
            y,
            class,
            text: text.into(),
            clock: None,
        });
    }

    /// Sets a clock behind the text that was written last.
    fn clock_behind(&mut self, clock: Option<Clock>) {
        if let Some(text) = self.texts.last_mut() {
            text.clock = clock;
        }
    }
}

fn value<'s>(step: &'s Step, name: &str) -> Option<&'s Value> {
    step.values
        .iter()
        .find_map(|(own, value)| (own == name).then_some(value))
}

fn stations(steps: &[Step]) -> Vec<Station> {
    let of = |((step, place), sign): ((&Step, &Place), &'static str)| Station {
        number: step.number,
        state: state(step.outcome),
        x: place.x,
        width: place.width,
        center: center(place),
        sign,
    };
    steps.iter().zip(&PLACES).zip(SIGNS).map(of).collect()
}

fn arrows(steps: &[Step]) -> Vec<Arrow> {
    let of = |(index, carries): (usize, &'static str)| {
        let (from, to) = (center(&PLACES[index]) + 30, center(&PLACES[index + 1]) - 34);
        Arrow {
            from,
            to,
            middle: i32::midpoint(from, to),
            carries,
            is_reached: steps
                .get(index)
                .is_some_and(|step| step.outcome == StepOutcome::Done),
        }
    };
    CARRIES.into_iter().enumerate().map(of).collect()
}

fn center(place: &Place) -> i32 {
    place.x + place.width / 2
}

pub(super) fn state(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Done => "done",
        StepOutcome::Failed => "failed",
        StepOutcome::NotReached => "not-reached",
    }
}

/// The drawing in words.
fn description(steps: &[Step]) -> String {
    let sentence = |step: &Step| {
        let state = state(step.outcome).replace('-', " ");
        format!(
            "Step {}, {state}: {}: {}.",
            step.number, step.title, step.summary
        )
    };
    steps.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::tests::model;
    use crate::testing::access_report;
    use serde_json::json;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 14:00:30 UTC);

    fn drawn(report: &AccessReport) -> Figure {
        Figure::new(report, Some(&model()), NOW)
    }

    /// A report of an exchange that Entra ID refused.
    fn refused(code: &str) -> AccessReport {
        let mut report = access_report("frontend");
        let said = format!("{code}: No matching federated identity record found");
        report.steps[2].outcome = StepOutcome::Failed;
        report.steps[2].summary = said;
        report.steps[2]
            .values
            .push(("code".to_owned(), json!(code)));
        for step in &mut report.steps[3..] {
            step.outcome = StepOutcome::NotReached;
            step.summary = "nothing yet".to_owned();
        }
        report
    }

    fn signs(figure: &Figure) -> Vec<(&str, &str)> {
        let of = |ribbon: &Ribbon| (ribbon.name, ribbon.sign);
        figure.ribbons.iter().map(of).collect()
    }

    fn has(figure: &Figure, text: &str) -> bool {
        figure.texts.iter().any(|own| own.text == text)
    }

    #[test]
    fn the_three_values_of_steps_2_and_3_are_joined_as_equal() {
        let figure = drawn(&access_report("frontend"));

        assert_eq!(signs(&figure), [("iss", "="), ("sub", "="), ("aud", "=")]);
        let audience = "api://AzureADTokenExchange";
        assert_eq!(
            figure.texts.iter().filter(|t| t.text == audience).count(),
            2
        );
        assert!(figure.arrows.iter().all(|arrow| arrow.is_reached));
    }

    #[test]
    fn the_value_that_entra_id_does_not_trust_is_marked() {
        for (code, expected) in [
            ("AADSTS700211", ["≠", "?", "?"]),
            ("AADSTS700212", ["?", "?", "≠"]),
            ("AADSTS700213", ["?", "≠", "?"]),
            ("AADSTS700016", ["?", "?", "?"]),
        ] {
            let figure = drawn(&refused(code));

            let signs = signs(&figure);
            assert_eq!(
                signs.iter().map(|(_, sign)| *sign).collect::<Vec<_>>(),
                expected
            );
        }
    }

    #[test]
    fn a_refused_exchange_ends_the_way_with_entras_words() {
        let figure = drawn(&refused("AADSTS700213"));

        let reached: Vec<bool> = figure.arrows.iter().map(|arrow| arrow.is_reached).collect();
        assert_eq!(reached, [true, true, false, false]);
        assert!(has(&figure, "AADSTS700213: No matching"));
        assert!(!has(&figure, "granted in"));
        let not_reached = figure.texts.iter().find(|t| t.text == "not reached");
        assert_eq!(not_reached.expect("step 4").clock, None);
        assert!(
            figure.description.contains("Step 3, failed: "),
            "{}",
            figure.description
        );
    }

    #[test]
    fn each_step_says_how_long_it_took_and_how_long_ago() {
        let figure = drawn(&access_report("frontend"));

        let told: Vec<String> = figure
            .texts
            .iter()
            .filter(|text| text.y == STATUS_Y)
            .map(|text| {
                let clock = text.clock.expect("a clock");
                format!("{}{clock}", text.text)
            })
            .collect();
        assert_eq!(
            told,
            [
                "✓ under 1 ms · 30 s ago",
                "✓ 18 ms · 30 s ago",
                "✓ within step 2 · 30 s ago",
                "✓ within step 2 · 30 s ago",
                "✓ 9 ms · 30 s ago",
            ]
        );
    }

    #[test]
    fn the_grant_behind_the_call_is_named_with_its_line() {
        let figure = drawn(&access_report("frontend"));

        assert!(has(&figure, "access.json:42"));
    }

    #[test]
    fn a_token_that_is_over_has_nothing_left() {
        let late = datetime!(2027-01-01 0:00 UTC);

        let figure = Figure::new(&access_report("frontend"), None, late);

        assert!(figure.bars.iter().all(|bar| bar.left == 0));
        assert_eq!(figure.bars.len(), 2);
    }

    #[test]
    fn nothing_stands_outside_of_the_drawing() {
        for report in [access_report("frontend"), refused("AADSTS700213")] {
            let figure = drawn(&report);

            for text in &figure.texts {
                assert!(
                    text.y < figure.height && text.x < figure.width,
                    "{}",
                    text.text
                );
            }
        }
    }

    #[test]
    fn a_pod_that_has_asked_for_nothing_yet_is_drawn_too() {
        let mut report = access_report("frontend");
        for step in &mut report.steps {
            step.outcome = StepOutcome::NotReached;
            step.token = None;
            step.at = None;
            step.values.clear();
        }
        report.cells.clear();

        let figure = drawn(&report);

        assert!(figure.ribbons.is_empty());
        assert!(has(&figure, "not reached"));
    }
}
