//! Pods: what the webhook needs to act, and what gets in its way.

use crate::manifests::objects::{Account, Workload, variables};
use crate::node::Node;
use crate::trust::World;
use crate::trust::finding::{Code, Report};

const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";

pub(super) fn check(world: &World, report: &mut Report) {
    for account in &world.objects.accounts {
        if let Some(text) = account.annotation(EXPIRATION) {
            lifetime(
                &format!("service account `{}`", account.full_name()),
                &account.full_name(),
                text,
                report,
            );
        }
    }
    for workload in &world.objects.workloads {
        let account = world
            .objects
            .account(&workload.namespace.name, workload.account());
        let labelled = workload
            .label()
            .0
            .is_some_and(|label| label.text() == Some("true"));
        let trusted = world
            .access
            .trusting(&workload.namespace.name, workload.account())
            .is_some();
        let takes_part = trusted || account.is_some_and(|account| account.client_id().is_some());
        is_there(workload, account, labelled || trusted, report);
        if takes_part {
            label(workload, report);
        }
        if takes_part || labelled {
            client_id(workload, account, report);
            skipping(workload, report);
            mounted(workload, account, report);
        }
        let about = workload.full_name();
        if let Some(text) = workload.annotation(EXPIRATION) {
            lifetime(&format!("the pods of {about}"), &about, text, report);
        }
        for token in workload.tokens() {
            projected_lifetime(&about, token, report);
        }
    }
}

/// Every namespace has a service account `default`.
fn is_there(workload: &Workload, account: Option<&Account>, matters: bool, report: &mut Report) {
    let name = workload.account();
    if account.is_some() || (name == "default" && !matters) {
        return;
    }
    let (about, namespace) = (workload.full_name(), &workload.namespace.name);
    let message = if name == "default" {
        format!("the pods of {about} run as `default`, for they name no service account")
    } else {
        format!(
            "the pods of {about} run as service account `{name}`, which is not in namespace `{namespace}`: they are not admitted"
        )
    };
    report.add(
        Code::MissingServiceAccount,
        workload.account_place(),
        &about,
        message,
        format!(
            "add a ServiceAccount in namespace `{namespace}`, and name it in `serviceAccountName`"
        ),
    );
}

fn label(workload: &Workload, report: &mut Report) {
    let (label, place) = workload.label();
    let what = match label {
        Some(label) if label.text() == Some("true") => return,
        Some(label) if label.is(true) => "is no text, which the API server refuses",
        Some(_) => "is not \"true\", so the webhook leaves them alone",
        None => "is missing, so the webhook leaves them alone",
    };
    let about = workload.full_name();
    report.add(
        Code::MissingLabel,
        place,
        &about,
        format!("the label azure.workload.identity/use of the pods of {about} {what}"),
        "label the pods (the template, not the workload): azure.workload.identity/use: \"true\""
            .to_owned(),
    );
}

/// The webhook never overrides a variable that is set.
fn client_id(workload: &Workload, account: Option<&Account>, report: &mut Report) {
    let annotated = account.and_then(Account::client_id).and_then(Node::text);
    let about = workload.full_name();
    for container in workload.containers() {
        let set = variables(container).find(|v| v.text_of("name") == Some("AZURE_CLIENT_ID"));
        let Some(value) = set.and_then(|variable| variable.get("value")) else {
            continue;
        };
        let found = value.text().unwrap_or_default();
        if annotated.is_some_and(|own| own.eq_ignore_ascii_case(found)) {
            continue;
        }
        report.add(
            Code::OverriddenClientId,
            &value.place,
            &about,
            format!(
                "container `{}` of {about} sets AZURE_CLIENT_ID to `{found}`, and its service account \
                 is annotated with {}; the webhook does not override it",
                container.text_of("name").unwrap_or_default(),
                annotated.map_or_else(|| "nothing".to_owned(), |own| format!("`{own}`")),
            ),
            "leave the variable to the webhook".to_owned(),
        );
    }
}

fn skipping(workload: &Workload, report: &mut Report) {
    let Some(annotation) = workload.annotation("azure.workload.identity/skip-containers") else {
        return;
    };
    let skipped: Vec<&str> = annotation
        .text()
        .unwrap_or_default()
        .split(';')
        .map(str::trim)
        .collect();
    let containers = workload
        .spec("containers")
        .map(Node::items)
        .unwrap_or_default();
    let mut names = containers
        .iter()
        .filter_map(|container| container.text_of("name"));
    if names.all(|name| skipped.contains(&name)) {
        let about = workload.full_name();
        report.add(
            Code::SkipsEveryContainer,
            &annotation.place,
            &about,
            format!("skip-containers names every container of {about}: none gets a token"),
            "name only sidecars, separated by semicolons".to_owned(),
        );
    }
}

/// The pod's own setting beats that of its service account; without either the
/// token is mounted.
fn mounted(workload: &Workload, account: Option<&Account>, report: &mut Report) {
    const FIELD: &str = "automountServiceAccountToken";
    let of_account = account.and_then(|account| account.object.get(FIELD));
    let setting = workload.spec(FIELD).or(of_account);
    if setting.is_some_and(|setting| setting.is(false)) {
        return;
    }
    let about = workload.full_name();
    report.add(
        Code::MountedApiToken,
        setting.map_or(&workload.place, |setting| &setting.place),
        &about,
        format!("the pods of {about} are given a token for the API server, of which workload identity has no need"),
        format!("set `{FIELD}: false` in the pod's spec"),
    );
}

/// The webhook's own bounds.
fn lifetime(what: &str, about: &str, text: &Node, report: &mut Report) {
    let seconds = text.text().and_then(|text| text.parse::<i64>().ok());
    if seconds.is_some_and(|seconds| (3600..=86400).contains(&seconds)) {
        return;
    }
    let found = text.number().map_or_else(
        || text.text().unwrap_or_default().to_owned(),
        |number| number.to_string(),
    );
    report.add(
        Code::TokenExpiration,
        &text.place,
        about,
        format!("the token lifetime `{found}` of {what} is not admitted"),
        "write a text of whole seconds, \"3600\" to \"86400\"".to_owned(),
    );
}

/// Kubernetes' own bound.
fn projected_lifetime(about: &str, token: &Node, report: &mut Report) {
    let Some(seconds) = token.get("expirationSeconds") else {
        return;
    };
    if seconds.number().is_some_and(|seconds| seconds >= 600) {
        return;
    }
    report.add(
        Code::TokenExpiration,
        &seconds.place,
        about,
        format!(
            "a token that {about} projects lives shorter than 600 seconds, which Kubernetes refuses"
        ),
        "write 600 or more".to_owned(),
    );
}
