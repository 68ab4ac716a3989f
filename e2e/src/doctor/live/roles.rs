//! Role assignments of a live environment: those that the grants of the access file
//! want, and those that none of them stands for. A deployment only adds, so a grant
//! that was taken out of the file stays on Azure until somebody deletes it there.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::super::Wanted;
use super::super::facts::{Seen, Surplus};
use super::command::{Command, Runner};
use super::scope::{self, Scope};
use super::{Live, Principal};
use crate::trust::access::Grant;
use crate::trust::roles::Roles;

/// A grant of the access file, and where its role assignment would be listed.
struct Placed<'a> {
    grant: &'a Grant,
    scope: Scope,
    from: String,
}

impl Placed<'_> {
    /// Whether the assignment gives what is granted, there or above.
    fn is_given_by(&self, own: &Surplus) -> bool {
        self.is_of(own) && self.scope.is_within(&own.scope)
    }

    /// Whether the assignment gives just what is granted.
    fn is_exactly(&self, own: &Surplus) -> bool {
        self.is_of(own) && self.scope.is(&own.scope)
    }

    fn is_of(&self, own: &Surplus) -> bool {
        own.identity == self.grant.identity && own.role == self.grant.role.name
    }
}

impl<R: Runner> Live<R> {
    /// For each grant of the access file: whether it is there; and what else these
    /// identities have.
    pub(super) fn roles(
        &self,
        wanted: &Wanted,
        identities: &BTreeMap<String, Principal>,
    ) -> Result<(Vec<Seen<bool>>, Vec<Surplus>)> {
        let mut listed = BTreeMap::new();
        for principal in identities.values() {
            let command = Command::ListRoles {
                assignee: principal.object_id.clone(),
            };
            listed.insert(command.to_string(), self.assigned(&command, identities)?);
        }
        let mut placed = Vec::new();
        for grant in &wanted.0.grants {
            let Some(principal) = identities.get(&grant.identity) else {
                placed.push(None);
                continue;
            };
            let (scope, command) = self.place(grant, principal, wanted)?;
            let from = command.to_string();
            if !listed.contains_key(&from) {
                listed.insert(from.clone(), self.assigned(&command, identities)?);
            }
            placed.push(Some(Placed { grant, scope, from }));
        }

        let mut assigned: Vec<Surplus> = listed.into_values().flatten().collect();
        let held = placed.iter().map(|placed| match placed {
            None => Seen::new(false, String::new()),
            Some(placed) => {
                let is_held = assigned.iter().any(|own| placed.is_given_by(own));
                Seen::new(is_held, &placed.from)
            }
        });
        let held = held.collect();
        assigned.retain(|own| !placed.iter().flatten().any(|placed| placed.is_exactly(own)));
        Ok((held, assigned))
    }

    /// Where a grant is on Azure, and what lists its role assignments.
    fn place(
        &self,
        grant: &Grant,
        principal: &Principal,
        wanted: &Wanted,
    ) -> Result<(Scope, Command)> {
        let scope = scope::azure(
            &grant.scope.name,
            &wanted.0.resources,
            &self.environment.resources,
            &principal.group,
        )
        .with_context(|| format!("{}", grant.scope.place))?;
        let command = match &scope.cosmos_account {
            None => Command::ListRoles {
                assignee: principal.object_id.clone(),
            },
            Some(account) => Command::ListCosmosRoles {
                group: self.environment.resource_group.clone(),
                account: account.clone(),
            },
        };
        Ok((scope, command))
    }

    /// The role assignments of these identities that a command lists.
    fn assigned(
        &self,
        command: &Command,
        identities: &BTreeMap<String, Principal>,
    ) -> Result<Vec<Surplus>> {
        let roles = Roles::built_in()?;
        let answer = self.json(command)?;
        let list = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let own = list.iter().filter_map(|own| {
            let (identity, _) = identities
                .iter()
                .find(|(_, principal)| own["principalId"] == *principal.object_id)?;
            // Azure RBAC tells the role's name, Cosmos DB its id.
            let id = own["roleDefinitionId"].as_str().unwrap_or_default();
            let id = id.rsplit('/').next().unwrap_or_default();
            let name = own["roleDefinitionName"].as_str();
            Some(Surplus {
                identity: identity.clone(),
                role: name.or(roles.cosmos(id)).unwrap_or(id).to_owned(),
                scope: own["scope"].as_str().unwrap_or_default().to_owned(),
                from: command.to_string(),
            })
        });
        Ok(own.collect())
    }
}
