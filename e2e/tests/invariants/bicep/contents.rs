//! What is in the resources: options of queues in Service Bus' words, and secrets.

use serde_json::Value as Json;

use super::template::{Kind, Template, Value};
use super::{Files, holds, of_templates};

/// Options of queues that Service Bus does not have, and keys that are too short.
fn in_azures_words(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let access = files.json("infra/access.json");
    let schemas = files.schemas();
    let queue = schemas
        .version("Microsoft.ServiceBus/namespaces/queues")
        .expect("queues");
    for (name, options) in access["resources"]["bus"]["queues"]
        .as_object()
        .expect("queues")
    {
        for (option, value) in options.as_object().expect("options") {
            let of = schemas.member(queue, "SBQueueProperties", option);
            let fits = match value {
                Json::String(_) => of == Some("string"),
                Json::Bool(_) => of == Some("bool"),
                _ => of == Some("int"),
            };
            if !fits {
                wrong.push(format!(
                    "queue `{name}`: Service Bus has no `{option}` such as {value}"
                ));
            }
        }
    }
    let secret = templates
        .iter()
        .find(|one| one.file == "modules/secret.bicep")
        .expect("secret.bicep");
    let random = secret
        .of_kind(Kind::Parameter)
        .filter(|one| one.value.text() == Some("newGuid()"));
    let random: Vec<_> = random.collect();
    let made = secret.find(Kind::Resource, "secret").expect("the secret");
    let value = made
        .value
        .at("properties.value")
        .and_then(Value::text)
        .unwrap_or_default();
    let used = random.iter().filter(|one| {
        value.contains(&format!("${{{}}}", one.name))
            && one.decorators.iter().any(|own| own == "secure()")
    });
    // A GUID of version 4 has 122 random bits.
    let bits = 122 * used.count();
    for (name, secret) in access["resources"]["vault"]["secrets"]
        .as_object()
        .expect("secrets")
    {
        let wanted = secret["generateBytes"].as_u64().expect("a number") * 8;
        if u64::try_from(bits).expect("small") < wanted {
            wrong.push(format!(
                "secret `{name}`: {bits} random bits, and {wanted} are wanted"
            ));
        }
    }
    if !made.decorators.iter().any(|own| own == "onlyIfNotExists()") {
        wrong
            .push("secret.bicep: each deployment makes a new value: @onlyIfNotExists()".to_owned());
    }
    if !value.starts_with("base64(") {
        wrong.push("secret.bicep: the services take base64".to_owned());
    }
    wrong
}

#[test]
fn queues_have_options_of_service_bus_and_secrets_are_made_once_of_enough_bits() {
    holds(
        of_templates(in_azures_words),
        &[
            (
                "infra/access.json",
                "\"maxDeliveryCount\": 10",
                "\"maxDeliveries\": 10",
                "no `maxDeliveries`",
            ),
            (
                "infra/access.json",
                "\"maxDeliveryCount\": 10",
                "\"maxDeliveryCount\": \"10\"",
                "no `maxDeliveryCount` such as",
            ),
            (
                "infra/access.json",
                "\"session-key\": { \"generateBytes\": 32 }",
                "\"session-key\": { \"generateBytes\": 64 }",
                "512 are wanted",
            ),
            (
                "infra/modules/secret.bicep",
                "${first}${second}${third}",
                "${first}${second}",
                "244 random bits",
            ),
            (
                "infra/modules/secret.bicep",
                "@onlyIfNotExists()\n",
                "",
                "each deployment makes a new value",
            ),
            (
                "infra/modules/secret.bicep",
                "value: base64(",
                "value: string(",
                "take base64",
            ),
        ],
    );
}
