//! Audiences: of projected tokens, of calls, of settings.

use crate::manifests::objects::Workload;
use crate::node::Place;
use crate::trust::access::Call;
use crate::trust::finding::{Code, Report};
use crate::trust::near::nearly;
use crate::trust::{EXCHANGE_AUDIENCE, World};

pub(super) fn check(world: &World, report: &mut Report) {
    for workload in &world.objects.workloads {
        for token in workload.tokens() {
            if let Some(audience) = token.get("audience") {
                let what = format!("a token that {} projects is", workload.full_name());
                typo(
                    world,
                    &what,
                    &workload.full_name(),
                    audience.text(),
                    &audience.place,
                    report,
                );
            }
        }
    }
    for setting in &world.objects.settings {
        if setting.name.to_ascii_uppercase().contains("AUDIENCE") {
            let what = format!("the setting {} is", setting.name);
            typo(
                world,
                &what,
                &setting.name,
                Some(&setting.value),
                &setting.place,
                report,
            );
        }
    }
    for identity in &world.access.identities {
        for credential in &identity.credentials {
            if let Some(audience) = credential.get("audience") {
                let what = format!("identity `{}` trusts tokens", identity.name);
                typo(
                    world,
                    &what,
                    &identity.name,
                    audience.text(),
                    &audience.place,
                    report,
                );
            }
        }
    }
    for call in &world.access.calls {
        is_projected(world, call, report);
    }
}

/// The audience that is meant by one that is nearly it.
fn meant<'w>(world: &'w World, found: &str) -> Option<&'w str> {
    let calls = world.access.calls.iter();
    let mut known = calls
        .map(|call| call.audience.name.as_str())
        .chain([EXCHANGE_AUDIENCE]);
    if known.clone().any(|known| known == found) {
        return None;
    }
    known.find(|known| nearly(found, known))
}

fn typo(
    world: &World,
    what: &str,
    about: &str,
    found: Option<&str>,
    place: &Place,
    report: &mut Report,
) {
    let Some((found, meant)) = found.and_then(|found| Some((found, meant(world, found)?))) else {
        return;
    };
    report.add(
        Code::AudienceTypo,
        place,
        about,
        format!("{what} for the audience `{found}`, which is nearly `{meant}`; audiences are compared to the character"),
        format!("write {meant}"),
    );
}

/// Whoever calls has a token for it.
fn is_projected(world: &World, call: &Call, report: &mut Report) {
    let Some(caller) = world.access.identities.iter().find(|i| i.name == call.from) else {
        return;
    };
    let runs_as = |workload: &&Workload| {
        caller.accounts.iter().any(|account| {
            account.name == workload.account() && account.namespace == workload.namespace.name
        })
    };
    let callers: Vec<_> = world.objects.workloads.iter().filter(runs_as).collect();
    let has = |workload: &&Workload| {
        workload
            .tokens()
            .filter_map(|token| token.text_of("audience"))
            .any(|own| own == call.audience.name || meant(world, own) == Some(&call.audience.name))
    };
    // A caller without pods is told elsewhere.
    if callers.is_empty() || callers.iter().any(has) {
        return;
    }
    let names: Vec<_> = callers
        .iter()
        .map(|workload| workload.full_name())
        .collect();
    report.add(
        Code::CallWithoutToken,
        &call.audience.place,
        &format!("{} to {}", call.from, call.to),
        format!(
            "`{}` calls `{}` with a token for `{}`, and {} projects none",
            call.from,
            call.to,
            call.audience.name,
            names.join(", ")
        ),
        format!(
            "add a projected volume with a serviceAccountToken for the audience {}",
            call.audience.name
        ),
    );
}
