//! Service accounts of the manifests and those that the access file trusts.

use crate::manifests::objects::Account;
use crate::trust::World;
use crate::trust::access::{Identity, Trusted};
use crate::trust::finding::{Code, Report};

pub(super) fn check(world: &World, report: &mut Report) {
    let own = world.access.identities.iter();
    for identity in own.filter(|identity| !identity.external) {
        for trusted in &identity.accounts {
            trusted_is_there(world, identity, trusted, report);
        }
    }
    for account in &world.objects.accounts {
        client_id(world, account, report);
        is_used(world, account, report);
    }
}

fn trusted_is_there(world: &World, identity: &Identity, trusted: &Trusted, report: &mut Report) {
    let Trusted {
        namespace, name, ..
    } = trusted;
    if world.objects.account(namespace, name).is_some() {
        return;
    }
    let about = format!("{namespace}/{name}");
    let subject = format!("system:serviceaccount:{namespace}:{name}");
    // The same name elsewhere, which nobody trusts there, is meant.
    let elsewhere = world.objects.accounts.iter().find(|account| {
        account.name == *name
            && world
                .access
                .trusting(&account.namespace.name, name)
                .is_none()
    });
    let Some(account) = elsewhere else {
        report.add(
            Code::DanglingSubject,
            &trusted.place,
            &about,
            format!(
                "identity `{}` trusts `{subject}`, and no manifest has that service account",
                identity.name
            ),
            format!(
                "add a ServiceAccount `{name}` in namespace `{namespace}`, or take the trust out"
            ),
        );
        return;
    };
    let actual = &account.namespace;
    report.add(
        Code::WrongNamespace,
        &actual.place,
        &account.full_name(),
        format!(
            "service account `{name}` is in namespace `{}`, and identity `{}` trusts `{subject}` ({}); \
             its tokens are refused with AADSTS700213",
            actual.name, identity.name, trusted.place
        ),
        format!("put it into namespace `{namespace}`, or let the identity trust `{}`", account.full_name()),
    );
}

fn client_id(world: &World, account: &Account, report: &mut Report) {
    let about = account.full_name();
    let trusting = world
        .access
        .trusting(&account.namespace.name, &account.name);
    let own = trusting.and_then(|identity| world.client_ids.of(&identity.name));
    let Some(node) = account.client_id() else {
        if let Some(identity) = trusting {
            let id = own.unwrap_or_else(|| format!("<the client id of {}>", identity.name));
            report.add(
                Code::MissingAnnotation,
                &account.place,
                &about,
                format!(
                    "service account `{about}` is trusted by identity `{}` and has no client id: \
                     its pods do not get AZURE_CLIENT_ID",
                    identity.name
                ),
                format!("annotate it: azure.workload.identity/client-id: {id}"),
            );
        }
        return;
    };
    let found = node.text().unwrap_or_default();
    let named = world.access.identities.iter().find(|identity| {
        let id = world.client_ids.of(&identity.name);
        id.is_some_and(|id| id.eq_ignore_ascii_case(found))
    });
    match (trusting, named) {
        (Some(trusting), Some(named)) if trusting.name == named.name => {}
        (Some(trusting), Some(named)) => report.add(
            Code::ForeignClientId,
            &node.place,
            &about,
            format!(
                "service account `{about}` is annotated with the client id of identity `{}`, and \
                 is trusted by `{}` ({}); its tokens are refused with AADSTS700213",
                named.name, trusting.name, trusting.place
            ),
            own.map_or_else(
                || format!("write the client id of `{}`", trusting.name),
                |id| format!("write {id}"),
            ),
        ),
        (None, Some(named)) => {
            // In another namespace than the trusted one: told once, as that.
            let misplaced = named.accounts.iter().any(|trusted| {
                trusted.name == account.name
                    && world
                        .objects
                        .account(&trusted.namespace, &trusted.name)
                        .is_none()
            });
            if !misplaced {
                report.add(
                    Code::DanglingSubject,
                    &node.place,
                    &about,
                    format!(
                        "service account `{about}` is annotated with the client id of identity `{}`, \
                         which does not trust it; nobody does",
                        named.name
                    ),
                    format!("add it to the `serviceAccounts` of `{}` ({})", named.name, named.place),
                );
            }
        }
        (_, None) => report.add(
            Code::UnknownClientId,
            &node.place,
            &about,
            format!(
                "service account `{about}` is annotated with `{found}`, which is the client id of \
                 no identity of the access file; Entra ID answers AADSTS700016"
            ),
            own.map_or_else(
                || "declare the identity, or tell the real client ids with --client-ids".to_owned(),
                |id| format!("write {id}"),
            ),
        ),
    }
}

fn is_used(world: &World, account: &Account, report: &mut Report) {
    let used = world.objects.workloads.iter().any(|workload| {
        workload.account() == account.name && workload.namespace.name == account.namespace.name
    });
    let trusting = world
        .access
        .trusting(&account.namespace.name, &account.name);
    if !used && !trusting.is_some_and(|identity| identity.external) {
        let about = account.full_name();
        report.add(
            Code::UnusedServiceAccount,
            &account.place,
            &about,
            format!("no pod runs as service account `{about}`"),
            "take it out, or name it in a pod's `serviceAccountName`".to_owned(),
        );
    }
}
