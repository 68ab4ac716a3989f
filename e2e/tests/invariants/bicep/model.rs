//! The access model and the templates: what the one says, the other makes, and
//! nothing of it is said twice.

use std::collections::BTreeSet;

use local_cloud::model::Model;
use local_cloud::roles::Roles;
use serde_json::Value as Json;

use super::template::{Kind, Template, Value};
use super::{Files, holds, of_templates};

/// The options of `main.bicep` with identities of their own, by parameter.
pub(super) const OPTIONS: [&str; 2] = ["gateway", "keda"];

/// What a form of scope is assigned by: in the model, and by which module.
const FORMS: [(&[&str], &str, &str); 4] = [
    (
        &["vault", "secrets", "*"],
        "vault/secrets/",
        "grant-key-vault.bicep",
    ),
    (
        &["cosmos", "databases", "*", "containers", "*"],
        "cosmos/databases/",
        "grant-cosmos.bicep",
    ),
    (
        &["storage", "containers", "*"],
        "storage/containers/",
        "grant-storage.bicep",
    ),
    (
        &["bus", "queues", "*"],
        "bus/queues/",
        "grant-service-bus.bicep",
    ),
];

/// What of the access model `main.bicep` has to hand on.
const HANDED_ON: [&str; 4] = [
    "access.resources.vault.secrets",
    "access.resources.cosmos.databases",
    "access.resources.storage.containers",
    "access.resources.bus.queues",
];

/// The access model with all options on, as one document.
pub(super) fn whole(files: &Files) -> Json {
    with_options(files, &OPTIONS)
}

pub(super) fn with_options(files: &Files, options: &[&str]) -> Json {
    let mut access = files.json("infra/access.json");
    for option in options {
        let mut own = files.json(&format!("infra/options/{option}.json"));
        let grants = own["grants"].as_array_mut().expect("grants").split_off(0);
        access["grants"]
            .as_array_mut()
            .expect("grants")
            .extend(grants);
        for (name, identity) in own["identities"].as_object().expect("identities") {
            let before = access["identities"]
                .as_object_mut()
                .expect("identities")
                .insert(name.clone(), identity.clone());
            assert_eq!(before, None, "`{name}` of {option} is there already");
        }
    }
    access
}

fn grants(access: &Json) -> impl Iterator<Item = (&str, &str, &str)> {
    let each = access["grants"].as_array().expect("grants").iter();
    each.map(|grant| {
        let text = |name: &str| grant[name].as_str().expect("text");
        (text("identity"), text("role"), text("scope"))
    })
}

/// Grants that the templates would leave out, or could not make.
fn left_out(files: &Files, templates: &[Template]) -> Vec<String> {
    let access = whole(files);
    let roles = files.json("infra/roles.json");
    let mut wrong = Vec::new();
    for (identity, role, scope) in grants(&access) {
        let parts: Vec<&str> = scope.split('/').collect();
        let fits = |form: &[&str]| {
            form.len() == parts.len()
                && form
                    .iter()
                    .zip(&parts)
                    .all(|(own, part)| *own == "*" || own == part)
        };
        let Some((_, prefix, module)) = FORMS.iter().find(|(form, ..)| fits(form)) else {
            wrong.push(format!(
                "`{identity}`: no module grants anything at `{scope}`"
            ));
            continue;
        };
        let known = match *module {
            "grant-cosmos.bicep" => roles["cosmos"].get(role).is_some(),
            "grant-service-bus.bicep" => roles["azure"]
                .get(role)
                .or(roles["custom"].get(role))
                .is_some(),
            _ => roles["azure"].get(role).is_some(),
        };
        if !known {
            wrong.push(format!("`{identity}`: {module} cannot assign `{role}`"));
        }
        let all = templates
            .iter()
            .find(|one| one.file == "modules/grants.bicep");
        let mut modules = all.into_iter().flat_map(|one| one.of_kind(Kind::Module));
        let hands = modules.any(|one| {
            let filter = one
                .value
                .at("params.grants")
                .and_then(Value::text)
                .unwrap_or_default();
            one.of == *module && filter.contains(&format!("startsWith(one.scope, '{prefix}')"))
        });
        if !hands {
            wrong.push(format!(
                "`{identity}`: grants.bicep hands `{scope}` to no {module}"
            ));
        }
    }
    wrong
}

/// Where `main.bicep` takes something else than what the model says.
fn not_from_the_model(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let main = templates
        .iter()
        .find(|one| one.file == "main.bicep")
        .expect("main.bicep");
    let written = |name: &str| {
        main.find(Kind::Variable, name)
            .and_then(|one| one.value.text())
            .unwrap_or_default()
    };
    if written("access") != "loadJsonContent('access.json')" {
        wrong.push("main.bicep: `access` is not access.json".to_owned());
    }
    for option in OPTIONS {
        if written(&format!("{option}Option"))
            != format!("loadJsonContent('options/{option}.json')")
        {
            wrong.push(format!(
                "main.bicep: `{option}Option` is not options/{option}.json"
            ));
        }
        for (variable, member, none) in [
            ("identities", "identities", "{}"),
            ("grants", "grants", "[]"),
        ] {
            let part = format!("{option} ? {option}Option.{member} : {none}");
            if !written(variable).contains(&part) {
                wrong.push(format!("main.bicep: `{variable}` is without `{part}`"));
            }
        }
    }
    for (variable, start) in [
        ("identities", "items(union(access.identities, "),
        ("grants", "concat(access.grants, "),
    ] {
        if !written(variable).starts_with(start) {
            wrong.push(format!(
                "main.bicep: `{variable}` does not begin with those of the model"
            ));
        }
    }
    let text = files.text("infra/main.bicep");
    for member in HANDED_ON {
        if !text.contains(member) {
            wrong.push(format!("main.bicep: nothing is made of `{member}`"));
        }
    }
    for (module, loops) in [
        ("managed-identity.bicep", "[for identity in identities: {"),
        (
            "federated-credentials.bicep",
            "[for (identity, i) in identities: {",
        ),
        ("grants.bicep", "    grants: grants\n"),
    ] {
        let made = main
            .of_kind(Kind::Module)
            .any(|one| one.of == format!("modules/{module}"));
        if !made || text.matches(loops).count() != 1 {
            wrong.push(format!(
                "main.bicep: {module} is not given all of the model"
            ));
        }
    }
    let handed = HANDED_ON.map(|member| member.split('.').nth(2));
    let access = files.json("infra/access.json");
    for name in access["resources"].as_object().expect("resources").keys() {
        if !handed.contains(&Some(name.as_str())) {
            wrong.push(format!("main.bicep: no template makes resource `{name}`"));
        }
    }
    wrong
}

/// Names of the model that stand in a template: it has to take them from the model.
/// The overlay asks for some outputs by name.
fn typed_by_hand(files: &Files, templates: &[Template]) -> Vec<String> {
    let access = whole(files);
    let roles = files.json("infra/roles.json");
    let mut names: BTreeSet<String> = ["azure", "cosmos", "custom"]
        .into_iter()
        .flat_map(|part| roles[part].as_object().expect("roles").keys().cloned())
        .collect();
    names.extend(
        access["identities"]
            .as_object()
            .expect("identities")
            .keys()
            .cloned(),
    );
    inner_names(&access["resources"], &mut names);
    let mut wrong = Vec::new();
    for template in templates {
        for text in &template.texts {
            let of_output = matches!(text.of, Some((Kind::Output, _)));
            // The DNS role is the gateway's, which the model does not know of.
            let of_zone = matches!(&text.of, Some((Kind::Module, name)) if name == "zoneRole");
            if names.contains(&text.said) && !of_output && !of_zone {
                wrong.push(format!(
                    "{}:{}: `{}` is for the access model to say",
                    template.file, text.line, text.said
                ));
            }
        }
    }
    wrong
}

/// Secrets, databases, containers and queues.
fn inner_names(resources: &Json, names: &mut BTreeSet<String>) {
    for resource in resources.as_object().expect("resources").values() {
        for (member, inner) in resource.as_object().expect("a resource") {
            if member == "containers" {
                let list = inner.as_array().expect("containers").iter();
                names.extend(list.map(|name| name.as_str().expect("text").to_owned()));
            } else if let Some(inner) = inner.as_object() {
                names.extend(inner.keys().cloned());
                let databases = inner
                    .values()
                    .filter_map(|one| one["containers"].as_object());
                names.extend(databases.flat_map(|one| one.keys().cloned()));
            }
        }
    }
}

#[test]
fn the_options_are_an_access_model_with_the_rest() {
    let files = Files::read();
    let mut access = whole(&files);
    // The certificate is imported by whoever has it: no template makes it.
    access["resources"]["vault"]["secrets"]["gateway-tls"] =
        serde_json::json!({ "generateBytes": 32 });
    let model = Model::parse(&access.to_string(), &Roles::built_in()).expect("it is valid");

    let added = model.identities.iter().filter(|(_, own)| own.external);
    let added: Vec<_> = added.map(|(name, _)| name.as_str()).collect();
    assert_eq!(added, ["gateway", "scaler"]);
}

#[test]
fn every_grant_of_the_model_is_made() {
    holds(
        of_templates(left_out),
        &[
            (
                "infra/access.json",
                "\"scope\": \"vault/secrets/session-key\"",
                "\"scope\": \"vault\"",
                "no module grants anything at `vault`",
            ),
            (
                "infra/access.json",
                "\"Key Vault Secrets User\", \"scope\": \"vault/secrets/session-key\"",
                "\"AcrPull\", \"scope\": \"vault/secrets/session-key\"",
                "cannot assign `AcrPull`",
            ),
            (
                "infra/options/keda.json",
                "\"Service Bus Queue Reader\", \"scope\": \"bus/queues/todo-events\"",
                "\"Cosmos DB Built-in Data Reader\", \"scope\": \"bus/queues/todo-events\"",
                "cannot assign",
            ),
            (
                "infra/modules/grants.bicep",
                "'bus/queues/'",
                "'bus/topics/'",
                "to no grant-service-bus.bicep",
            ),
        ],
    );
}

#[test]
fn the_template_takes_everything_from_the_model() {
    holds(
        of_templates(not_from_the_model),
        &[
            (
                "infra/main.bicep",
                "concat(access.grants, ",
                "concat([], ",
                "does not begin with",
            ),
            (
                "infra/main.bicep",
                "keda ? kedaOption.grants : []",
                "kedaOption.grants",
                "is without `keda ? kedaOption.grants",
            ),
            (
                "infra/main.bicep",
                "loadJsonContent('access.json')",
                "loadJsonContent('other.json')",
                "is not access.json",
            ),
            (
                "infra/main.bicep",
                "access.resources.bus.queues",
                "{}",
                "nothing is made of",
            ),
            (
                "infra/main.bicep",
                "    grants: grants\n",
                "    grants: []\n",
                "grants.bicep is not given all",
            ),
            (
                "infra/main.bicep",
                "[for identity in identities: {",
                "[for identity in items(access.identities): {",
                "managed-identity.bicep is not given all",
            ),
            (
                "infra/access.json",
                "\"bus\": {",
                "\"second\": { \"type\": \"serviceBus\", \"queues\": {} },\n    \"bus\": {",
                "no template makes resource `second`",
            ),
        ],
    );
}

#[test]
fn no_name_of_the_model_is_typed_by_hand() {
    holds(
        of_templates(typed_by_hand),
        &[
            (
                "infra/modules/storage.bicep",
                "name: container\n",
                "name: 'attachments'\n",
                "`attachments` is for the access model",
            ),
            (
                "infra/modules/grant-storage.bicep",
                "Definitions', roles.azure[one.role].id)",
                "Definitions', roles.azure['Storage Blob Data Contributor'].id)",
                "`Storage Blob Data Contributor`",
            ),
            (
                "infra/modules/managed-identity.bicep",
                "  name: name\n",
                "  name: 'worker'\n",
                "`worker` is for the access model",
            ),
        ],
    );
}
