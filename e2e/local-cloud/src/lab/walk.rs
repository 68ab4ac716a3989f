//! The walk: each step done, and told with the values that it was about.

use std::time::Instant;

use serde_json::Value;
use time::OffsetDateTime;

use super::Shared;
use super::broken::Broken;
use super::chain::{Chain, Step, StepState};
use super::target::{Place, Target};
use crate::audit::{Decision, rfc3339};
use crate::explain::{Explanation, STEPS};
use crate::jwt::{Claims, Unverified};
use crate::model::ServiceAccount;
use crate::names;

/// The steps of a walk, as far as it came.
struct Walk {
    steps: Vec<Step>,
}

impl Walk {
    fn done(&mut self, values: Vec<(&str, String)>, began: Option<Instant>) {
        let step = self.step(StepState::Done, values, began);
        self.steps.push(step);
    }

    fn failed(&mut self, values: Vec<(&str, String)>, began: Option<Instant>, why: Explanation) {
        let mut step = self.step(StepState::Failed, values, began);
        step.text = Some(why.to_string());
        step.explanation = Some(why);
        self.steps.push(step);
    }

    fn step(&self, state: StepState, values: Vec<(&str, String)>, began: Option<Instant>) -> Step {
        let values = values.into_iter();
        Step {
            number: u8::try_from(self.steps.len() + 1).unwrap_or(u8::MAX),
            title: STEPS[self.steps.len().min(STEPS.len() - 1)].to_owned(),
            state,
            values: values
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            milliseconds: began.map(|began| began.elapsed().as_secs_f64() * 1000.0),
            explanation: None,
            text: None,
        }
    }

    /// All five, those that were not reached too.
    fn end(mut self) -> Vec<Step> {
        while self.steps.len() < STEPS.len() {
            let step = self.step(StepState::NotReached, Vec::new(), None);
            self.steps.push(step);
        }
        self.steps
    }
}

impl Shared {
    /// The token that kubelet projects for an account, outside of any pod.
    pub(super) fn projected(&self, account: &ServiceAccount) -> Result<String, String> {
        let file = crate::state::token_file(&self.state, account);
        let token = std::fs::read_to_string(&file);
        token.map_err(|error| format!("{} cannot be read: {error}", file.display()))
    }

    pub(super) async fn walk(
        &self,
        identity: &str,
        broken: Option<&Broken>,
    ) -> Result<Chain, String> {
        let target = self.target_of(identity)?;
        let began = Instant::now();
        let token = match broken.and_then(|broken| broken.token_of(identity)) {
            Some(token) => token.to_owned(),
            None => self.projected(&target.account)?,
        };
        let mut walk = Walk { steps: Vec::new() };
        walk.done(about(&token)?, Some(began));
        self.exchange(&target, &token, &mut walk).await?;
        Ok(Chain {
            identity: identity.to_owned(),
            subject: target.account.subject(),
            mistake: broken.map(|broken| broken.mistake),
            mistaken: broken.map(|broken| broken.identity.clone()),
            steps: walk.end(),
        })
    }

    /// Steps 2 to 4, and the fifth if there is a token.
    async fn exchange(
        &self,
        target: &Target,
        assertion: &str,
        walk: &mut Walk,
    ) -> Result<(), String> {
        let identity = &target.grant.identity;
        let known = self.planes.gate.directory().named(identity);
        let client_id = known.map(|known| known.client_id.to_string());
        let client_id = client_id.unwrap_or_default();
        let scope = target.place.scope();
        let asked = vec![
            ("client id", client_id.clone()),
            ("scope", scope.to_owned()),
        ];

        let before = self.planes.audit.newest();
        let began = Instant::now();
        let url = format!(
            "https://{}/{}/oauth2/v2.0/token",
            names::LOGIN_HOST,
            names::tenant_id()
        );
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &client_id),
            ("scope", scope),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion),
        ];
        let answer = self.client.post(&url).form(&form).send().await;
        let answer = answer.map_err(|error| format!("{url} does not answer: {error}"))?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        walk.done(asked, Some(began));

        let trusted = self.trusted(target);
        let Some(access_token) = body["access_token"].as_str() else {
            let code = body["error_codes"][0].as_u64().unwrap_or_default();
            let why = self.denied_since(before, identity, true);
            let code = format!("AADSTS{code}");
            walk.failed(
                trusted,
                None,
                why.unwrap_or_else(|| Explanation::of_code(&code)),
            );
            return Ok(());
        };
        if !status.is_success() {
            return Err(format!("{url} answered {status} with a token"));
        }
        walk.done(trusted, None);
        walk.done(about(access_token)?, None);
        self.call(target, access_token, walk).await
    }

    /// What the identity trusts of this account, in the words of the first step.
    fn trusted(&self, target: &Target) -> Vec<(&'static str, String)> {
        let directory = self.planes.gate.directory();
        let credentials = directory.credentials(&target.grant.identity);
        let name = format!("{}-{}", target.account.namespace, target.account.name);
        let credentials = credentials.unwrap_or_default();
        let credential = credentials.iter().find(|trust| trust.name == name);
        match credential.or(credentials.first()) {
            Some(trust) => vec![
                ("issuer", trust.issuer.clone()),
                ("subject", trust.subject.clone()),
                ("audience", trust.audience.clone()),
            ],
            None => vec![("trusts", "nobody".to_owned())],
        }
    }

    /// Step 5.
    async fn call(&self, target: &Target, token: &str, walk: &mut Walk) -> Result<(), String> {
        let before = self.planes.audit.newest();
        let began = Instant::now();
        let url = target.place.url();
        let request = self.client.get(&url).bearer_auth(token);
        let request = match target.place {
            Place::Secret { .. } => request,
            Place::Container { .. } => request.header("x-ms-version", "2025-11-05"),
        };
        let answer = request.send().await;
        let answer = answer.map_err(|error| format!("{url} does not answer: {error}"))?;
        let status = answer.status();
        let code = answer.headers().get("x-ms-error-code");
        let code = code.and_then(|code| code.to_str().ok()).map(str::to_owned);
        // The value of a secret is read to its end, and goes nowhere.
        let body = answer.bytes().await.map_err(|error| error.to_string())?;
        let asked = format!("GET {}", url.split('?').next().unwrap_or_default());
        let values = vec![
            ("request", asked),
            ("role", target.grant.role.clone()),
            ("scope", target.grant.scope.to_string()),
            ("answer", status.to_string()),
        ];
        if status.is_success() {
            walk.done(values, Some(began));
            return Ok(());
        }
        let code = code.or_else(|| vault_code(&body));
        let code = code.unwrap_or_else(|| status.as_u16().to_string());
        let why = self.denied_since(before, &target.grant.identity, false);
        walk.failed(
            values,
            Some(began),
            why.unwrap_or_else(|| Explanation::of_code(&code)),
        );
        Ok(())
    }

    /// The explanation of the last denial of an identity after a place in the audit:
    /// by Entra ID, or by a resource.
    fn denied_since(&self, before: u64, identity: &str, by_entra: bool) -> Option<Explanation> {
        let records = self.planes.audit.after(before);
        let mut denials = records.iter().rev().filter(|record| {
            record.decision == Decision::Denied
                && record.identity.as_deref() == Some(identity)
                && (record.by == "entra") == by_entra
        });
        denials.find_map(|denial| denial.explanation.as_deref().cloned())
    }
}

/// The innermost code of Key Vault's answer, such as `SecretDisabled`.
fn vault_code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = &body["error"];
    let code = error["innererror"]["code"].as_str();
    code.or_else(|| error["code"].as_str()).map(str::to_owned)
}

/// What a token says, without its signature; of both kinds the same is shown.
fn about(token: &str) -> Result<Vec<(&'static str, String)>, String> {
    let claims = claims(token)?;
    Ok(vec![
        ("issuer", text(&claims, "iss")),
        ("subject", text(&claims, "sub")),
        ("audience", claims.audience().unwrap_or_default().to_owned()),
        ("expires", expiry(&claims)),
    ])
}

fn claims(token: &str) -> Result<Claims, String> {
    let token = Unverified::read(token.trim()).map_err(|error| error.to_string())?;
    Ok(token.claims().clone())
}

fn text(claims: &Claims, name: &str) -> String {
    claims.text(name).unwrap_or_default().to_owned()
}

fn expiry(claims: &Claims) -> String {
    let at = claims
        .seconds("exp")
        .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    at.map(rfc3339).unwrap_or_default()
}
