//! The five steps in words, each with all its values and its token, and the
//! exchanges behind the tokens that the pod holds.

use platform::access::{Step, StepOutcome};
use platform::identity::{Exchange, ExchangeOutcome, TokenView};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::words::{Milliseconds, moment};
use super::clock::Clock;
use super::figure::state;

/// The step that presents the assertion, and the one that compares it with what
/// is trusted.
const PRESENTED: u8 = 2;
const TRUSTED: u8 = 3;

/// What has to be equal in both, byte for byte.
const MATCHED: [&str; 3] = ["iss", "sub", "aud"];

/// A step.
pub(super) struct StepView {
    pub(super) number: u8,
    pub(super) title: String,
    /// `done`, `failed` or `not-reached`.
    pub(super) state: &'static str,
    pub(super) state_text: &'static str,
    pub(super) summary: String,
    /// The three values that have to match, in the two steps where they are.
    pub(super) matched: Vec<Row>,
    pub(super) values: Vec<Row>,
    pub(super) token: Option<Decoded>,
}

/// A name and a value.
pub(super) struct Row {
    /// As the token has it, for example `iss`.
    pub(super) name: String,
    /// As people say it, for example `issuer`.
    pub(super) label: String,
    pub(super) value: String,
    /// For an expiry, what is left.
    pub(super) clock: Option<Clock>,
}

/// A token as JSON, without its signature.
pub(super) struct Decoded {
    pub(super) header: String,
    pub(super) claims: String,
}

/// An exchange as a row.
pub(super) struct ExchangeView {
    pub(super) scope: String,
    pub(super) duration: Milliseconds,
    pub(super) age: Clock,
    /// When the token expires, or Entra's code, or why it was not reached. What
    /// Entra ID said stands with the step.
    pub(super) outcome: Result<Clock, String>,
}

pub(super) fn views(steps: &[Step], now: OffsetDateTime) -> Vec<StepView> {
    steps.iter().map(|step| StepView::new(step, now)).collect()
}

pub(super) fn exchanges(exchanges: &[Exchange], now: OffsetDateTime) -> Vec<ExchangeView> {
    exchanges
        .iter()
        .map(|exchange| ExchangeView::new(exchange, now))
        .collect()
}

impl StepView {
    fn new(step: &Step, now: OffsetDateTime) -> Self {
        let state_text = match step.outcome {
            StepOutcome::Done => "done",
            StepOutcome::Failed => "failed",
            StepOutcome::NotReached => "not reached",
        };
        let rows = |is_shown: &dyn Fn(&str) -> bool| {
            let shown = step.values.iter().filter(|(name, _)| is_shown(name));
            shown
                .map(|(name, value)| Row::new(name, value, now))
                .collect()
        };
        let (matched, values) = match step.number {
            // What is presented is in the token.
            PRESENTED => (
                step.token
                    .as_ref()
                    .map_or_else(Vec::new, |t| presented(t, now)),
                rows(&|_| true),
            ),
            TRUSTED => (rows(&is_matched), rows(&|name| !is_matched(name))),
            _ => (Vec::new(), rows(&|_| true)),
        };
        Self {
            number: step.number,
            title: step.title.clone(),
            state: state(step.outcome),
            state_text,
            summary: step.summary.clone(),
            matched,
            values,
            token: step.token.as_ref().map(Decoded::new),
        }
    }
}

fn is_matched(name: &str) -> bool {
    MATCHED.contains(&name)
}

fn presented(token: &TokenView, now: OffsetDateTime) -> Vec<Row> {
    MATCHED
        .into_iter()
        .filter_map(|name| Some(Row::new(name, token.claims.get(name)?, now)))
        .collect()
}

impl Row {
    fn new(name: &str, value: &Value, now: OffsetDateTime) -> Self {
        let at = instant(name, value);
        let is_expiry = matches!(name, "exp" | "expires");
        Self {
            name: name.to_owned(),
            label: label(name).to_owned(),
            value: at.map_or_else(|| text_of(value), moment),
            clock: at
                .filter(|_| is_expiry)
                .map(|expires| Clock::until(expires, now)),
        }
    }
}

fn label(name: &str) -> &str {
    match name {
        "iss" => "issuer",
        "sub" => "subject",
        "aud" => "audience",
        "exp" => "expires",
        "oid" => "object id",
        "tid" => "tenant",
        "appid" | "client_id" => "client id",
        other => other,
    }
}

/// The moment that a value is: a claim in seconds, or a text.
fn instant(name: &str, value: &Value) -> Option<OffsetDateTime> {
    match value {
        Value::Number(seconds) if name == "exp" => {
            OffsetDateTime::from_unix_timestamp(seconds.as_i64()?).ok()
        }
        Value::String(text) => OffsetDateTime::parse(text, &Rfc3339).ok(),
        _ => None,
    }
}

/// A value as people read it.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // Kubernetes writes the one audience as a list.
        Value::Array(values) if values.len() == 1 => text_of(&values[0]),
        other => other.to_string(),
    }
}

impl Decoded {
    fn new(token: &TokenView) -> Self {
        Self {
            header: pretty(&token.header),
            claims: pretty(&token.claims),
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

impl ExchangeView {
    fn new(exchange: &Exchange, now: OffsetDateTime) -> Self {
        Self {
            scope: exchange.scope.clone(),
            duration: Milliseconds(exchange.duration_ms),
            age: Clock::since(exchange.at, now),
            outcome: match &exchange.outcome {
                ExchangeOutcome::Issued { expires_at, .. } => Ok(Clock::until(*expires_at, now)),
                ExchangeOutcome::Refused { code, error } => {
                    Err(code.as_ref().unwrap_or(error).clone())
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 14:00 UTC);

    fn step(number: u8, values: &[(&str, Value)], token: Option<TokenView>) -> StepView {
        let step = Step {
            number,
            title: String::new(),
            outcome: StepOutcome::Done,
            summary: String::new(),
            at: None,
            duration_ms: None,
            values: values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            token,
        };
        StepView::new(&step, NOW)
    }

    fn pairs(rows: &[Row]) -> Vec<(&str, &str)> {
        rows.iter()
            .map(|row| (row.label.as_str(), row.value.as_str()))
            .collect()
    }

    #[test]
    fn what_is_presented_stands_beside_what_is_trusted() {
        let claims = json!({ "iss": "https://issuer/", "sub": "system:serviceaccount:a:b",
            "aud": ["api://AzureADTokenExchange"] });
        let token = TokenView {
            header: json!({}),
            claims: claims.clone(),
        };
        let expected = [
            ("issuer", "https://issuer/"),
            ("subject", "system:serviceaccount:a:b"),
            ("audience", "api://AzureADTokenExchange"),
        ];

        let presented = step(2, &[("scope", json!("s"))], Some(token));
        let trusted = step(
            3,
            &["iss", "sub", "aud"].map(|name| (name, claims[name].clone())),
            None,
        );

        assert_eq!(pairs(&presented.matched), expected);
        assert_eq!(pairs(&trusted.matched), expected);
        assert_eq!(pairs(&trusted.values), []);
    }

    #[test]
    fn the_claims_of_other_steps_are_not_to_be_matched() {
        let issued = step(4, &[("iss", json!("https://sts.windows.net/t/"))], None);

        assert_eq!(pairs(&issued.matched), []);
        assert_eq!(
            pairs(&issued.values),
            [("issuer", "https://sts.windows.net/t/")]
        );
    }

    #[test]
    fn an_expiry_is_a_time_with_what_is_left() {
        let exp = NOW.unix_timestamp() + 600;

        let projected = step(1, &[("exp", json!(exp))], None);

        assert_eq!(
            pairs(&projected.values),
            [("expires", "2026-11-23 14:10:00 UTC")]
        );
        let left = projected.values[0].clock.expect("a clock");
        assert_eq!(left.to_string(), "10 min 0 s");
    }
}
