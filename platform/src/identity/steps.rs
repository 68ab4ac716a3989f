//! The five steps as spans: who presented what to whom, never a token.
//!
//! Steps 1 to 4 happen inside of the credential and are told when they are over;
//! step 5 is each request that an access token goes with.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use serde_json::Value;

use super::TokenView;
use crate::telemetry::traces::Past;

/// What step 5 is called, by whoever makes the request.
pub(crate) const CALLED: &str = "5 resource called";

/// What a token says of its bearer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    pub(crate) client_id: String,
}

impl Claims {
    /// The claims of an access token. What it does not say stays empty.
    pub(crate) fn of_access_token(view: &TokenView) -> Self {
        let client_id = view.claim("appid").or_else(|| view.claim("azp"));
        Self::of(view, client_id.unwrap_or_default())
    }

    /// The claims of a service-account token that is presented for the identity
    /// with this client id.
    fn of_assertion(view: &TokenView, client_id: &str) -> Self {
        Self::of(view, client_id)
    }

    fn of(view: &TokenView, client_id: &str) -> Self {
        let text = |name| view.claim(name).unwrap_or_default().to_owned();
        Self {
            issuer: text("iss"),
            subject: text("sub"),
            audience: audience(view.claims.get("aud")),
            client_id: client_id.to_owned(),
        }
    }

    /// The attributes of a step's span.
    pub(crate) fn attributes(&self, step: u8) -> Vec<KeyValue> {
        vec![
            KeyValue::new("identity.step", i64::from(step)),
            KeyValue::new("identity.issuer", self.issuer.clone()),
            KeyValue::new("identity.subject", self.subject.clone()),
            KeyValue::new("identity.audience", self.audience.clone()),
            KeyValue::new("identity.client_id", self.client_id.clone()),
        ]
    }
}

fn audience(claim: Option<&Value>) -> String {
    match claim {
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(several)) => {
            let texts: Vec<_> = several.iter().filter_map(Value::as_str).collect();
            texts.join(" ")
        }
        _ => String::new(),
    }
}

/// An exchange that is over, as it was seen from here.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) scope: &'a str,
    /// When somebody asked for a token.
    pub(super) asked: SystemTime,
    /// When the assertion was sent.
    pub(super) sent: SystemTime,
    /// Until the answer, with retries.
    pub(super) answered_in: Duration,
    /// When there was a token, or none.
    pub(super) over: SystemTime,
    pub(super) assertion: Option<&'a TokenView>,
    pub(super) client_id: &'a str,
    /// The access token, if it can be read, or why there is none.
    pub(super) outcome: Result<Option<&'a TokenView>, &'a str>,
}

impl Seen<'_> {
    /// Tells of the steps, below the current span.
    pub(super) fn tell(&self) {
        let whole = Past {
            attributes: vec![KeyValue::new("identity.scope", self.scope.to_owned())],
            failure: self.outcome.err().map(str::to_owned),
            ..Past::new("access token", self.asked, self.over)
        };
        let parent = whole.record(&Past::here());
        for step in self.steps() {
            step.record(&parent);
        }
    }

    fn steps(&self) -> Vec<Past> {
        let answered = self.sent + self.answered_in;
        let presented = self.assertion.map_or_else(Claims::default, |assertion| {
            Claims::of_assertion(assertion, self.client_id)
        });
        let failure = self.outcome.err().map(str::to_owned);
        let mut steps = vec![
            Past {
                attributes: presented.attributes(1),
                ..Past::new("1 service-account token read", self.asked, self.sent)
            },
            Past {
                kind: SpanKind::Client,
                attributes: presented.attributes(2),
                ..Past::new("2 assertion sent", self.sent, answered)
            },
            // What Entra ID does is seen from here as the time until its answer.
            Past {
                attributes: presented.attributes(3),
                failure,
                ..Past::new("3 trust checked", self.sent, answered)
            },
        ];
        if let Ok(token) = self.outcome {
            let issued = token.map_or_else(Claims::default, Claims::of_access_token);
            steps.push(Past {
                attributes: issued.attributes(4),
                ..Past::new("4 access token issued", answered, self.over)
            });
        }
        steps
    }
}

/// Tells of step 5 as one that is over, below the given span.
pub(crate) fn tell_called(
    claims: &Claims,
    begin: SystemTime,
    end: SystemTime,
    failure: Option<String>,
    parent: &Context,
) {
    Past {
        kind: SpanKind::Client,
        attributes: claims.attributes(5),
        failure,
        ..Past::new(CALLED, begin, end)
    }
    .record(parent);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn view(claims: Value) -> TokenView {
        TokenView {
            header: json!({}),
            claims,
        }
    }

    fn assertion() -> TokenView {
        view(
            json!({ "iss": "https://cluster", "sub": "system:serviceaccount:a:b",
            "aud": ["api://AzureADTokenExchange"] }),
        )
    }

    fn seen<'a>(
        assertion: &'a TokenView,
        outcome: Result<Option<&'a TokenView>, &'a str>,
    ) -> Seen<'a> {
        Seen {
            scope: "https://vault.azure.net/.default",
            asked: SystemTime::UNIX_EPOCH,
            sent: SystemTime::UNIX_EPOCH + Duration::from_millis(1),
            answered_in: Duration::from_millis(30),
            over: SystemTime::UNIX_EPOCH + Duration::from_millis(32),
            assertion: Some(assertion),
            client_id: "6977c771",
            outcome,
        }
    }

    fn said(past: &Past, name: &str) -> String {
        let attribute = past.attributes.iter().find(|kv| kv.key.as_str() == name);
        attribute.map_or_else(String::new, |kv| kv.value.to_string())
    }

    #[test]
    fn an_exchange_is_the_first_four_steps() {
        let issued = view(
            json!({ "iss": "https://sts", "sub": "object", "appid": "6977c771",
            "aud": "https://vault.azure.net" }),
        );
        let assertion = assertion();

        let steps = seen(&assertion, Ok(Some(&issued))).steps();

        let told: Vec<_> = steps
            .iter()
            .map(|step| (step.name.as_ref(), said(step, "identity.audience")))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "1 service-account token read",
                    "api://AzureADTokenExchange".to_owned()
                ),
                ("2 assertion sent", "api://AzureADTokenExchange".to_owned()),
                ("3 trust checked", "api://AzureADTokenExchange".to_owned()),
                (
                    "4 access token issued",
                    "https://vault.azure.net".to_owned()
                ),
            ]
        );
        assert!(
            steps
                .iter()
                .all(|step| said(step, "identity.client_id") == "6977c771")
        );
    }

    #[test]
    fn a_refused_exchange_ends_with_the_third_step() {
        let assertion = assertion();

        let steps = seen(&assertion, Err("AADSTS700213")).steps();

        let last = steps.last().expect("steps");
        assert_eq!(last.name, "3 trust checked");
        assert_eq!(last.failure.as_deref(), Some("AADSTS700213"));
        assert_eq!(said(last, "identity.subject"), "system:serviceaccount:a:b");
    }
}
