//! The exchange: a service-account token for an access token, if the trust
//! holds. Steps 2 to 4 of the five.
//!
//! The order of the checks is inferred from which error is seen when several
//! things are wrong at once; see `docs/fidelity.md`.

use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::access_token::{self, Issued};
use super::error::AadError;
use super::form::{Form, FormError};
use super::{Entra, explained, issuers};
use crate::audit::{Decision, Entry};
use crate::directory::Identity;
use crate::explain::exchange::Attempt;
use crate::graph;
use crate::jwt::{Claims, JwtError, Unverified};
use crate::model::{Model, Resource};
use crate::names;

/// How long an assertion may be meant to live: 25 hours.
const MAX_LIFETIME: i64 = 25 * 60 * 60;

/// Grants by which a person would sign in.
const USER_FLOWS: [&str; 4] = [
    "password",
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
];

/// What Microsoft Graph is called as a resource.
const GRAPH: [&str; 2] = ["https://graph.microsoft.com", graph::APPLICATION_ID];

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The resources that tokens can be had for.
pub(crate) fn known_resources(model: &Model) -> Vec<String> {
    let shared = [
        "vault.azure.net",
        "storage.azure.com",
        "cosmos.azure.com",
        "servicebus.azure.net",
    ];
    // Storage and Service Bus are also known by each account's own name. Cosmos
    // DB is not: its clients count on AADSTS500011 and fall back to the above.
    let own = model
        .resources
        .iter()
        .filter_map(|(name, resource)| match resource {
            Resource::Storage(_) | Resource::ServiceBus(_) => Some(resource.host(name)),
            Resource::KeyVault(_) | Resource::Cosmos(_) | Resource::Graph(_) => None,
        });
    // Every tenant has Microsoft Graph, by name and by id; here one has to want it.
    let is_graph = |resource: &Resource| matches!(resource, Resource::Graph(_));
    let graph = model.resources.values().any(is_graph);
    let graph = graph.then(|| GRAPH.map(str::to_owned));
    shared
        .into_iter()
        .map(str::to_owned)
        .chain(own)
        .map(|host| format!("https://{host}"))
        .chain(graph.into_iter().flatten())
        .collect()
}

/// Whether the path names our tenant.
pub(crate) fn check_tenant(tenant: &str) -> Result<(), AadError> {
    if ["common", "organizations", "consumers"].contains(&tenant) {
        return Err(AadError::tenant_required());
    }
    match tenant.parse::<Uuid>() {
        Ok(id) if id == names::tenant_id() => Ok(()),
        Ok(id) if id.is_nil() => Err(AadError::empty_tenant(tenant)),
        Ok(_) => Err(AadError::unknown_tenant(tenant)),
        Err(_) if tenant.contains('.') => Err(AadError::unknown_tenant(tenant)),
        Err(_) => Err(AadError::malformed_tenant(tenant)),
    }
}

/// What the audit says of an exchange, as far as it got.
#[derive(Default)]
struct Trail {
    identity: Option<String>,
    subject: Option<String>,
    resource: String,
    attempt: Attempt,
    token: Option<String>,
}

impl Entra {
    /// Handles one token request: the form of its body, and the tenant of its path.
    pub(crate) async fn exchange(&self, tenant: &str, body: &[u8]) -> Result<Value, AadError> {
        let mut trail = Trail::default();
        let outcome = self.decide(tenant, body, &mut trail).await;
        let (decision, code, why) = match &outcome {
            Ok(_) => (
                Decision::Allowed,
                None,
                "a federated credential trusts this subject".to_owned(),
            ),
            Err(refusal) => (
                Decision::Denied,
                Some(format!("AADSTS{}", refusal.code)),
                refusal.text.chars().take(1024).collect(),
            ),
        };
        let explanation = code
            .as_deref()
            .map(|code| self.explain(code, tenant, &trail.attempt));
        self.audit.record(Entry {
            by: "entra".to_owned(),
            operation: "TokenExchange".to_owned(),
            identity: trail.identity,
            subject: trail.subject,
            action: trail.resource,
            scope: format!("tenant/{}", tenant.chars().take(64).collect::<String>()),
            decision,
            code,
            why,
            token: trail.token,
            explanation,
        });
        outcome
    }

    async fn decide(
        &self,
        tenant: &str,
        body: &[u8],
        trail: &mut Trail,
    ) -> Result<Value, AadError> {
        check_tenant(tenant)?;
        let form = Form::parse(body).map_err(|error| match error {
            FormError::TooMany => AadError::too_many_parameters(),
            FormError::Repeated(name) => AadError::repeated_parameter(&name),
        })?;
        let required = |name: &str| {
            let value = form.get(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| AadError::missing_parameter(name))
        };
        let grant = required("grant_type")?;
        if grant != "client_credentials" {
            let client = form.get("client_id").and_then(|id| self.directory.find(id));
            return Err(match client {
                Some(client) if client.is_managed() && USER_FLOWS.contains(&grant) => {
                    AadError::user_flow_of_managed_identity()
                }
                _ => AadError::unsupported_grant(grant),
            });
        }
        if form.get("resource").is_some() {
            return Err(AadError::unsupported_parameter("resource"));
        }
        let client_id = required("client_id")?;
        let scope = required("scope")?;
        trail.resource = scope.chars().take(256).collect();
        trail.attempt = explained::attempt(&form);
        let identity = self
            .directory
            .find(client_id)
            .ok_or_else(|| AadError::unknown_client(client_id, tenant))?;
        trail.identity = Some(identity.name.clone());
        trail.attempt.identity = Some(identity.name.clone());
        if let Some(fault) = self.gate.faults().at_token_endpoint(&identity.name) {
            return Err(AadError::of_fault(fault));
        }

        let assertion = form
            .get("client_assertion")
            .filter(|assertion| !assertion.is_empty());
        let assertion = assertion.ok_or_else(AadError::no_assertion)?;
        if required("client_assertion_type")? != ASSERTION_TYPE {
            return Err(AadError::malformed_assertion());
        }
        let claims = self.check_assertion(assertion, &identity, trail).await?;
        self.check_times(&claims)?;
        let audience = self.resource(scope, tenant)?;

        let issued = self.issue(&identity, audience);
        trail.token = Some(issued.id);
        Ok(json!({
            "token_type": "Bearer",
            "expires_in": issued.expires_in,
            "ext_expires_in": issued.expires_in,
            "access_token": issued.token,
        }))
    }

    /// An access token for an identity and a resource.
    fn issue(&self, identity: &Identity, audience: &str) -> Issued {
        let roles = if GRAPH.contains(&audience.trim_end_matches('/')) {
            self.gate.app_roles(&identity.name)
        } else {
            Vec::new()
        };
        let key = self.keys.current();
        access_token::issue(&key, identity, audience, &roles, self.clock.now())
    }

    /// What a resource gets with its own identity, as from the metadata endpoint of
    /// a virtual machine. Who is not that resource cannot ask: its identity can
    /// have no federated credential.
    pub(crate) fn issue_to_resource(
        &self,
        resource: &str,
        audience: &str,
    ) -> Result<Value, String> {
        let identity = self
            .directory
            .of_resource(resource)
            .ok_or_else(|| format!("there is no resource `{resource}` with an identity"))?;
        let scope = format!("{audience}/.default");
        let tenant = names::tenant_id().to_string();
        let audience = self
            .resource(&scope, &tenant)
            .map_err(|refusal| refusal.text)?;
        let issued = self.issue(&identity, audience);
        self.audit.record(Entry {
            by: "entra".to_owned(),
            operation: "ManagedIdentityToken".to_owned(),
            identity: Some(identity.name.clone()),
            subject: None,
            action: scope.clone(),
            scope: format!("tenant/{tenant}"),
            decision: Decision::Allowed,
            code: None,
            why: format!("`{resource}` asks for itself"),
            token: Some(issued.id),
            explanation: None,
        });
        Ok(json!({
            "access_token": issued.token,
            "client_id": identity.client_id,
            "expires_in": issued.expires_in.to_string(),
            "resource": audience,
            "token_type": "Bearer",
        }))
    }

    /// Trust first, then the issuer's keys, then the signature: an issuer that
    /// no credential names is never asked for anything.
    async fn check_assertion(
        &self,
        assertion: &str,
        identity: &Identity,
        trail: &mut Trail,
    ) -> Result<Claims, AadError> {
        let token = Unverified::read(assertion.trim()).map_err(|error| match error {
            JwtError::Malformed(_) => AadError::malformed_assertion(),
            JwtError::Algorithm(name) if name.eq_ignore_ascii_case("none") => {
                AadError::unsigned_assertion()
            }
            JwtError::Algorithm(_) => AadError::wrong_algorithm(),
        })?;
        let presented = token.claims();
        let issuer = presented
            .text("iss")
            .ok_or_else(AadError::malformed_assertion)?
            .to_owned();
        let subject = presented
            .text("sub")
            .ok_or_else(AadError::no_subject)?
            .to_owned();
        let audience = presented
            .audience()
            .ok_or_else(AadError::malformed_assertion)?
            .to_owned();
        trail.subject = Some(subject.chars().take(256).collect());
        if is_entra(&issuer) {
            return Err(AadError::issued_by_entra());
        }
        identity.check_trust(&issuer, &subject, &audience)?;
        if !issuers::is_lawful(&issuer) {
            return Err(AadError::unlawful_issuer(&issuer));
        }
        let found = self.issuer_keys.find(&issuer, token.kid()).await;
        let key = found.map_err(|error| {
            error.with_code_for_unreachable(self.gate.faults().unreachable_code())
        })?;
        token.verify(&key).ok_or_else(AadError::bad_signature)
    }

    /// Entra's tolerance for clock differences is not documented; there is none here.
    fn check_times(&self, claims: &Claims) -> Result<(), AadError> {
        let seconds = |name: &str| {
            claims
                .seconds(name)
                .ok_or_else(AadError::malformed_assertion)
        };
        let time = |seconds: i64| {
            OffsetDateTime::from_unix_timestamp(seconds)
                .map_err(|_| AadError::malformed_assertion())
        };
        // One of `nbf` and `iat` may be missing; none may be something else.
        let if_there = |name: &str| claims.has(name).then(|| seconds(name)).transpose();
        let expires = seconds("exp")?;
        let (starts, issued) = match (if_there("nbf")?, if_there("iat")?) {
            (Some(starts), Some(issued)) => (starts, issued),
            (Some(only), None) | (None, Some(only)) => (only, only),
            (None, None) => return Err(AadError::malformed_assertion()),
        };
        if expires.saturating_sub(issued) > MAX_LIFETIME {
            return Err(AadError::lives_too_long(issued, expires));
        }
        let (from, until) = (time(starts.max(issued))?, time(expires)?);
        let now = self.clock.now();
        if now < from || now >= until {
            return Err(AadError::outside_valid_time(now, from, until));
        }
        Ok(())
    }

    /// The audience that a scope asks for: what stands before `/.default`.
    fn resource<'a>(&self, scope: &'a str, tenant: &str) -> Result<&'a str, AadError> {
        if scope.split_whitespace().count() != 1 {
            return Err(AadError::invalid_scope(scope));
        }
        let resource = scope
            .strip_suffix("/.default")
            .ok_or_else(|| AadError::scope_without_default(scope))?;
        let bare = resource.strip_suffix('/').unwrap_or(resource);
        if self.resources.iter().any(|known| known == bare) {
            return Ok(resource);
        }
        Err(AadError::unknown_resource(resource, tenant))
    }
}

fn is_entra(issuer: &str) -> bool {
    [
        "https://sts.windows.net/",
        "https://login.microsoftonline.com/",
    ]
    .iter()
    .any(|own| issuer.starts_with(own))
}
