//! The one place that authenticates and authorises: token -> principal -> role
//! assignments at the scope and its ancestors -> [`Admitted`], or a refusal.
//!
//! No engine method can be called without an `Admitted`, and nothing outside
//! this file can make one. Every decision is written to the audit log.
//!
//! Evaluation follows Microsoft Learn, *What is Azure RBAC: how Azure RBAC
//! determines if a user has access*; Cosmos DB's own role assignments are
//! evaluated alike, in their own system.

use std::sync::{Arc, RwLock};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::audit::{Audit, Decision, Entry};
use crate::clock::Clock;
use crate::directory::Directory;
use crate::faults::{Faults, History};
use crate::holds::Holds;
use crate::keys::KeyRing;
use crate::model::{Grant, Model, Scope};
use crate::names;
use crate::roles::{Permission, RoleSystem, Roles};

mod explained;
mod signatures;
#[cfg(test)]
mod tests;
mod token;

use signatures::Signatures;

pub use token::{Audience, TokenRefusal};

/// An authenticated principal. Only the gate makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Caller {
    /// The identity's name in the access model.
    pub name: String,
    /// The Kubernetes subject that it acts for.
    pub subject: Option<String>,
    /// The principal's object id.
    pub object_id: Uuid,
    /// The identity's client id.
    pub client_id: Uuid,
    /// The token's issuer.
    pub issuer: String,
    /// When the token expires.
    pub expires_at: OffsetDateTime,
    /// The application roles that the token names, as Microsoft Graph reads them.
    app_roles: Vec<String>,
    /// The unique id of the token.
    token_id: Option<String>,
    by: &'static str,
}

/// What a caller wants to do.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The vendor's name for it, such as `GetSecret`.
    pub name: &'static str,
    /// The action that a role has to grant.
    pub permission: Permission,
    /// Where.
    pub scope: Scope,
    /// Whether a grant below the scope is enough.
    pub reach: Reach,
}

impl Operation {
    /// An operation at exactly this scope.
    pub fn at(name: &'static str, permission: Permission, scope: Scope) -> Self {
        Self {
            name,
            permission,
            scope,
            reach: Reach::At,
        }
    }
}

/// Where a grant may stand to cover an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At the operation's scope or above it.
    At,
    /// There, or anywhere below it: Cosmos DB lets a principal open the account
    /// who holds any role inside it (inferred: azure-cosmos-dotnet-v3#3638).
    AnywhereWithin,
}

/// A caller without a role for what it asked.
#[derive(Clone, Debug)]
pub struct Denied {
    /// The action that no role granted.
    pub permission: Permission,
    /// Where it was asked for.
    pub scope: Scope,
    /// Who asked.
    pub caller: Caller,
}

/// Proof that the gate let an operation through.
#[derive(Debug)]
pub struct Admitted {
    caller: Caller,
    operation: Operation,
}

impl Admitted {
    /// Who was let through.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The operation that was let through.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }
}

/// The gate of a cloud; clones share it.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

struct Shared {
    signatures: Signatures,
    /// This tenant, and the issuer of its tokens.
    tenant: String,
    issuer: String,
    clock: Clock,
    audit: Audit,
    holds: Holds,
    roles: Roles,
    model: Model,
    directory: Directory,
    faults: Faults,
    // Held for a lookup or a change only, never across an await.
    grants: RwLock<History<Vec<Grant>>>,
}

impl Gate {
    /// A gate that trusts tokens signed by `entra_keys` and starts with the
    /// model's grants.
    pub fn new(
        model: Model,
        roles: Roles,
        entra_keys: KeyRing,
        clock: Clock,
        audit: Audit,
        holds: Holds,
    ) -> Self {
        let grants = RwLock::new(History::new(model.grants.clone()));
        let faults = Faults::new(clock.clone());
        let directory = Directory::from_model(&model, clock.clone(), holds.clone(), faults.clone());
        Self {
            shared: Arc::new(Shared {
                signatures: Signatures::of(entra_keys),
                tenant: names::tenant_id().to_string(),
                issuer: names::token_issuer(names::tenant_id()),
                clock,
                audit,
                holds,
                roles,
                model,
                directory,
                faults,
                grants,
            }),
        }
    }

    /// The directory whose principals the gate knows.
    pub(crate) fn directory(&self) -> &Directory {
        &self.shared.directory
    }

    /// The faults that are on.
    pub(crate) fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Checks a bearer token: algorithm, key, signature, issuer, audience of
    /// this very resource, times, principal. Refusals are audited here.
    pub fn authenticate(
        &self,
        token: Option<&str>,
        audience: &Audience,
    ) -> Result<Caller, TokenRefusal> {
        let checked = token
            .ok_or(TokenRefusal::Missing)
            .and_then(|token| self.check_token(token, audience));
        if let Err(refusal) = &checked {
            self.shared.audit.record(Entry {
                by: audience.by.to_owned(),
                operation: "authenticate".to_owned(),
                identity: None,
                subject: None,
                action: "authenticate".to_owned(),
                scope: audience.expected().to_owned(),
                decision: Decision::Denied,
                code: Some(refusal.code().to_owned()),
                why: refusal.to_string(),
                token: None,
                explanation: Some(Box::new(self.explain_token(refusal, token, audience))),
            });
        }
        checked
    }

    fn check_token(&self, token: &str, audience: &Audience) -> Result<Caller, TokenRefusal> {
        let claims = self
            .shared
            .signatures
            .check(token, self.shared.clock.now())?;
        let issuer = claims.text("iss").unwrap_or_default();
        if issuer != self.shared.issuer {
            return Err(TokenRefusal::Issuer {
                found: issuer.to_owned(),
            });
        }
        // The tenant says twice who it is, and has to say the same.
        let tenant = claims.text("tid").unwrap_or_default();
        if tenant != self.shared.tenant {
            return Err(TokenRefusal::Issuer {
                found: format!("https://sts.windows.net/{tenant}/"),
            });
        }
        let found = claims.audience().unwrap_or_default();
        if !audience.accepts(found) {
            return Err(TokenRefusal::Audience {
                found: found.to_owned(),
            });
        }
        let now = self.shared.clock.unix_now();
        let expires = claims
            .seconds("exp")
            .ok_or(TokenRefusal::Malformed("exp is missing"))?;
        if now >= expires {
            return Err(TokenRefusal::Expired);
        }
        let starts = claims
            .seconds("nbf")
            .ok_or(TokenRefusal::Malformed("nbf is missing"))?;
        let made = if claims.has("iat") {
            claims
                .seconds("iat")
                .ok_or(TokenRefusal::Malformed("iat is no time"))?
        } else {
            starts
        };
        if now < starts || now < made {
            return Err(TokenRefusal::NotYetValid);
        }
        let object_id: Uuid = claims
            .text("oid")
            .and_then(|oid| oid.parse().ok())
            .ok_or(TokenRefusal::UnknownPrincipal)?;
        let principal = self
            .shared
            .directory
            .principal(object_id)
            .ok_or(TokenRefusal::UnknownPrincipal)?;
        Ok(Caller {
            name: principal.name,
            // Of several accounts the access token does not say which.
            subject: principal.subject,
            object_id,
            client_id: principal.client_id,
            issuer: issuer.to_owned(),
            expires_at: OffsetDateTime::from_unix_timestamp(expires)
                .map_err(|_| TokenRefusal::Malformed("exp is out of range"))?,
            app_roles: claims.texts("roles"),
            token_id: claims.text("uti").map(str::to_owned),
            by: audience.by,
        })
    }

    /// Checks that a role grants the operation, at its scope or above. Waits
    /// while a test holds this operation.
    pub async fn admit(&self, caller: &Caller, operation: Operation) -> Result<Admitted, Denied> {
        let granting = self.granting(caller, &operation);
        let Some(grant) = granting else {
            self.audit(
                caller,
                &operation,
                operation.name,
                Decision::Denied,
                format!(
                    "no role of `{}` grants this action at this scope or above",
                    caller.name
                ),
            );
            return Err(Denied {
                permission: operation.permission,
                scope: operation.scope,
                caller: caller.clone(),
            });
        };
        let why = format!("role `{}` at `{}`", grant.role, grant.scope);
        self.audit(caller, &operation, operation.name, Decision::Allowed, why);
        self.hold(caller, operation.name, &operation.scope).await;
        Ok(Admitted {
            caller: caller.clone(),
            operation,
        })
    }

    /// Notes a further operation under a standing admission, such as a message
    /// on an open link. Waits while a test holds this operation.
    pub async fn pass(&self, admitted: &Admitted, operation: &'static str) {
        let Admitted {
            caller,
            operation: link,
        } = admitted;
        let why = "under the open link's claim".to_owned();
        self.audit(caller, link, operation, Decision::Allowed, why);
        self.hold(caller, operation, &link.scope).await;
    }

    /// The role assignments as they are now.
    pub fn grants(&self) -> Vec<Grant> {
        let grants = self.shared.grants.read();
        let grants = grants.expect("no one panics while holding the grants");
        grants.now().clone()
    }

    /// Adds a role assignment, as an administrator would.
    pub fn grant(&self, grant: Grant) -> Result<(), String> {
        if self.shared.directory.named(&grant.identity).is_none() {
            return Err(format!("there is no identity `{}`", grant.identity));
        }
        self.shared.model.check_place(&grant, &self.shared.roles)?;
        self.change_grants(|grants| {
            if !grants.contains(&grant) {
                grants.push(grant);
            }
        });
        Ok(())
    }

    /// Removes a role assignment; whether there was one.
    pub fn revoke(&self, grant: &Grant) -> bool {
        self.change_grants(|grants| {
            let before = grants.len();
            grants.retain(|standing| standing != grant);
            grants.len() < before
        })
    }

    /// Removes every role assignment of an identity that is gone: none of them is
    /// that of a later one of its name, whose object id is another.
    pub(crate) fn forget(&self, identity: &str) {
        self.change_grants(|grants| grants.retain(|standing| standing.identity != identity));
    }

    fn change_grants<T>(&self, change: impl FnOnce(&mut Vec<Grant>) -> T) -> T {
        let mut grants = self
            .shared
            .grants
            .write()
            .expect("no one panics while holding the grants");
        grants.change(self.shared.clock.now(), change)
    }

    /// The application roles of Microsoft Graph that an identity has now, for its
    /// next token.
    pub(crate) fn app_roles(&self, identity: &str) -> Vec<String> {
        let grants = self
            .shared
            .grants
            .read()
            .expect("no one panics while holding the grants");
        let is_app_role = |role: &str| self.shared.roles.system(role) == Some(RoleSystem::Graph);
        let own = grants
            .as_of(self.shared.faults.roles_seen_as_of(identity))
            .iter()
            .filter(|grant| grant.identity == identity && is_app_role(&grant.role));
        own.map(|grant| grant.role.clone()).collect()
    }

    /// The application role in a token that grants an operation of Microsoft Graph.
    /// A role that was taken away goes on granting it while the token lives.
    fn granting_app_role(&self, caller: &Caller, operation: &Operation) -> Option<Grant> {
        let mut roles = caller.app_roles.iter();
        let role = roles.find(|role| self.shared.roles.grants(role, operation.permission))?;
        Some(Grant {
            identity: caller.name.clone(),
            role: role.clone(),
            scope: operation.scope.clone(),
        })
    }

    fn granting(&self, caller: &Caller, operation: &Operation) -> Option<Grant> {
        if let Permission::GraphAction(_) = operation.permission {
            return self.granting_app_role(caller, operation);
        }
        let grants = self
            .shared
            .grants
            .read()
            .expect("no one panics while holding the grants");
        grants
            .as_of(self.shared.faults.roles_seen_as_of(&caller.name))
            .iter()
            .find(|grant| {
                let covers = operation.scope.is_within(&grant.scope)
                    || operation.reach == Reach::AnywhereWithin
                        && grant.scope.is_within(&operation.scope);
                grant.identity == caller.name
                    && covers
                    && self.shared.roles.grants(&grant.role, operation.permission)
            })
            .cloned()
    }

    async fn hold(&self, caller: &Caller, operation: &str, scope: &Scope) {
        self.shared
            .holds
            .wait(&caller.name, operation, &scope.to_string())
            .await;
    }

    fn audit(
        &self,
        caller: &Caller,
        operation: &Operation,
        name: &str,
        decision: Decision,
        why: String,
    ) {
        let denied = decision == Decision::Denied;
        let code = denied.then(|| "NoRoleAssignment".to_owned());
        let explanation = denied.then(|| Box::new(self.explain_role(caller, operation)));
        self.shared.audit.record(Entry {
            by: caller.by.to_owned(),
            operation: name.to_owned(),
            identity: Some(caller.name.clone()),
            subject: caller.subject.clone(),
            action: operation.permission.name().to_owned(),
            scope: operation.scope.to_string(),
            decision,
            code,
            why,
            token: caller.token_id.clone(),
            explanation,
        });
    }
}
