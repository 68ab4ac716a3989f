//! The Azure CLI's commands for the real thing, with every name in its place.
//!
//! Where a name is only known of the local cloud (a resource group, a vault), it
//! is that one: whoever runs the command puts in their own.

use crate::entra::EXCHANGE_AUDIENCE;
use crate::model::{Model, Resource, Scope};
use crate::names;
use crate::roles::{RoleSystem, Roles};

/// Lets an identity trust a subject of an issuer.
pub(super) fn create_credential(identity: &str, issuer: &str, subject: &str) -> Option<String> {
    let name = subject
        .strip_prefix("system:serviceaccount:")
        .unwrap_or(subject)
        .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    credential(
        "create",
        &name,
        identity,
        issuer,
        subject,
        EXCHANGE_AUDIENCE,
    )
}

/// Changes what one credential of an identity trusts.
pub(super) fn update_credential(
    name: &str,
    identity: &str,
    issuer: &str,
    subject: &str,
    audience: &str,
) -> Option<String> {
    credential("update", name, identity, issuer, subject, audience)
}

fn credential(
    verb: &str,
    name: &str,
    identity: &str,
    issuer: &str,
    subject: &str,
    audience: &str,
) -> Option<String> {
    Some(format!(
        "az identity federated-credential {verb} --resource-group {} --identity-name {} --name {} --issuer {} \
         --subject {} --audiences {}",
        names::RESOURCE_GROUP,
        quoted(identity)?,
        quoted(name)?,
        quoted(issuer)?,
        quoted(subject)?,
        quoted(audience)?,
    ))
}

/// Says the client id of an identity.
pub(super) fn show_client_id(identity: &str) -> Option<String> {
    show_identity(identity, "clientId")
}

fn show_identity(identity: &str, field: &str) -> Option<String> {
    Some(format!(
        "az identity show --resource-group {} --name {} --query {field} --output tsv",
        names::RESOURCE_GROUP,
        quoted(identity)?
    ))
}

/// Assigns a role: by Azure's role system, or by Cosmos DB's own.
pub(super) fn assign_role(
    model: &Model,
    roles: &Roles,
    identity: &str,
    role: &str,
    scope: &Scope,
) -> Option<String> {
    let (resource, path) = scope.segments().split_first()?;
    let principal = format!("\"$({})\"", show_identity(identity, "principalId")?);
    let group = names::RESOURCE_GROUP;
    if roles.system(role)? == RoleSystem::Cosmos {
        let account = quoted(&names::physical(resource))?;
        return Some(format!(
            "az cosmosdb sql role assignment create --resource-group {group} --account-name {account} \
             --role-definition-id {} --principal-id {principal} --scope {}",
            roles.id(role)?,
            quoted(&cosmos_scope(path)?)?
        ));
    }
    Some(format!(
        "az role assignment create --role {} --assignee-object-id {principal} --assignee-principal-type \
         ServicePrincipal --scope {}",
        quoted(role)?,
        quoted(&resource_id(model, resource, path)?)?
    ))
}

/// `/dbs/todolist/colls/todos`
fn cosmos_scope(path: &[String]) -> Option<String> {
    match path {
        [] => Some("/".to_owned()),
        [_, database] => Some(format!("/dbs/{database}")),
        [_, database, _, container] => Some(format!("/dbs/{database}/colls/{container}")),
        _ => None,
    }
}

fn resource_id(model: &Model, resource: &str, path: &[String]) -> Option<String> {
    let kind = match model.resources.get(resource)? {
        Resource::KeyVault(_) => "Microsoft.KeyVault/vaults",
        Resource::Cosmos(_) => "Microsoft.DocumentDB/databaseAccounts",
        Resource::Storage(_) => "Microsoft.Storage/storageAccounts",
        Resource::ServiceBus(_) => "Microsoft.ServiceBus/namespaces",
        // No resource of a subscription.
        Resource::Graph(_) => return None,
    };
    let within = match (model.resources.get(resource)?, path) {
        (Resource::Storage(_), [first, rest @ ..]) if first == "containers" => {
            format!("/blobServices/default/containers/{}", rest.join("/"))
        }
        (_, []) => String::new(),
        (_, path) => format!("/{}", path.join("/")),
    };
    Some(format!(
        "/subscriptions/{}/resourceGroups/{}/providers/{kind}/{}{within}",
        names::subscription_id(),
        names::RESOURCE_GROUP,
        names::physical(resource)
    ))
}

/// A word of a shell command. What cannot be seen has no place in a command that
/// somebody pastes: then there is none.
fn quoted(word: &str) -> Option<String> {
    if word.is_empty() || super::differences::visible(word) != word {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if word.chars().all(plain) {
        return Some(word.to_owned());
    }
    Some(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_command_stays_one_word() {
        assert_eq!(quoted("a/b:c").as_deref(), Some("a/b:c"));
        assert_eq!(
            quoted("Key Vault Secrets User").as_deref(),
            Some("'Key Vault Secrets User'")
        );
        assert_eq!(
            quoted("a'; rm -rf /").as_deref(),
            Some(r"'a'\''; rm -rf /'")
        );
        assert_eq!(quoted("$(id)").as_deref(), Some("'$(id)'"));
        for unseen in ["", "a\nb", "a ", "a\u{200b}b"] {
            assert_eq!(quoted(unseen), None, "{unseen:?}");
        }
    }

    #[test]
    fn each_service_has_its_own_way_to_assign_a_role() {
        let roles = Roles::built_in();
        let model = Model::parse(include_str!("../../../../infra/access.json"), &roles)
            .expect("the model is valid");
        let assign = |role: &str, scope: &str| {
            assign_role(
                &model,
                &roles,
                "worker",
                role,
                &Scope::new(scope.split('/')),
            )
            .expect("a command")
        };
        for (role, scope, parts) in [
            (
                "Key Vault Secrets User",
                "vault/secrets/session-key",
                [
                    "az role assignment create --role 'Key Vault Secrets User' ",
                    "/vaults/localvault/secrets/session-key",
                ],
            ),
            (
                "Cosmos DB Built-in Data Reader",
                "cosmos/databases/todolist/containers/todos",
                [
                    "az cosmosdb sql role assignment create ",
                    " --scope /dbs/todolist/colls/todos",
                ],
            ),
            (
                "Cosmos DB Built-in Data Reader",
                "cosmos",
                [
                    "--role-definition-id 00000000-0000-0000-0000-000000000001 ",
                    " --scope /",
                ],
            ),
            (
                "Storage Blob Data Reader",
                "storage/containers/attachments",
                [
                    "--assignee-principal-type ServicePrincipal ",
                    "/storageAccounts/localstorage/blobServices/default/containers/attachments",
                ],
            ),
            (
                "Azure Service Bus Data Sender",
                "bus/queues/todo-events",
                [
                    "az identity show --resource-group rg-local-cloud --name worker --query principalId ",
                    "/namespaces/localbus/queues/todo-events",
                ],
            ),
        ] {
            let command = assign(role, scope);
            assert!(command.contains(parts[0]), "{command}");
            assert!(command.ends_with(parts[1]), "{command}");
        }
    }
}
