//! What an administrator is answered, and what comes of it.

use serde_json::{Value, json};

use super::*;
use crate::holds::Matcher;
use crate::roles::Roles;

/// Sets one of a credential's properties.
type Change = fn(&mut CredentialText, String);

const ISSUER: &str = "https://issuer.example/";

fn directory() -> Directory {
    directory_of(&json!({
        "web": { "serviceAccounts": [{ "namespace": "shop", "name": "web" }] },
        "app": { "type": "application", "serviceAccounts": [] },
        "build": { "type": "systemAssigned", "resource": "Microsoft.Compute/virtualMachines/build" },
    }))
}

fn directory_of(identities: &Value) -> Directory {
    let model = json!({ "resources": {}, "identities": identities, "grants": [], "calls": [] });
    let model = Model::parse(&model.to_string(), &Roles::built_in()).expect("valid");
    let clock = Clock::system();
    let faults = Faults::new(clock.clone());
    Directory::from_model(&model, clock, Holds::default(), faults)
}

fn text(subject: &str) -> CredentialText {
    CredentialText {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        audiences: vec!["api://AzureADTokenExchange".to_owned()],
    }
}

/// Status, code and text of the refusal to write this.
async fn refused(directory: &Directory, name: &str, text: CredentialText) -> (u16, String) {
    let refused = directory.put_credential("app", name, text).await;
    let error = refused.expect_err("it is refused");
    (error.status, format!("{}: {}", error.code, error.message))
}

fn bad_request(text: &str) -> (u16, String) {
    (400, format!("BadRequest: {text}"))
}

#[tokio::test]
async fn a_credential_is_created_changed_and_deleted() {
    let directory = directory();
    let subjects = || {
        let all = directory.credentials("app").expect("it can have some");
        all.into_iter()
            .map(|c| (c.name, c.subject))
            .collect::<Vec<_>>()
    };
    let named = |name: &str, subject: &str| (name.to_owned(), subject.to_owned());

    for (name, subject) in [("one", "a"), ("two", "b"), ("one", "c")] {
        let written = directory.put_credential("app", name, text(subject)).await;
        assert_eq!(written.expect("its form is right").name, name);
    }
    assert_eq!(subjects(), [named("one", "c"), named("two", "b")]);

    let deleted = directory.delete_credential("app", "one").await;
    deleted.expect("it is there");
    assert_eq!(subjects(), [named("two", "b")]);
    let again = directory.delete_credential("app", "one").await;
    let error = again.expect_err("it is gone");
    assert_eq!(
        error.message,
        "The federated identity credential 'one' was not found."
    );
}

#[tokio::test]
async fn the_next_exchange_finds_what_was_written() {
    let directory = directory();
    let client_id = names::client_id("web").to_string();
    let written = CredentialText {
        issuer: "no issuer at all".to_owned(),
        audiences: vec!["wrong".to_owned()],
        ..text("system:serviceaccount:shop:wbe")
    };

    let put = directory.put_credential("web", "shop-web", written).await;
    put.expect("a wrong issuer, subject and audience are taken without a word");

    let trust = directory.find(&client_id).expect("it exists");
    let trust = &trust.federated_credentials[0];
    assert_eq!(trust.issuer, "no issuer at all");
    assert_eq!(trust.subject, "system:serviceaccount:shop:wbe");
    assert_eq!(trust.audience, "wrong");
}

#[tokio::test]
async fn a_name_has_3_to_120_letters_digits_dashes_and_underscores() {
    let directory = directory();
    for (number, name) in ["abc", "0-_", &"x".repeat(120)].into_iter().enumerate() {
        let text = text(&number.to_string());
        let written = directory.put_credential("app", name, text).await;
        written.expect(name);
    }
    for name in [
        "",
        "ab",
        "-abc",
        "_abc",
        "a.bc",
        "a bc",
        "äbc",
        &"x".repeat(121),
    ] {
        let why = format!("Federated Identity Credential name '{name}' is invalid.");
        let answer = refused(&directory, name, text("a")).await;
        assert_eq!(answer, bad_request(&why));
    }
}

#[tokio::test]
async fn a_credential_has_exactly_one_audience() {
    let directory = directory();
    let why = "Federated identity credentials must have exactly one audience.";
    for audiences in [vec![], vec!["a".to_owned(), "b".to_owned()]] {
        let text = CredentialText {
            audiences,
            ..text("a")
        };
        assert_eq!(refused(&directory, "one", text).await, bad_request(why));
    }
}

#[tokio::test]
async fn no_property_is_empty_or_longer_than_600_characters() {
    let directory = directory();
    let empty = "Federated Identity Credential from HTTP body has empty properties";
    let long = |length: usize| "é".repeat(length);
    let changes: [(&str, Change); 3] = [
        ("issuer", |text, value| text.issuer = value),
        ("subject", |text, value| text.subject = value),
        ("audience", |text, value| text.audiences = vec![value]),
    ];
    for (what, change) in changes {
        let mut fits = text(what);
        change(&mut fits, long(600));
        let written = directory.put_credential("app", what, fits).await;
        written.expect("600 characters fit");
        let mut too_long = text("a");
        change(&mut too_long, long(601));
        let why = format!("Federated Identity Credential {what} is longer than 600 characters.");
        assert_eq!(
            refused(&directory, "long", too_long).await,
            bad_request(&why)
        );
        if what != "audience" {
            let mut none = text("a");
            change(&mut none, String::new());
            assert_eq!(refused(&directory, "none", none).await, bad_request(empty));
        }
    }
}

#[tokio::test]
async fn issuer_and_subject_are_those_of_one_credential_of_an_identity() {
    let directory = directory();
    let first = directory.put_credential("app", "one", text("a")).await;
    first.expect("it is the first");

    let why = "Issuer and subject combination already exists for this Managed Identity.";
    assert_eq!(
        refused(&directory, "two", text("a")).await,
        bad_request(why)
    );

    let elsewhere = directory.put_credential("web", "two", text("a")).await;
    elsewhere.expect("another identity may trust it too");
    let unchanged = directory.put_credential("app", "one", text("a")).await;
    unchanged.expect("it may be written again as it is");
}

#[tokio::test]
async fn an_identity_has_20_credentials_at_most() {
    let directory = directory();
    let credential = |number: usize| (format!("no-{number}"), text(&number.to_string()));
    for number in 1..=20 {
        directory
            .shared
            .clock
            .advance(std::time::Duration::from_secs(4));
        let (name, text) = credential(number);
        let written = directory.put_credential("app", &name, text).await;
        written.expect("there is room");
    }
    directory
        .shared
        .clock
        .advance(std::time::Duration::from_secs(4));
    let (name, one_more) = credential(21);
    let why = "A maximum of 20 federated identity credentials can be added to an application or user-assigned \
               managed identity.";
    assert_eq!(refused(&directory, &name, one_more).await, bad_request(why));

    directory
        .shared
        .clock
        .advance(std::time::Duration::from_secs(4));
    let changed = directory
        .put_credential("app", "no-20", text("other"))
        .await;
    changed.expect("those that are there may be changed");
}

#[tokio::test]
async fn a_second_write_at_the_same_time_is_a_conflict() {
    let directory = directory();
    let hold = directory.shared.holds.arm(Matcher {
        operation: Some("WriteFederatedCredential".to_owned()),
        ..Matcher::default()
    });
    let first = tokio::spawn({
        let directory = directory.clone();
        async move { directory.put_credential("app", "one", text("a")).await }
    });
    while directory.shared.holds.state(hold) != Some(crate::holds::State::Holding) {
        tokio::task::yield_now().await;
    }

    let (status, why) = refused(&directory, "two", text("b")).await;
    assert_eq!(status, 409);
    assert_eq!(
        why,
        format!(
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity: Too many Federated Identity \
             Credentials are written concurrently for the managed identity '/subscriptions/{}/resourcegroups/\
             rg-local-cloud/providers/microsoft.managedidentity/userassignedidentities/app'. Concurrent Federated \
             Identity Credentials writes under the same managed identity are not supported.",
            names::subscription_id()
        )
    );
    let elsewhere = directory.put_credential("web", "two", text("b")).await;
    elsewhere.expect("at another identity nobody writes");

    directory.shared.holds.release(hold);
    let first = first.await.expect("it does not panic");
    first.expect("it was the first");
    let second = directory.put_credential("app", "two", text("b")).await;
    second.expect("the first is done");
}

#[tokio::test]
async fn more_than_a_write_each_four_seconds_is_too_much() {
    let directory = directory();
    for _ in 0..15 {
        let written = directory.put_credential("app", "one", text("a")).await;
        written.expect("within a minute 15 are taken");
    }

    let refused = directory.put_credential("app", "one", text("a")).await;
    let error = refused.expect_err("it is the 16th");
    assert_eq!((error.status, error.code), (429, "TooManyRequests"));
    let wait = error.retry_after.expect("it says when to come again");
    assert!((1..=60).contains(&wait), "{wait}");

    let wait = std::time::Duration::from_secs(wait.unsigned_abs());
    directory.shared.clock.advance(wait);
    let again = directory.put_credential("app", "one", text("a")).await;
    again.expect("it came again when it was told to");
}

#[tokio::test]
async fn without_its_identity_there_is_no_credential() {
    let directory = directory();
    for nowhere in ["nobody", "build"] {
        let refused = directory.put_credential(nowhere, "one", text("a")).await;
        let error = refused.expect_err("it is no parent of a credential");
        assert_eq!((error.status, error.code), (404, "ParentResourceNotFound"));
        assert!(
            error.message.ends_with(&format!(
                "/Microsoft.ManagedIdentity/userAssignedIdentities/{nowhere}' could not be found."
            )),
            "{}",
            error.message
        );
        assert_eq!(directory.credentials(nowhere), Err(error));
    }
}

#[test]
fn a_resources_identity_comes_and_goes_with_it_under_its_name() {
    let directory = directory();
    let resource = "Microsoft.Compute/virtualMachines/runner";

    let first = directory
        .create_resource(resource)
        .expect("the name is free");
    assert_eq!(first.name, "runner");
    assert!(directory.create_resource(resource).is_err(), "it is there");
    assert!(directory.find(&first.client_id.to_string()).is_some());

    directory.delete_resource(resource).expect("it is there");
    assert!(directory.find(&first.client_id.to_string()).is_none());
    assert!(directory.principal(first.object_id).is_none());
    assert!(directory.delete_resource(resource).is_none(), "it is gone");

    let second = directory
        .create_resource(resource)
        .expect("the name is free again");
    assert_ne!(
        second.object_id, first.object_id,
        "its roles are not the first one's"
    );
    assert_ne!(second.client_id, first.client_id);
}

#[test]
fn an_identity_of_the_model_goes_with_its_resource_too() {
    let directory = directory();
    let build = directory.named("build").expect("the model names it");

    let gone = directory.delete_resource("Microsoft.Compute/virtualMachines/build");

    assert_eq!(gone.expect("it was there").object_id, build.object_id);
    assert!(directory.named("build").is_none());
}

#[test]
fn only_a_resource_has_an_identity_of_its_own() {
    let directory = directory();
    for none in [
        "",
        "runner",
        "virtualMachines/runner",
        "Microsoft.Compute/virtualMachines/",
    ] {
        let error = directory
            .create_resource(none)
            .expect_err("it is no resource");
        assert_eq!(error.status, 404, "{none}");
    }
    assert!(directory.of_resource("web").is_none());
}
