//! `azure_security_keyvault_secrets`, whole: its challenge flow with the
//! verification of the challenged resource on, and each operation that the
//! local cloud plays.

use std::collections::HashMap;

use azure_security_keyvault_secrets::models::{
    Secret, SecretAttributes, SecretClientGetSecretOptions,
    SecretClientListSecretPropertiesOptions, SecretClientListSecretPropertiesVersionsOptions,
    SecretClientUpdateSecretPropertiesOptions, SetSecretParameters,
    UpdateSecretPropertiesParameters,
};
use azure_security_keyvault_secrets::{ResourceExt as _, SecretClient};
use futures::TryStreamExt as _;
use libtest_mimic::Trial;

use crate::world::{VAULT, refusal, set, trials, world};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_secret_that_was_set_is_read_back,
        a_secret_of_the_model_has_a_value_of_its_own,
        every_set_makes_a_version_and_the_newest_is_current,
        a_disabled_version_is_refused_until_it_is_enabled,
        an_update_changes_properties_and_not_the_value,
        what_does_not_exist_is_not_found,
        a_listing_comes_in_pages_with_each_secret_once,
        an_operation_that_is_not_played_is_refused_by_name,
    ]
}

pub(crate) fn client() -> SecretClient {
    SecretClient::new(VAULT, world().credential(), None).expect("a client")
}

async fn put(client: &SecretClient, name: &str, value: &str) -> Secret {
    let parameters = SetSecretParameters {
        value: Some(value.to_owned()),
        ..SetSecretParameters::default()
    };
    let parameters = parameters.try_into().expect("JSON");
    let set = client.set_secret(name, parameters, None).await;
    set.expect("set").into_model().expect("a secret")
}

async fn get(
    client: &SecretClient,
    name: &str,
    version: Option<&str>,
) -> azure_core::Result<Secret> {
    let options = SecretClientGetSecretOptions {
        secret_version: version.map(str::to_owned),
        ..SecretClientGetSecretOptions::default()
    };
    client.get_secret(name, Some(options)).await?.into_model()
}

fn version(secret: &Secret) -> String {
    let id = secret.resource_id().expect("an id");
    id.version.expect("the id names the version")
}

async fn set_enabled(client: &SecretClient, name: &str, version: &str, enabled: bool) {
    let parameters = UpdateSecretPropertiesParameters {
        secret_attributes: Some(SecretAttributes {
            enabled: Some(enabled),
            ..SecretAttributes::default()
        }),
        ..UpdateSecretPropertiesParameters::default()
    };
    let options = SecretClientUpdateSecretPropertiesOptions {
        secret_version: Some(version.to_owned()),
        ..SecretClientUpdateSecretPropertiesOptions::default()
    };
    let parameters = parameters.try_into().expect("JSON");
    let updated = client
        .update_secret_properties(name, parameters, Some(options))
        .await;
    let updated = updated.expect("updated").into_model().expect("a secret");
    assert_eq!(
        updated.attributes.expect("attributes").enabled,
        Some(enabled)
    );
    assert_eq!(
        updated.value, None,
        "an update never answers with the value"
    );
}

async fn a_secret_that_was_set_is_read_back() {
    let client = client();
    let parameters = SetSecretParameters {
        value: Some("käse \"und\" brot\n".to_owned()),
        content_type: Some("text/plain".to_owned()),
        tags: Some(HashMap::from([("owner".to_owned(), "tests".to_owned())])),
        ..SetSecretParameters::default()
    };

    let parameters = parameters.try_into().expect("JSON");
    let set = client.set_secret("read-back", parameters, None).await;
    let set = set.expect("set").into_model().expect("a secret");
    let read = get(&client, "read-back", None).await.expect("read");

    assert_eq!(read.value.as_deref(), Some("käse \"und\" brot\n"));
    assert_eq!(read.content_type.as_deref(), Some("text/plain"));
    assert_eq!(read.tags.as_ref().expect("tags")["owner"], "tests");
    let id = read.resource_id().expect("an id");
    assert_eq!(
        (id.vault_url.as_str(), id.name.as_str()),
        (VAULT, "read-back")
    );
    assert_eq!(version(&read), version(&set));
    let attributes = read.attributes.expect("attributes");
    assert_eq!(attributes.enabled, Some(true));
    assert!(attributes.created.is_some() && attributes.updated.is_some());
}

async fn a_secret_of_the_model_has_a_value_of_its_own() {
    let secret = get(&client(), "generated", None).await.expect("read");

    // 32 bytes in base64.
    assert_eq!(secret.value.expect("a value").len(), 44);
}

async fn every_set_makes_a_version_and_the_newest_is_current() {
    let client = client();
    let mut versions = Vec::new();
    for value in ["one", "two", "three"] {
        versions.push(version(&put(&client, "versioned", value).await));
    }

    let current = get(&client, "versioned", None).await.expect("read");
    assert_eq!(current.value.as_deref(), Some("three"));
    assert_eq!(version(&current), versions[2]);
    let first = get(&client, "versioned", Some(&versions[0]))
        .await
        .expect("read");
    assert_eq!(first.value.as_deref(), Some("one"));

    let options = SecretClientListSecretPropertiesVersionsOptions {
        maxresults: Some(2),
        ..SecretClientListSecretPropertiesVersionsOptions::default()
    };
    let listed = client.list_secret_properties_versions("versioned", Some(options));
    let listed: Vec<_> = listed
        .expect("a pager")
        .try_collect()
        .await
        .expect("listed");
    let listed = listed.iter().map(|properties| {
        let id = properties.resource_id().expect("an id");
        id.version.expect("a version")
    });
    assert_eq!(set(listed), set(versions));
}

async fn a_disabled_version_is_refused_until_it_is_enabled() {
    let client = client();
    let only = version(&put(&client, "switched", "value").await);

    set_enabled(&client, "switched", &only, false).await;
    for version in [None, Some(only.as_str())] {
        let error = get(&client, "switched", version)
            .await
            .expect_err("it is disabled");
        assert_eq!(refusal(&error), (403, "SecretDisabled".to_owned()));
        assert_eq!(
            error.to_string(),
            "Operation get is not allowed on a disabled secret."
        );
    }

    set_enabled(&client, "switched", &only, true).await;
    let secret = get(&client, "switched", None).await.expect("enabled again");
    assert_eq!(secret.value.as_deref(), Some("value"));
}

async fn an_update_changes_properties_and_not_the_value() {
    let client = client();
    let before = version(&put(&client, "updated", "value").await);
    let parameters = UpdateSecretPropertiesParameters {
        content_type: Some("application/json".to_owned()),
        tags: Some(HashMap::from([("a".to_owned(), "b".to_owned())])),
        ..UpdateSecretPropertiesParameters::default()
    };

    let parameters = parameters.try_into().expect("JSON");
    let updated = client
        .update_secret_properties("updated", parameters, None)
        .await;
    updated.expect("updated");

    let after = get(&client, "updated", None).await.expect("read");
    assert_eq!(after.content_type.as_deref(), Some("application/json"));
    assert_eq!(after.tags.as_ref().expect("tags")["a"], "b");
    assert_eq!(after.value.as_deref(), Some("value"));
    assert_eq!(version(&after), before);
}

async fn what_does_not_exist_is_not_found() {
    let client = client();
    put(&client, "known", "value").await;
    let no_version = "0".repeat(32);

    for (name, version, what) in [
        ("unknown", None, "unknown".to_owned()),
        (
            "known",
            Some(no_version.as_str()),
            format!("known/{no_version}"),
        ),
    ] {
        let error = get(&client, name, version)
            .await
            .expect_err("it does not exist");
        assert_eq!(refusal(&error), (404, "SecretNotFound".to_owned()));
        let start = format!("A secret with (name/id) {what} was not found in this key vault.");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

async fn a_listing_comes_in_pages_with_each_secret_once() {
    let client = client();
    let names: Vec<String> = (0..7).map(|number| format!("listed-{number}")).collect();
    for name in &names {
        put(&client, name, "value").await;
    }

    let options = SecretClientListSecretPropertiesOptions {
        maxresults: Some(3),
        ..SecretClientListSecretPropertiesOptions::default()
    };
    let listing = client
        .list_secret_properties(Some(options))
        .expect("a pager");
    let pages: Vec<_> = listing.into_pages().try_collect().await.expect("listed");

    let mut listed = Vec::new();
    for page in pages {
        let page = page.into_model().expect("a page");
        assert!(page.value.len() <= 3, "a page of {}", page.value.len());
        listed.extend(page.value.iter().map(|properties| {
            let id = properties.resource_id().expect("an id");
            assert_eq!(id.version, None, "a listing names no version");
            id.name
        }));
    }
    listed.retain(|name| name.starts_with("listed-"));
    listed.sort();
    assert_eq!(listed, names);
}

async fn an_operation_that_is_not_played_is_refused_by_name() {
    let error = client().delete_secret("generated", None).await;

    let error = error.expect_err("it is not played");
    assert_eq!(refusal(&error), (501, "NotImplemented".to_owned()));
    assert_eq!(
        error.to_string(),
        "The local cloud, which is not Azure, does not play DELETE /secrets/generated."
    );
}
