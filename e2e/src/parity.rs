//! How the access matrix, and the scenarios, come out on each combination of planes: the local cloud's
//! own, or third-party emulators, behind the gate and bare.
//!
//! A cell that something lets through without being able to refuse it is "cannot
//! enforce". It is never green, however well it looks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::expected::Cell;

mod html;
mod junit;
mod played;
#[cfg(test)]
mod tests;

pub use played::Played;

/// What an allowed cell says, here and in `expected-access.md`.
pub const ALLOWED: &str = "allowed";

/// With what a cell was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The identity's own token, from Entra ID.
    Own,
    /// A token that names the identity and that nobody signed: every answer but a
    /// refusal is wrong.
    Forged,
}

/// What came of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// `allowed`, or the refusal.
    Answer(String),
    /// It cannot be tried there; why.
    Unsupported(String),
}

/// A cell that was tried.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The cell of the table.
    pub cell: Cell,
    /// With what.
    pub credential: Credential,
    /// What came.
    pub found: Found,
}

/// What a cell turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Let through, rightly.
    Allowed,
    /// Refused.
    Denied,
    /// Let through by something that would let anybody through.
    CannotEnforce,
    /// Not tried, because it cannot be.
    Unsupported,
}

impl Standing {
    /// Its name in every form of the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::CannotEnforce => "cannot enforce",
            Self::Unsupported => "unsupported",
        }
    }
}

/// How a cell, a combination or a report is judged; the worst of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Colour {
    /// As expected.
    Green,
    /// Not enforced, or not tried, where nothing promised it.
    Yellow,
    /// Otherwise than expected.
    Red,
}

impl Colour {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }

    fn style(self) -> Style {
        let colour = match self {
            Self::Green => AnsiColor::Green,
            Self::Yellow => AnsiColor::Yellow,
            Self::Red => AnsiColor::Red,
        };
        colour.on_default()
    }
}

impl Tried {
    /// What the cell turns out to be.
    pub fn standing(&self) -> Standing {
        match &self.found {
            Found::Unsupported(_) => Standing::Unsupported,
            Found::Answer(answer) if answer != ALLOWED => Standing::Denied,
            Found::Answer(_) if self.credential == Credential::Forged => Standing::CannotEnforce,
            Found::Answer(_) if self.cell.outcome != ALLOWED => Standing::CannotEnforce,
            Found::Answer(_) => Standing::Allowed,
        }
    }

    /// What came, as text.
    pub fn found(&self) -> &str {
        match &self.found {
            Found::Answer(text) | Found::Unsupported(text) => text,
        }
    }

    fn is_as_expected(&self) -> bool {
        match self.standing() {
            Standing::Allowed => true,
            Standing::Denied => {
                self.credential == Credential::Forged || self.found() == self.cell.outcome
            }
            Standing::CannotEnforce | Standing::Unsupported => false,
        }
    }

    /// What was expected of it, and what came.
    fn told(&self) -> String {
        let expected = match self.credential {
            Credential::Own => self.cell.outcome.as_str(),
            Credential::Forged => "any refusal of a token that nobody signed",
        };
        format!("expected {expected}, found {}", self.found())
    }

    fn name(&self) -> String {
        format!("{}: {}", self.cell.identity, self.cell.action)
    }
}

/// One combination of planes.
#[derive(Clone, Debug)]
pub struct Combination {
    /// Its name.
    pub name: String,
    /// Whether the gate stands before it: then whatever is not enforced is wrong.
    pub is_gated: bool,
    /// What was tried; or what it takes to try it.
    pub ran: Result<Vec<Tried>, String>,
    /// The scenarios of the whole workload that were played on it.
    pub scenarios: Vec<Played>,
}

impl Combination {
    /// One that is not here, and what it needs.
    pub fn not_here(name: &str, needs: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            is_gated: true,
            ran: Err(needs.into()),
            scenarios: vec![],
        }
    }

    /// What the probes of the pods found, for each cell of the table, and how the
    /// scenarios ended. A cell that nobody tried is wrong.
    pub fn gated(
        name: &str,
        expected: &[Cell],
        found: &BTreeMap<(String, String), String>,
        scenarios: Vec<Played>,
    ) -> Self {
        let tried = expected.iter().map(|cell| {
            let key = (cell.identity.clone(), cell.action.clone());
            let answer = found.get(&key).cloned();
            Tried {
                cell: cell.clone(),
                credential: Credential::Own,
                found: Found::Answer(answer.unwrap_or_else(|| "(not tried)".to_owned())),
            }
        });
        Self {
            name: name.to_owned(),
            is_gated: true,
            ran: Ok(tried.collect()),
            scenarios,
        }
    }

    /// How a cell of this combination is judged.
    pub fn judge(&self, tried: &Tried) -> Colour {
        if tried.is_as_expected() {
            return Colour::Green;
        }
        match tried.standing() {
            Standing::CannotEnforce if !self.is_gated => Colour::Yellow,
            Standing::Unsupported => Colour::Yellow,
            _ => Colour::Red,
        }
    }

    /// The worst of its cells and scenarios; nothing if it is not here. One that tried
    /// no cell is red.
    pub fn colour(&self) -> Option<Colour> {
        let tried = self.ran.as_ref().ok()?;
        let cells = tried.iter().map(|tried| self.judge(tried)).max();
        let scenarios = self.scenarios.iter().map(Played::colour).max();
        Some(
            cells
                .unwrap_or(Colour::Red)
                .max(scenarios.unwrap_or(Colour::Green)),
        )
    }

    /// How many cells turned out to be each thing.
    fn counts(&self) -> BTreeMap<Standing, usize> {
        let mut counts = BTreeMap::new();
        for tried in self.ran.iter().flatten() {
            *counts.entry(tried.standing()).or_default() += 1;
        }
        counts
    }
}

/// Every combination.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order in which they ran.
    pub combinations: Vec<Combination>,
}

impl Report {
    /// The worst of what ran. If nothing ran, nothing is shown: red.
    pub fn colour(&self) -> Colour {
        let ran = self.combinations.iter().filter_map(Combination::colour);
        ran.max().unwrap_or(Colour::Red)
    }

    /// The table for a terminal: a line for each combination, and one for each cell
    /// that is not as expected.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for combination in &self.combinations {
            told(combination, &mut text).expect("a string takes text");
        }
        let colour = self.colour();
        let style = colour.style();
        writeln!(text, "parity: {style}{}{style:#}", colour.name()).expect("a string takes text");
        text
    }

    /// A page that needs nothing else.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// `JUnit` XML: a suite for each combination.
    pub fn junit(&self) -> String {
        junit::document(self)
    }
}

fn told(combination: &Combination, text: &mut String) -> std::fmt::Result {
    let name = &combination.name;
    let tried = match &combination.ran {
        Ok(tried) => tried,
        Err(needs) => return writeln!(text, "        {name}: not here: {needs}"),
    };
    let colour = combination.colour().unwrap_or(Colour::Red);
    let style = colour.style();
    write!(text, "{style}{:<7}{style:#} {name}:", colour.name())?;
    let counts = combination.counts();
    let counts: Vec<String> = counts
        .iter()
        .map(|(standing, count)| format!("{count} {}", standing.name()))
        .collect();
    write!(text, " {} cells, {}", tried.len(), counts.join(", "))?;
    let scenarios = &combination.scenarios;
    if !scenarios.is_empty() {
        let passed = scenarios.iter().filter(|played| played.failure.is_none());
        write!(
            text,
            "; {} of {} scenarios passed",
            passed.count(),
            scenarios.len()
        )?;
    }
    writeln!(text)?;
    for tried in tried {
        let colour = combination.judge(tried);
        if colour != Colour::Green {
            let style = colour.style();
            writeln!(
                text,
                "          {style}{}{style:#} {}: {}",
                tried.standing().name(),
                tried.name(),
                tried.told(),
            )?;
        }
    }
    for played in scenarios {
        if let Some(failure) = &played.failure {
            let style = Colour::Red.style();
            let failure = failure.replace('\n', "\n            ");
            writeln!(
                text,
                "          {style}failed{style:#} {}: {failure}",
                played.name
            )?;
        }
    }
    Ok(())
}
