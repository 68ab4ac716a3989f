//! Key Vault: list the secrets, get each, update each.

use azure_security_keyvault_secrets::models::{
    SecretAttributes, SecretClientListSecretPropertiesOptions,
    SecretClientUpdateSecretPropertiesOptions, UpdateSecretPropertiesParameters,
};
use futures::TryStreamExt as _;

use super::{Answer, Attempt, allowed_if, cell};
use crate::azure::{AzureFailure, Clients};

/// A version that no secret has: versions are random.
const NO_VERSION: &str = "00000000000000000000000000000000";

pub(super) fn attempts(clients: &Clients) -> Vec<Attempt<'_>> {
    let vault = &clients.estate().vault;
    let mut attempts = vec![cell(
        "vault",
        "list",
        "GET /secrets?maxresults=1".to_owned(),
        list(clients),
    )];
    for (logical, name) in [
        ("session-key", vault.session_key.as_str()),
        ("share-link-key", vault.share_link_key.as_str()),
    ] {
        let resource = format!("vault/secrets/{logical}");
        attempts.push(cell(
            resource.clone(),
            "get",
            format!("GET /secrets/{name}"),
            get(clients, name),
        ));
        attempts.push(cell(
            resource,
            "update",
            format!("PATCH /secrets/{name}/{NO_VERSION}"),
            update(clients, name),
        ));
    }
    attempts
}

async fn list(clients: &Clients) -> Answer {
    let options = SecretClientListSecretPropertiesOptions {
        maxresults: Some(1),
        ..SecretClientListSecretPropertiesOptions::default()
    };
    let pager = clients.secrets().list_secret_properties(Some(options));
    pager
        .map_err(AzureFailure::key_vault)?
        .into_pages()
        .try_next()
        .await
        .map_err(AzureFailure::key_vault)?;
    Ok("200: a page of names, dropped")
}

async fn get(clients: &Clients, name: &str) -> Answer {
    clients
        .secrets()
        .get_secret(name, None)
        .await
        .map(drop)
        .map_err(AzureFailure::key_vault)?;
    Ok("200: a value, dropped")
}

async fn update(clients: &Clients, name: &str) -> Answer {
    let parameters = UpdateSecretPropertiesParameters {
        secret_attributes: Some(SecretAttributes::default()),
        ..UpdateSecretPropertiesParameters::default()
    };
    let content = parameters.try_into().map_err(AzureFailure::key_vault)?;
    let options = SecretClientUpdateSecretPropertiesOptions {
        secret_version: Some(NO_VERSION.to_owned()),
        ..SecretClientUpdateSecretPropertiesOptions::default()
    };
    let result = clients
        .secrets()
        .update_secret_properties(name, content, Some(options))
        .await
        .map(drop)
        .map_err(AzureFailure::key_vault);
    allowed_if(result, &[404], "404: no such version, so nothing changed")
}
