//! The five steps as a drawing, from left to right: what is handed on, how long
//! each step took and how long ago, and the three values that have to be equal in
//! steps 2 and 3. Everything in it is what the pod's own report says.
//!
//! Lengths are in the drawing's own units, about a pixel each.

mod card;
mod wrapping;

use platform::access::{AccessReport, Outcome, Step, StepOutcome};
use serde_json::Value;
use time::OffsetDateTime;

use super::clock::Clock;
use super::steps::text_of;
use crate::grants::{AccessModel, Grant};
use card::{Card, PLACES};

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
    pub(super) line: String,
    /// Follows the line.
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

const WIDTH: i32 = 1240;

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
        let mut ribbons = Vec::new();
        let mut cards: Vec<Card> = (report.steps.iter().zip(&PLACES).zip(TITLES))
            .map(|((step, place), title)| Card::new(place, title, step, now))
            .collect();
        if let ([kubernetes, presented, trusted, issued, called], [one, two, three, four, five]) =
            (&report.steps[..], &mut cards[..])
        {
            project(one, kubernetes);
            ribbons = matched(two, presented, three, trusted);
            present(two, presented);
            trust(three, trusted, &report.client_id);
            issue(four, issued);
            call(five, called, report, model);
        }
        let height = cards.iter().map(|card| card.y).max().unwrap_or_default();
        let (texts, bars): (Vec<_>, Vec<_>) = cards
            .into_iter()
            .map(|card| (card.texts, card.bars))
            .unzip();
        Self {
            width: WIDTH,
            height,
            description: description(&report.steps),
            stations: stations(&report.steps),
            arrows: arrows(&report.steps),
            ribbons,
            texts: texts.into_iter().flatten().collect(),
            bars: bars.into_iter().flatten().collect(),
        }
    }
}

/// Step 1: how long the token is good, and where it lies.
fn project(card: &mut Card, step: &Step) {
    if !card.is_done(step) {
        return;
    }
    card.lifetime(claim(step, "/iat"), claim(step, "/exp"));
    let file = value(step, "file").map(text_of).unwrap_or_default();
    card.path("token file", &file, 4);
    let pod = claim(step, "/kubernetes.io/pod/name");
    card.value("bound to the pod", pod, 2);
}

/// The three values of step 2 and beside each what step 3 made of it.
fn matched(left: &mut Card, presented: &Step, right: &mut Card, trusted: &Step) -> Vec<Ribbon> {
    let code = value(trusted, "code").map(text_of);
    let mut ribbons = Vec::new();
    for (name, label, most, refusal) in MATCHED {
        let Some(claim) = claim(presented, &format!("/{name}")) else {
            continue;
        };
        let claim = left.claim(claim, most);
        let (sign, answer) = match trusted.outcome {
            StepOutcome::Done => ("=", claim.clone()),
            _ if code.as_deref() == Some(refusal) => {
                let answer = ["no federated credential", "has this value"];
                ("≠", answer.map(str::to_owned).to_vec())
            }
            _ => ("?", vec!["Entra ID does not say".to_owned()]),
        };
        let y = left.y;
        let height = left.matched(label, claim).max(right.matched(label, answer));
        ribbons.push(Ribbon {
            name,
            y,
            height,
            sign,
        });
        left.y = y + height + 8;
        right.y = left.y;
    }
    ribbons
}

/// Step 2: as whom, and for what.
fn present(card: &mut Card, step: &Step) {
    if card.is_done(step) {
        card.value("client id", value(step, "client_id"), 2);
        card.value("asks for", value(step, "scope"), 2);
    }
}

/// Step 3: whose credential it is that matched.
fn trust(card: &mut Card, step: &Step, client_id: &str) {
    if card.is_done(step) {
        card.exactly("a federated credential of the client id", client_id, 2);
        let signature = "made by a key that the issuer publishes";
        card.words("signature", "fig-plain", signature);
    }
}

/// Step 4: how long the token is good, and for whom.
fn issue(card: &mut Card, step: &Step) {
    if card.is_done(step) {
        card.lifetime(claim(step, "/iat"), claim(step, "/exp"));
        card.value("audience", claim(step, "/aud"), 2);
        card.value("object id", claim(step, "/oid"), 3);
        card.value("tenant", claim(step, "/tid"), 3);
    }
}

/// Step 5: one call that tells the whole way, and the grant behind it.
fn call(card: &mut Card, step: &Step, report: &AccessReport, model: Option<&AccessModel>) {
    if !card.is_done(step) {
        return;
    }
    card.value("request", value(step, "request"), 3);
    match value(step, "answer").map(text_of).as_deref() {
        Some("allowed") => card.words("answer", "fig-ok", "✓ allowed"),
        Some(refusal) => card.words("answer", "fig-no", &format!("✕ {refusal}")),
        None => {}
    }
    if let Some((grant, file)) = model.and_then(|model| grant_behind(step, report, model)) {
        card.words("because of", "fig-plain", &grant.role);
        card.exactly("at", &grant.scope, 4);
        card.exactly("granted in", &format!("{file}:{}", grant.line), 1);
    }
}

/// The grant that allows the call, and the file that it is in.
fn grant_behind<'m>(
    step: &Step,
    report: &AccessReport,
    model: &'m AccessModel,
) -> Option<(&'m Grant, &'m str)> {
    let action = text_of(value(step, "action")?);
    let is_told = |cell: &&platform::access::Cell| cell.id() == action;
    let cell = report.cells.iter().find(is_told)?;
    let grants = model.covering(&report.pod, &cell.resource);
    let grant = grants.first().copied()?;
    (cell.outcome == Outcome::Allowed).then_some((grant, &model.file))
}

/// A claim of the step's token, by its path.
fn claim<'s>(step: &'s Step, path: &str) -> Option<&'s Value> {
    step.token.as_ref()?.claims.pointer(path)
}

fn value<'s>(step: &'s Step, name: &str) -> Option<&'s Value> {
    step.values
        .iter()
        .find_map(|(own, value)| (own == name).then_some(value))
}

fn stations(steps: &[Step]) -> Vec<Station> {
    let drawn = steps.iter().zip(&PLACES).zip(SIGNS);
    drawn
        .map(|((step, place), sign)| Station {
            number: step.number,
            state: state(step.outcome),
            x: place.x,
            width: place.width,
            center: place.center(),
            sign,
        })
        .collect()
}

fn arrows(steps: &[Step]) -> Vec<Arrow> {
    let of = |(index, carries): (usize, &'static str)| {
        let (from, to) = (PLACES[index].center() + 30, PLACES[index + 1].center() - 34);
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
mod colours;

#[cfg(test)]
mod tests;
