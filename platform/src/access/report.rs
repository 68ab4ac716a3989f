//! What the probe found, as it goes over the wire: one pod shows another's.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::identity::{Exchange, TokenView};

/// What one pod may do, as each service answered it, and how it got its tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessReport {
    /// The name of the pod's service account, which is that of its identity.
    pub pod: String,
    /// The identity's client id.
    pub client_id: String,
    /// The identity's tenant.
    pub tenant_id: String,
    /// When the run began.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How long the run took.
    pub duration_ms: u64,
    /// Every action of the matrix, in its order.
    pub cells: Vec<Cell>,
    /// The five steps from the projected token to a resource.
    pub steps: Vec<Step>,
    /// The exchanges behind the tokens that the pod holds, one per resource.
    pub exchanges: Vec<Exchange>,
}

impl AccessReport {
    /// How many cells have such an outcome.
    pub fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.cells.iter().filter(|cell| is(&cell.outcome)).count()
    }
}

/// One action on one resource, tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// The resource's path, for example `vault/secrets/session-key`.
    pub resource: String,
    /// The action, for example `get`.
    pub action: String,
    /// The request as a person would write it, for example
    /// `GET /secrets/session-key`.
    pub operation: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What the service said, or what its answer means here.
    pub detail: String,
    /// How long it took, with retries.
    pub duration_ms: u64,
}

impl Cell {
    /// The cell's name: `vault/secrets/session-key get`.
    pub fn id(&self) -> String {
        format!("{} {}", self.resource, self.action)
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// The identity may do this.
    Allowed,
    /// The identity may not: the service's own code, for example
    /// `403 ForbiddenByRbac`.
    Refused {
        /// The code.
        code: String,
    },
    /// Neither: the question was not answered.
    Failed {
        /// What happened instead.
        text: String,
    },
}

impl Outcome {
    /// The outcome as the table of expected access writes it.
    pub fn text(&self) -> &str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused { code } => code,
            Self::Failed { text } => text,
        }
    }
}

/// One of the five steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// 1 to 5.
    pub number: u8,
    /// What happens in it.
    pub title: String,
    /// How far it got.
    pub outcome: StepOutcome,
    /// One sentence about what really happened.
    pub summary: String,
    /// When it began, where that is known.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
    /// How long it took, where that can be measured.
    pub duration_ms: Option<u64>,
    /// What is worth seeing, in order.
    pub values: Vec<(String, Value)>,
    /// The token that the step is about, without its signature.
    pub token: Option<TokenView>,
}

/// How far a step got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepOutcome {
    /// It succeeded.
    Done,
    /// It failed.
    Failed,
    /// An earlier one failed, or nobody has tried yet.
    NotReached,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cell_goes_over_the_wire_and_back() {
        let cell = Cell {
            resource: "vault/secrets/session-key".to_owned(),
            action: "get".to_owned(),
            operation: "GET /secrets/session-key".to_owned(),
            outcome: Outcome::Refused {
                code: "403 ForbiddenByRbac".to_owned(),
            },
            detail: "Caller is not authorized".to_owned(),
            duration_ms: 12,
        };

        let wire = serde_json::to_value(&cell).expect("a cell is JSON");

        assert_eq!(
            wire,
            json!({ "resource": "vault/secrets/session-key", "action": "get",
                "operation": "GET /secrets/session-key", "outcome": "refused",
                "code": "403 ForbiddenByRbac", "detail": "Caller is not authorized",
                "durationMs": 12 })
        );
        assert_eq!(serde_json::from_value::<Cell>(wire).expect("a cell"), cell);
        assert_eq!(cell.id(), "vault/secrets/session-key get");
    }
}
