//! The five steps from a projected token to a resource, as this pod went through
//! them: what was presented, what was checked, what was issued, what was called.
//!
//! Microsoft: *Microsoft Entra Workload ID on AKS*, the figure of the exchange.

use std::time::Instant;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Cell, Outcome, Step, StepOutcome, milliseconds};
use crate::identity::{Exchange, ExchangeOutcome, IdentityError, TokenView, WorkloadIdentity};
use crate::telemetry::error_chain;

/// What Entra ID expects as the audience of an assertion.
const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// The pod's own token, as it is in its file.
pub(super) struct Projected {
    pub(super) token: Option<TokenView>,
    duration_ms: u64,
    error: Option<String>,
}

pub(super) async fn read_projected(identity: &WorkloadIdentity) -> Projected {
    let begin = Instant::now();
    let read: Result<TokenView, IdentityError> = identity.service_account_token().await;
    let duration_ms = milliseconds(begin.elapsed());
    match read {
        Ok(token) => Projected {
            token: Some(token),
            duration_ms,
            error: None,
        },
        Err(error) => Projected {
            token: None,
            duration_ms,
            error: Some(error_chain(&error)),
        },
    }
}

/// The five steps, told by one exchange and one call with its token: an exchange
/// that was refused, or else the one behind the first action that is allowed, or
/// else the one behind the first that is refused. The call was made after `at`.
pub(super) fn five(
    identity: &WorkloadIdentity,
    projected: &Projected,
    exchanges: &[Exchange],
    cells: &[Cell],
    at: OffsetDateTime,
) -> Vec<Step> {
    let refused = exchanges
        .iter()
        .find(|exchange| matches!(exchange.outcome, ExchangeOutcome::Refused { .. }));
    let called = match refused {
        Some(_) => None,
        None => telling(cells),
    };
    let behind = called.and_then(|cell| {
        let scope = scope_of(&cell.resource)?;
        exchanges.iter().find(|exchange| exchange.scope == scope)
    });
    let told = refused.or(behind).or(exchanges.last());
    vec![
        project(identity, projected),
        present(identity, told),
        trust(told),
        issue(told),
        call(called, cells, at),
    ]
}

/// The first action that is allowed, or else the first that is refused.
fn telling(cells: &[Cell]) -> Option<&Cell> {
    let is_refused = |cell: &&Cell| matches!(cell.outcome, Outcome::Refused { .. });
    cells
        .iter()
        .find(|cell| cell.outcome == Outcome::Allowed)
        .or_else(|| cells.iter().find(is_refused))
}

/// What a token for a resource of the matrix is asked for.
fn scope_of(resource: &str) -> Option<&'static str> {
    match resource.split('/').next()? {
        "vault" => Some("https://vault.azure.net/.default"),
        "cosmos" => Some("https://cosmos.azure.com/.default"),
        "storage" => Some("https://storage.azure.com/.default"),
        "bus" => Some("https://servicebus.azure.net/.default"),
        _ => None,
    }
}

fn project(identity: &WorkloadIdentity, projected: &Projected) -> Step {
    let file = identity.settings().token_file.display().to_string();
    let subject = projected.token.as_ref().and_then(|t| t.claim("sub"));
    let mut values = vec![("file".to_owned(), json!(file))];
    if let Some(token) = &projected.token {
        values.extend(claims(token, &["iss", "sub", "aud", "exp"]));
    }
    Step {
        number: 1,
        title: "Kubernetes issues a service-account token to the pod".to_owned(),
        outcome: match projected.error {
            None => StepOutcome::Done,
            Some(_) => StepOutcome::Failed,
        },
        summary: match (&projected.error, subject) {
            (Some(error), _) => error.clone(),
            (None, Some(subject)) => format!("a token for {subject}"),
            (None, None) => "a token without a subject".to_owned(),
        },
        at: projected.token.as_ref().and_then(issued_at),
        duration_ms: Some(projected.duration_ms),
        values,
        token: projected.token.clone(),
    }
}

fn present(identity: &WorkloadIdentity, told: Option<&Exchange>) -> Step {
    let settings = identity.settings();
    let endpoint = settings.token_endpoint();
    let mut values = vec![
        ("request".to_owned(), json!(format!("POST {endpoint}"))),
        ("client_id".to_owned(), json!(settings.client_id)),
    ];
    if let Some(exchange) = told {
        values.push(("scope".to_owned(), json!(exchange.scope)));
        values.push(("at".to_owned(), rfc3339(exchange.at)));
    }
    let was_sent = told.is_some_and(|exchange| exchange.assertion.is_some());
    Step {
        number: 2,
        title: "The pod presents it to Entra ID and asks for one resource".to_owned(),
        outcome: match told {
            None => StepOutcome::NotReached,
            Some(_) if was_sent => StepOutcome::Done,
            Some(_) => StepOutcome::Failed,
        },
        summary: match told {
            Some(exchange) if was_sent => format!("asked for {}", exchange.scope),
            Some(exchange) => format!("could not ask for {}", exchange.scope),
            None => "no resource has been asked for yet".to_owned(),
        },
        at: told.map(|exchange| exchange.at),
        duration_ms: told.map(|exchange| exchange.duration_ms),
        values,
        token: told.and_then(|exchange| exchange.assertion.clone()),
    }
}

fn trust(told: Option<&Exchange>) -> Step {
    let assertion = told.and_then(|exchange| exchange.assertion.as_ref());
    let mut values = assertion
        .map(|token| claims(token, &["iss", "sub", "aud"]))
        .unwrap_or_default();
    let (outcome, summary) = match told.map(|exchange| &exchange.outcome) {
        None => (StepOutcome::NotReached, "nothing to check yet".to_owned()),
        Some(ExchangeOutcome::Issued { .. }) => (
            StepOutcome::Done,
            "a federated credential has this issuer, subject and audience, and the issuer's \
             published keys made the signature"
                .to_owned(),
        ),
        Some(ExchangeOutcome::Refused { code, error }) => {
            if let Some(code) = code {
                values.push(("code".to_owned(), json!(code)));
            }
            values.push(("expected audience".to_owned(), json!(EXCHANGE_AUDIENCE)));
            (StepOutcome::Failed, error.clone())
        }
    };
    Step {
        number: 3,
        title: "Entra ID checks the trust in the cluster's issuer".to_owned(),
        outcome,
        summary,
        at: told.map(|exchange| exchange.at),
        duration_ms: None,
        values,
        token: None,
    }
}

fn issue(told: Option<&Exchange>) -> Step {
    let (outcome, summary, values, token) = match told.map(|exchange| &exchange.outcome) {
        Some(ExchangeOutcome::Issued { expires_at, token }) => {
            let mut values = token
                .as_ref()
                .map(|token| claims(token, &["iss", "aud", "oid", "sub", "appid", "tid"]))
                .unwrap_or_default();
            values.push(("expires".to_owned(), rfc3339(*expires_at)));
            let resource = token.as_ref().and_then(|token| token.claim("aud"));
            (
                StepOutcome::Done,
                format!("an access token for {}", resource.unwrap_or("the resource")),
                values,
                token.clone(),
            )
        }
        _ => (
            StepOutcome::NotReached,
            "no access token".to_owned(),
            Vec::new(),
            None,
        ),
    };
    Step {
        number: 4,
        title: "Entra ID issues an access token".to_owned(),
        at: token.as_ref().and(told).map(|exchange| exchange.at),
        outcome,
        summary,
        duration_ms: None,
        values,
        token,
    }
}

fn call(called: Option<&Cell>, cells: &[Cell], at: OffsetDateTime) -> Step {
    let (outcome, summary) = match called {
        Some(cell) => (
            StepOutcome::Done,
            format!("{}: {}", cell.operation, cell.outcome.text()),
        ),
        None => (
            StepOutcome::NotReached,
            "no resource has answered about access".to_owned(),
        ),
    };
    let mut values = Vec::new();
    if let Some(cell) = called {
        values.push(("action".to_owned(), json!(cell.id())));
        values.push(("request".to_owned(), json!(cell.operation)));
        values.push(("answer".to_owned(), json!(cell.outcome.text())));
    }
    let count = |wanted: fn(&Outcome) -> bool| {
        json!(cells.iter().filter(|cell| wanted(&cell.outcome)).count())
    };
    values.extend([
        (
            "allowed".to_owned(),
            count(|outcome| matches!(outcome, Outcome::Allowed)),
        ),
        (
            "refused".to_owned(),
            count(|outcome| matches!(outcome, Outcome::Refused { .. })),
        ),
        (
            "failed".to_owned(),
            count(|outcome| matches!(outcome, Outcome::Failed { .. })),
        ),
    ]);
    Step {
        number: 5,
        title: "The resource validates the token and the role assignment".to_owned(),
        outcome,
        summary,
        at: called.map(|_| at),
        duration_ms: called.map(|cell| cell.duration_ms),
        values,
        token: None,
    }
}

/// When a token was issued, by its own word.
fn issued_at(token: &TokenView) -> Option<OffsetDateTime> {
    let seconds = token.claims.get("iat")?.as_i64()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

fn claims(token: &TokenView, names: &[&str]) -> Vec<(String, Value)> {
    names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), token.claims.get(*name)?.clone())))
        .collect()
}

fn rfc3339(at: OffsetDateTime) -> Value {
    at.format(&time::format_description::well_known::Rfc3339)
        .map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::{settings, token_file};

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-23 14:00 UTC);

    fn exchange(scope: &str, outcome: ExchangeOutcome) -> Exchange {
        Exchange {
            scope: scope.to_owned(),
            at: OffsetDateTime::UNIX_EPOCH,
            duration_ms: 31,
            assertion: Some(TokenView {
                header: json!({}),
                claims: json!({ "sub": "system:serviceaccount:todolist:frontend" }),
            }),
            outcome,
        }
    }

    fn issued() -> ExchangeOutcome {
        ExchangeOutcome::Issued {
            expires_at: OffsetDateTime::UNIX_EPOCH,
            token: Some(TokenView {
                header: json!({}),
                claims: json!({ "aud": "https://vault.azure.net", "oid": "o" }),
            }),
        }
    }

    fn refused() -> ExchangeOutcome {
        ExchangeOutcome::Refused {
            code: Some("AADSTS700213".to_owned()),
            error: "AADSTS700213: No matching federated identity record found".to_owned(),
        }
    }

    async fn told(exchanges: &[Exchange], cells: &[Cell]) -> Vec<Step> {
        let file = token_file(&json!({ "sub": "system:serviceaccount:todolist:frontend" }));
        let identity = WorkloadIdentity::connect(settings(file.path())).expect("an identity");
        let projected = read_projected(&identity).await;
        five(&identity, &projected, exchanges, cells, NOW)
    }

    fn outcomes(steps: &[Step]) -> Vec<StepOutcome> {
        steps.iter().map(|step| step.outcome).collect()
    }

    fn tried(resource: &str, outcome: Outcome) -> Cell {
        Cell {
            resource: resource.to_owned(),
            action: "list".to_owned(),
            operation: format!("LIST {resource}"),
            outcome,
            detail: String::new(),
            duration_ms: 7,
        }
    }

    fn forbidden() -> Outcome {
        Outcome::Refused {
            code: "403 ForbiddenByRbac".to_owned(),
        }
    }

    #[tokio::test]
    async fn all_five_steps_are_told_when_a_resource_answered() {
        let steps = told(
            &[exchange("https://vault.azure.net/.default", issued())],
            &[tried("vault", forbidden())],
        )
        .await;

        assert_eq!(outcomes(&steps), [StepOutcome::Done; 5]);
        assert_eq!(steps[1].duration_ms, Some(31));
        assert_eq!(steps[4].summary, "LIST vault: 403 ForbiddenByRbac");
        assert_eq!(steps[4].at, Some(NOW));
        assert_eq!(
            steps[4].values[0],
            ("action".to_owned(), json!("vault list"))
        );
    }

    #[tokio::test]
    async fn the_steps_tell_one_story_from_the_token_to_its_resource() {
        let steps = told(
            &[
                exchange("https://storage.azure.com/.default", issued()),
                exchange("https://vault.azure.net/.default", issued()),
            ],
            &[
                tried("vault", forbidden()),
                tried("storage", Outcome::Allowed),
            ],
        )
        .await;

        assert_eq!(
            steps[1].summary,
            "asked for https://storage.azure.com/.default"
        );
        assert_eq!(steps[4].summary, "LIST storage: allowed");
    }

    #[tokio::test]
    async fn a_refused_exchange_stops_at_the_third_step_with_entras_words() {
        let steps = told(
            &[
                exchange("https://vault.azure.net/.default", refused()),
                exchange("https://storage.azure.com/.default", issued()),
            ],
            &[tried("storage", Outcome::Allowed)],
        )
        .await;

        assert_eq!(
            outcomes(&steps),
            [
                StepOutcome::Done,
                StepOutcome::Done,
                StepOutcome::Failed,
                StepOutcome::NotReached,
                StepOutcome::NotReached
            ]
        );
        assert_eq!(
            steps[2].summary,
            "AADSTS700213: No matching federated identity record found"
        );
    }

    #[tokio::test]
    async fn the_first_step_says_what_is_wrong_with_the_token_file() {
        let file = token_file(&json!({}));
        let identity = WorkloadIdentity::connect(settings(file.path())).expect("an identity");
        drop(file);

        let projected = read_projected(&identity).await;
        let steps = five(&identity, &projected, &[], &[], NOW);

        assert_eq!(steps[0].outcome, StepOutcome::Failed);
        assert!(
            steps[0]
                .summary
                .starts_with("cannot read the service-account token in "),
            "{}",
            steps[0].summary
        );
    }
}
