//! Grants against what the code does with them.

use std::collections::BTreeSet;

use crate::trust::World;
use crate::trust::access::Grant;
use crate::trust::finding::{Code, Report};
use crate::trust::roles::Role;
use crate::trust::uses::{Use, Uses};

pub(super) fn check(world: &World, report: &mut Report) {
    let Some(uses) = &world.uses else {
        report.unknown.push(
            "whether a grant is used, or wider than its uses: what the code does is not told; \
             --uses FILE tells it"
                .to_owned(),
        );
        return;
    };
    for grant in &world.access.grants {
        let identity = world.access.identity(&grant.identity);
        if identity.is_some_and(|identity| identity.external) {
            continue;
        }
        match world.roles.find(&grant.role.name) {
            Some(role) => against_uses(world, grant, role, uses, report),
            None => report.unknown.push(format!(
                "{}: what the role `{}` allows: it is not in infra/roles.json",
                grant.role.place, grant.role.name
            )),
        }
    }
    for used in &uses.uses {
        is_granted(world, used, report);
    }
}

fn against_uses(world: &World, grant: &Grant, role: &Role, uses: &Uses, report: &mut Report) {
    let Grant {
        identity,
        role: name,
        scope,
    } = grant;
    let about = format!("{identity}: {}", scope.name);
    let served: Vec<&Use> = uses
        .uses
        .iter()
        .filter(|used| used.identity == *identity && is_within(&used.scope, &scope.name))
        .filter(|used| used.actions.iter().any(|action| role.allows(action)))
        .collect();
    if served.is_empty() {
        report.add(
            Code::UnusedGrant,
            &scope.place,
            &about,
            format!(
                "`{identity}` has `{}` on `{}`, and nothing that it does needs it",
                name.name, scope.name
            ),
            "take the grant out".to_owned(),
        );
        return;
    }
    if served.iter().all(|used| used.scope != scope.name) {
        let narrower: BTreeSet<_> = served
            .iter()
            .map(|used| format!("`{}`", used.scope))
            .collect();
        let narrower: Vec<_> = narrower.into_iter().collect();
        report.add(
            Code::WiderScope,
            &scope.place,
            &about,
            format!(
                "`{identity}` has `{}` on all of `{}`, and uses it below only",
                name.name, scope.name
            ),
            format!("grant it on {}", narrower.join(" and on ")),
        );
    }
    let actions: Vec<&str> = served
        .iter()
        .flat_map(|used| &used.actions)
        .map(String::as_str)
        .collect();
    let narrower = world.roles.narrower(&name.name, &actions);
    if !narrower.is_empty() {
        report.add(
            Code::WiderRole,
            &name.place,
            &about,
            format!(
                "`{identity}` has `{}` on `{}`, and needs less",
                name.name, scope.name
            ),
            format!("grant `{}`", narrower.join("` or `")),
        );
    }
}

/// Whether every action of a use is granted at its scope or above.
fn is_granted(world: &World, used: &Use, report: &mut Report) {
    let grants = || {
        let grants = world.access.grants.iter();
        grants.filter(|grant| {
            grant.identity == used.identity && is_within(&used.scope, &grant.scope.name)
        })
    };
    // What a role allows that is not known here, nobody can say.
    if grants().any(|grant| world.roles.find(&grant.role.name).is_none()) {
        return;
    }
    let missing: Vec<_> = used
        .actions
        .iter()
        .filter(|action| {
            !grants().any(|grant| {
                let role = world.roles.find(&grant.role.name);
                role.is_some_and(|role| role.allows(action))
            })
        })
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return;
    }
    report.add(
        Code::UseWithoutGrant,
        &used.place,
        &format!("{}: {}", used.identity, used.scope),
        format!(
            "`{}` needs `{}` on `{}`, and no grant allows it",
            used.identity,
            missing.join("`, `"),
            used.scope
        ),
        "add a grant of a role that allows it, at this scope".to_owned(),
    );
}

fn is_within(scope: &str, other: &str) -> bool {
    scope == other
        || scope
            .strip_prefix(other)
            .is_some_and(|below| below.starts_with('/'))
}
