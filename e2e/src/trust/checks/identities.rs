//! Identities: who shares one, and how many trust it has.

use std::collections::BTreeSet;

use crate::trust::World;
use crate::trust::access::Identity;
use crate::trust::finding::{Code, Report};

/// How many federated credentials Entra ID takes for one identity.
const MOST: usize = 20;

pub(super) fn check(world: &World, report: &mut Report) {
    for identity in &world.access.identities {
        shared(identity, report);
        number(identity, report);
    }
}

fn shared(identity: &Identity, report: &mut Report) {
    let own = identity.accounts.iter().map(|account| {
        format!(
            "system:serviceaccount:{}:{}",
            account.namespace, account.name
        )
    });
    let others = identity
        .credentials
        .iter()
        .filter_map(|credential| credential.text_of("subject").map(str::to_owned));
    // The same subject of several clusters is the same workload.
    let subjects: BTreeSet<String> = own.chain(others).collect();
    let reason = identity.shared_because.as_deref().unwrap_or_default();
    if subjects.len() < 2 || !reason.trim().is_empty() {
        return;
    }
    let list: Vec<_> = subjects
        .iter()
        .map(|subject| format!("`{subject}`"))
        .collect();
    report.add(
        Code::SharedIdentity,
        &identity.place,
        &identity.name,
        format!(
            "identity `{}` is shared by {}: each may do what any of them needs, and no log tells them apart",
            identity.name,
            list.join(", ")
        ),
        "give each its own identity, or say why in `sharedBecause`".to_owned(),
    );
}

fn number(identity: &Identity, report: &mut Report) {
    let count = identity.accounts.len() + identity.credentials.len();
    if count > MOST {
        report.add(
            Code::TooManyCredentials,
            &identity.place,
            &identity.name,
            format!(
                "identity `{}` has {count} federated credentials, and Entra ID takes {MOST}",
                identity.name
            ),
            "split the identity".to_owned(),
        );
    }
}
