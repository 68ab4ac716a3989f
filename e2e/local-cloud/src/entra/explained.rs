//! What Entra ID knows of a refused request, for its explanation.

use super::Entra;
use super::form::Form;
use crate::directory::Identity;
use crate::explain::Explanation;
use crate::explain::exchange::{self, Assertion, Attempt, Known, Principal, Trust};
use crate::jwt::Unverified;
use crate::names;

/// What a request presents, before anything of it is checked.
pub(super) fn attempt(form: &Form) -> Attempt {
    let assertion = form.get("client_assertion").map(str::trim);
    let assertion = assertion.and_then(|token| Unverified::read(token).ok());
    Attempt {
        tenant: None,
        client_id: form.get("client_id").map(str::to_owned),
        identity: None,
        scope: form.get("scope").map(str::to_owned),
        assertion: assertion.map_or_else(Assertion::default, |token| {
            let claims = token.claims();
            let text = |name: &str| claims.text(name).map(str::to_owned);
            Assertion {
                issuer: text("iss"),
                subject: text("sub"),
                audience: claims.audience().map(str::to_owned),
                from: claims.seconds("nbf").or_else(|| claims.seconds("iat")),
                until: claims.seconds("exp"),
                kid: Some(token.kid().to_owned()),
            }
        }),
    }
}

impl Entra {
    /// Why a request is refused with this code.
    pub(super) fn explain(&self, code: &str, tenant: &str, attempt: &Attempt) -> Box<Explanation> {
        let attempt = Attempt {
            tenant: Some(tenant.to_owned()),
            ..attempt.clone()
        };
        let identities = self.directory.identities();
        let trust = |identity: &Identity| {
            let name = identity.name.clone();
            let credentials = identity.federated_credentials.iter();
            let trusts = credentials.map(|trusted| Trust {
                identity: name.clone(),
                name: trusted.name.clone(),
                issuer: trusted.issuer.clone(),
                subject: trusted.subject.clone(),
                audience: trusted.audience.clone(),
            });
            trusts.collect::<Vec<_>>()
        };
        let trusts: Vec<_> = identities.iter().flat_map(trust).collect();
        let principal = |identity: &Identity| Principal {
            name: identity.name.clone(),
            client_id: identity.client_id.to_string(),
            object_id: identity.object_id.to_string(),
        };
        let principals: Vec<_> = identities.iter().map(principal).collect();
        let known = Known {
            model: &self.model,
            trusts: &trusts,
            principals: &principals,
            tenant: &names::tenant_id().to_string(),
            resources: &self.resources,
            now: self.clock.now(),
        };
        Box::new(exchange::explain(code, &attempt, &known))
    }
}
