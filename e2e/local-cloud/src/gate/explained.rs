//! What the gate knows of a refusal, for its explanation.

use super::{Audience, Caller, Gate, Operation, TokenRefusal};
use crate::explain::Explanation;
use crate::explain::role::{self, Asked, Assigned};
use crate::explain::token::{self, Presented, Taken};
use crate::jwt::Unverified;
use crate::names;

impl Gate {
    /// Why a token is not accepted. What it says of itself is not verified.
    pub(super) fn explain_token(
        &self,
        refusal: &TokenRefusal,
        token: Option<&str>,
        audience: &Audience,
    ) -> Explanation {
        let read = token.and_then(|token| Unverified::read(token).ok());
        let presented = read.map_or_else(Presented::default, |token| Presented {
            object_id: token.claims().text("oid").map(str::to_owned),
            from: token.claims().seconds("nbf"),
            until: token.claims().seconds("exp"),
        });
        let expected = Taken {
            by: audience.by,
            audience: audience.expected(),
            issuer: &names::token_issuer(names::tenant_id()),
            now: self.shared.clock.now(),
        };
        token::explain(refusal, &presented, &expected)
    }

    /// Why no role was enough.
    pub(super) fn explain_role(&self, caller: &Caller, operation: &Operation) -> Explanation {
        let grants = self
            .shared
            .grants
            .read()
            .expect("no one panics while holding the grants");
        let asked = Asked {
            by: caller.by,
            identity: &caller.name,
            action: operation.permission.name(),
            kind: operation.permission.kind(),
            scope: &operation.scope,
        };
        let assigned = Assigned {
            model: &self.shared.model,
            roles: &self.shared.roles,
            grants: grants.as_of(self.shared.faults.roles_seen_as_of(&caller.name)),
        };
        role::explain(&asked, &assigned)
    }
}
