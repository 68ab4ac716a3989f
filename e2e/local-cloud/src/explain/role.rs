//! A role that is missing: what the operation needs and where, against what the
//! identity was granted.

use super::differences::likeness;
use super::{Against, Difference, Explanation, Fix, SpotKind, az, cut};
use crate::model::{Grant, Model, Scope};
use crate::roles::{Kind, Roles};

/// What was asked of a resource, and by whom.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The service: `key vault`, `cosmos`, `blob`, `service bus`.
    pub by: &'a str,
    /// The identity, by its name in the access model.
    pub identity: &'a str,
    /// The action that a role has to grant.
    pub action: &'a str,
    /// Of which kind it is.
    pub kind: Kind,
    /// Where.
    pub scope: &'a Scope,
}

/// What roles are measured against.
#[derive(Clone, Copy, Debug)]
pub struct Assigned<'a> {
    /// The access model.
    pub model: &'a Model,
    /// The role definitions.
    pub roles: &'a Roles,
    /// The grants as they stand now; a test or a lab may have changed them.
    pub grants: &'a [Grant],
}

/// The code by which a service refuses an action that no role grants.
pub fn code(by: &str, action: &str) -> &'static str {
    match by {
        "key vault" => "ForbiddenByRbac",
        "cosmos" if action.ends_with("/readMetadata") => "403/5301",
        "cosmos" => "403/5302",
        "blob" => "AuthorizationPermissionMismatch",
        "service bus" => "amqp:unauthorized-access",
        "graph" => "Authorization_RequestDenied",
        _ => "NoRoleAssignment",
    }
}

/// Explains why no role of the identity was enough.
pub fn explain(asked: &Asked<'_>, assigned: &Assigned<'_>) -> Explanation {
    let mut explanation = Explanation::of_code(code(asked.by, asked.action));
    let Asked {
        identity,
        action,
        scope,
        ..
    } = *asked;
    explanation.cause_is_known(format!(
        "No role of `{identity}` grants {} at {} or above.",
        cut(action),
        cut(&scope.to_string())
    ));
    let story = Story { asked, assigned };
    if let Some(withdrawn) = story.withdrawn() {
        story.tell_withdrawn(&mut explanation, withdrawn);
        return explanation;
    }
    story.compare(&mut explanation);
    story.undeclared(&mut explanation);
    story.mend(&mut explanation);
    explanation
}

struct Story<'a> {
    asked: &'a Asked<'a>,
    assigned: &'a Assigned<'a>,
}

impl Story<'_> {
    fn grants_it(&self, role: &str) -> bool {
        let Asked { kind, action, .. } = *self.asked;
        self.assigned.roles.lists(role, kind, action)
    }

    fn covers(&self, grant: &Grant) -> bool {
        self.asked.scope.is_within(&grant.scope)
    }

    fn line(&self, grant: &Grant) -> Option<usize> {
        self.assigned.model.places.grant(grant)
    }

    /// A grant of the file that would have been enough, and was taken away since.
    fn withdrawn(&self) -> Option<&Grant> {
        let enough = |grant: &&Grant| {
            grant.identity == self.asked.identity
                && self.covers(grant)
                && self.grants_it(&grant.role)
                && !self.assigned.grants.contains(grant)
        };
        self.assigned.model.grants.iter().find(enough)
    }

    fn tell_withdrawn(&self, explanation: &mut Explanation, grant: &Grant) {
        explanation
            .summary
            .push_str(" The access model grants it, but the assignment was taken away since.");
        explanation.differences.push(Difference::whole(
            "role assignment",
            Some(format!("{} at {}", grant.role, grant.scope)),
            None,
            Against::Granted,
            "it was revoked while the cloud runs",
        ));
        let what = format!(
            "Assign role `{}` again; the access model has it here",
            grant.role
        );
        explanation
            .fixes
            .push(self.assign(Fix::new(what), grant, self.line(grant)));
    }

    /// The grants that come nearest: the right role elsewhere, another role here.
    fn compare(&self, explanation: &mut Explanation) {
        let Asked {
            identity,
            action,
            scope,
            ..
        } = *self.asked;
        let wanted = cut(&scope.to_string());
        let own = || {
            self.assigned
                .grants
                .iter()
                .filter(|grant| grant.identity == identity)
        };
        let here = own().find(|grant| self.covers(grant));
        if let Some(grant) = here {
            let words = format!(
                "role `{}` stands at {}, and does not have this action",
                grant.role, grant.scope
            );
            explanation.differences.push(Difference::whole(
                "action",
                Some(action.to_owned()),
                Some(
                    self.assigned
                        .roles
                        .actions(&grant.role, self.asked.kind)
                        .join(", "),
                ),
                Against::Granted,
                words,
            ));
        }
        let same_resource =
            |grant: &&Grant| grant.scope.segments().first() == scope.segments().first();
        let elsewhere = own()
            .filter(|grant| self.grants_it(&grant.role))
            .filter(same_resource)
            .max_by_key(|grant| likeness(&wanted, &grant.scope.to_string()));
        if let Some(grant) = elsewhere
            && let Some(mut difference) =
                Difference::between("scope", &wanted, &grant.scope.to_string(), Against::Granted)
        {
            difference.words = format!("{}; role `{}` stands there", difference.words, grant.role);
            explanation.differences.push(difference);
        }
        if explanation.differences.is_empty() {
            let resource = scope.segments().first().cloned().unwrap_or_default();
            explanation.differences.push(Difference::whole(
                "role",
                Some(format!("{action} at {wanted}")),
                None,
                Against::Granted,
                format!("`{identity}` has no role at {resource} that has to do with it"),
            ));
        }
    }

    /// A scope that the access model does not know may be a slip.
    fn undeclared(&self, explanation: &mut Explanation) {
        let scope = self.asked.scope;
        if self.assigned.model.declares(scope) {
            return;
        }
        let known = self.assigned.model.scopes();
        let wanted = cut(&scope.to_string());
        let same_kind = known.into_iter().filter(|known| {
            known.segments().len() == scope.segments().len()
                && known.segments().first() == scope.segments().first()
        });
        let nearest = same_kind.map(|known| known.to_string());
        let nearest = nearest.max_by_key(|known| likeness(&wanted, known));
        let Some(nearest) = nearest else { return };
        explanation
            .summary
            .push_str(" The access model does not declare that scope: is it a slip?");
        if let Some(difference) = Difference::between("name", &wanted, &nearest, Against::Expected)
        {
            explanation.differences.push(difference);
        }
    }

    fn mend(&self, explanation: &mut Explanation) {
        let Asked {
            identity,
            kind,
            action,
            ..
        } = *self.asked;
        let model = self.assigned.model;
        let other = self.assigned.grants.iter().find(|grant| {
            grant.identity != identity && self.covers(grant) && self.grants_it(&grant.role)
        });
        let role = self.assigned.roles.narrowest(kind, action);
        if let Some(role) = role
            && let Some(scope) = self.assignable()
        {
            let grant = Grant {
                identity: identity.to_owned(),
                role: role.to_owned(),
                scope,
            };
            let what = format!(
                "If `{identity}` is meant to do this, add behind this line: {{ \"identity\": \"{identity}\", \"role\": \"{role}\", \"scope\": \"{}\" }}",
                grant.scope
            );
            let line = model.places.last_grant_of(identity);
            explanation
                .fixes
                .push(self.assign(Fix::new(what), &grant, line));
        }
        if let Some(other) = other {
            let accounts = model.accounts_of(identity);
            let mut fix = Fix::new(format!(
                "It is `{}` that may do this: is the pod meant to run as that one?",
                other.identity
            ))
            .at(&model.places.file, self.line(other));
            if let Some(account) = accounts.first() {
                fix = fix.with_spot(SpotKind::ServiceAccountName, account);
            }
            explanation.fixes.push(fix);
        }
        if explanation.fixes.is_empty() {
            let what = format!(
                "No role of `infra/roles.json` has {}; it may not be meant for workloads",
                cut(action)
            );
            explanation.fixes.push(Fix::new(what));
        }
    }

    /// The narrowest declared scope that a role for this can stand at.
    fn assignable(&self) -> Option<Scope> {
        let segments = self.asked.scope.segments();
        let lengths = (1..=segments.len()).rev();
        let scopes = lengths.map(|length| Scope::new(segments[..length].iter().cloned()));
        scopes
            .into_iter()
            .find(|scope| self.assigned.model.declares(scope))
    }

    fn assign(&self, fix: Fix, grant: &Grant, line: Option<usize>) -> Fix {
        let Assigned { model, roles, .. } = *self.assigned;
        let az = az::assign_role(model, roles, &grant.identity, &grant.role, &grant.scope);
        fix.at(&model.places.file, line).with_az(az)
    }
}
