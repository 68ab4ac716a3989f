//! The five steps as they went, in the form in which the console and the command
//! line show them. No token is in it, and no signature.

use serde::{Deserialize, Serialize};

use super::Mistake;
use crate::explain::Explanation;

/// The five steps of one identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chain {
    /// The identity.
    pub identity: String,
    /// The service account that acts for it.
    pub subject: String,
    /// The mistake that is made at the moment, if one is.
    pub mistake: Option<Mistake>,
    /// The identity that it is made at.
    pub mistaken: Option<String>,
    /// The steps, all five.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its number, from 1.
    pub number: u8,
    /// What happens.
    pub title: String,
    /// How it went.
    pub state: StepState,
    /// The values that it is about, each with its name.
    pub values: Vec<(String, String)>,
    /// How long it took, in milliseconds, where that is seen from here.
    pub milliseconds: Option<f64>,
    /// Why it failed.
    pub explanation: Option<Explanation>,
    /// That as text, as everywhere else.
    pub text: Option<String>,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// It did what it should.
    Done,
    /// It was refused.
    Failed,
    /// It was not reached.
    NotReached,
}

impl Chain {
    /// The step at which it stands still, if it does.
    pub fn failed(&self) -> Option<&Step> {
        self.steps
            .iter()
            .find(|step| step.state == StepState::Failed)
    }
}
