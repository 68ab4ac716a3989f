use std::time::Duration;

use super::*;

const RESOURCES: &str = r#""resources": {
    "vault": { "type": "keyVault", "secrets": { "key": { "generateBytes": 32 } } },
    "bus": { "type": "serviceBus", "queues": { "jobs": { "lockDuration": "PT30S" } } } },"#;
const IDENTITIES: &str = r#""identities": {
    "a": { "serviceAccounts": [{ "namespace": "ns", "name": "a" }] } },"#;

fn check(document: &str, expected: &str) {
    let error = Model::parse(document, &Roles::built_in()).expect_err(expected);
    assert_eq!(error.to_string(), expected);
}

fn with_grant(grant: &str) -> String {
    format!("{{ {RESOURCES}\n{IDENTITIES}\n\"grants\": [\n{grant}],\n\"calls\": [] }}")
}

#[test]
fn the_repositorys_own_model_is_valid() {
    let model = Model::parse(
        include_str!("../../../../infra/access.json"),
        &Roles::built_in(),
    )
    .expect("infra/access.json is valid");
    let Some(Resource::ServiceBus(bus)) = model.resources.get("bus") else {
        panic!("bus is a Service Bus namespace");
    };
    assert_eq!(
        bus.queues["todo-events"].lock_duration,
        Duration::from_secs(30)
    );
    assert!(bus.queues["todo-events"].requires_duplicate_detection);
    assert_eq!(model.grants.len(), 13);
}

#[test]
fn an_unknown_field_is_refused_with_its_place() {
    check(
        &with_grant(
            r#"{ "identity": "a", "role": "Key Vault Reader", "scope": "vault", "why": 1 }"#,
        ),
        "line 7, column 70: unknown field `why`, expected one of `identity`, `role`, `scope`",
    );
}

#[test]
fn an_unknown_field_is_refused_wherever_it_stands() {
    for (document, expected) in [
        (
            r#"{ "resources": {}, "identities": {}, "grants": [], "calls": [], "why": 1 }"#,
            "line 1, column 69: unknown field `why`, expected one of `resources`, `identities`, \
             `grants`, `calls`",
        ),
        (
            r#"{ "resources": {}, "identities": { "a": { "serviceAccounts": [], "why": 1 } },
                "grants": [], "calls": [] }"#,
            "line 1, column 70: unknown field `why`, expected one of `type`, `serviceAccounts`, \
             `federatedCredentials`, `sharedBecause`, `external`, `resource`",
        ),
        (
            r#"{ "resources": {}, "identities": {
                "a": { "serviceAccounts": [{ "namespace": "ns", "name": "a", "why": 1 }] } },
                "grants": [], "calls": [] }"#,
            "line 2, column 82: unknown field `why`, expected `namespace` or `name`",
        ),
        (
            r#"{ "resources": {}, "identities": { "a": { "serviceAccounts": [] } }, "grants": [],
                "calls": [{ "from": "a", "to": "a", "audience": "x", "why": 1 }] }"#,
            "line 2, column 74: unknown field `why`, expected one of `from`, `to`, `audience`",
        ),
        (
            r#"{ "resources": { "v": { "type": "keyVault", "secrets": {}, "why": 1 } },
                "identities": {}, "grants": [], "calls": [] }"#,
            "line 1, column 64: unknown field `why`, expected `type` or `secrets`",
        ),
    ] {
        check(document, expected);
    }
}

#[test]
fn an_unknown_field_of_any_resource_is_refused() {
    for (resource, known) in [
        (
            r#"{ "type": "keyVault", "secrets": { "s": { "generateBytes": 1, "why": 1 } } }"#,
            "`generateBytes`",
        ),
        (
            r#"{ "type": "cosmos", "databases": {}, "why": 1 }"#,
            "`type` or `databases`",
        ),
        (
            r#"{ "type": "cosmos", "databases": { "d": { "containers": {}, "why": 1 } } }"#,
            "`containers`",
        ),
        (
            r#"{ "type": "cosmos", "databases": { "d": { "containers": {
                "c": { "partitionKey": "/p", "why": 1 } } } } }"#,
            "`partitionKey`",
        ),
        (
            r#"{ "type": "storage", "containers": [], "why": 1 }"#,
            "`type` or `containers`",
        ),
        (
            r#"{ "type": "serviceBus", "queues": {}, "why": 1 }"#,
            "`type` or `queues`",
        ),
    ] {
        let text = format!(
            r#"{{ "resources": {{ "x": {resource} }}, "identities": {{}}, "grants": [], "calls": [] }}"#
        );
        let error = Model::parse(&text, &Roles::built_in()).expect_err(resource);
        let expected = format!("unknown field `why`, expected {known}");
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}

#[test]
fn an_unknown_type_of_resource_is_refused_with_its_place() {
    check(
        r#"{ "resources": { "x": { "type": "sqlDatabase" } }, "identities": {}, "grants": [], "calls": [] }"#,
        "line 1, column 23: unknown type `sqlDatabase`; known are: cosmos, graph, keyVault, serviceBus, storage",
    );
}

#[test]
fn a_call_of_an_undeclared_identity_is_refused() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        check(
            &format!(
                r#"{{ "resources": {{}}, "identities": {{ "a": {{ "serviceAccounts": [] }} }},
                "grants": [], "calls": [{{ "from": "{from}", "to": "{to}", "audience": "x" }}] }}"#
            ),
            "line 2, column 41: identity `b` is not declared under `identities`",
        );
    }
}

#[test]
fn an_unknown_role_is_refused_with_its_place() {
    let text = with_grant(r#"{ "identity": "a", "role": "Key Vault Boss", "scope": "vault" }"#);
    let error = Model::parse(&text, &Roles::built_in()).expect_err("the role is unknown");
    assert!(
        error
            .to_string()
            .starts_with("line 7, column 28: unknown role `Key Vault Boss`; known are: "),
        "{error}"
    );
}

#[test]
fn a_scope_outside_any_declared_resource_is_refused_with_its_place() {
    for scope in [
        "safe",
        "vault/secrets/other",
        "vault/key",
        "bus/queues/other",
        "bus/queues/jobs/x",
        "",
    ] {
        check(
            &with_grant(&format!(
                r#"{{ "identity": "a", "role": "Key Vault Reader", "scope": "{scope}" }}"#
            )),
            &format!("line 7, column 57: scope `{scope}` lies outside every declared resource"),
        );
    }
}

#[test]
fn a_grant_to_an_undeclared_identity_is_refused() {
    check(
        &with_grant(r#"{ "identity": "b", "role": "Key Vault Reader", "scope": "vault" }"#),
        "line 7, column 15: identity `b` is not declared under `identities`",
    );
}

#[test]
fn a_cosmos_role_outside_cosmos_is_refused() {
    check(
        &with_grant(
            r#"{ "identity": "a", "role": "Cosmos DB Built-in Data Reader", "scope": "vault" }"#,
        ),
        "line 7, column 28: role `Cosmos DB Built-in Data Reader` is a Cosmos DB data-plane role, \
         but `vault` is not in a Cosmos DB account",
    );
}

#[test]
fn one_service_account_trusted_by_two_identities_is_refused() {
    check(
        r#"{ "resources": {}, "identities": {
            "a": { "serviceAccounts": [{ "namespace": "ns", "name": "x" }] },
            "b": { "serviceAccounts": [{ "namespace": "ns", "name": "x" }] } },
            "grants": [], "calls": [] }"#,
        "line 3, column 40: service account `ns/x` is trusted twice, by identities `a` and `b`",
    );
}

mod identities;

#[test]
fn a_name_declared_twice_is_refused() {
    let text = r#"{ "resources": {}, "identities": {
        "a": { "serviceAccounts": [] }, "a": { "serviceAccounts": [] } }, "grants": [], "calls": [] }"#;
    let error = Model::parse(text, &Roles::built_in()).expect_err("the name is repeated");
    assert!(
        error.to_string().ends_with("`a` is declared twice"),
        "{error}"
    );
}

#[test]
fn a_queue_declared_twice_is_refused() {
    let text = r#"{ "resources": { "bus": { "type": "serviceBus", "queues": { "q": {}, "q": {} } } }, "identities": {}, "grants": [], "calls": [] }"#;
    let error = Model::parse(text, &Roles::built_in()).expect_err("the queue is repeated");
    assert!(
        error.to_string().ends_with("`q` is declared twice"),
        "{error}"
    );
}

#[test]
fn an_unknown_setting_of_a_queue_is_named() {
    let text = r#"{ "resources": { "bus": { "type": "serviceBus", "queues": { "q": { "lock": 1 } } } }, "identities": {}, "grants": [], "calls": [] }"#;
    let error = Model::parse(text, &Roles::built_in()).expect_err("there is no such setting");
    assert!(
        error
            .to_string()
            .contains("line 1, column 73: unknown field `lock`"),
        "{error}"
    );
}

#[test]
fn a_resource_whose_name_makes_no_host_name_is_refused() {
    for name in [
        "Vault",
        "my-vault",
        "v v",
        "1st",
        "",
        "anamethatismuchtoolong",
    ] {
        let text = format!(
            r#"{{ "resources": {{ "{name}": {{ "type": "keyVault", "secrets": {{}} }} }},
                "identities": {{}}, "grants": [], "calls": [] }}"#
        );
        let error = Model::parse(&text, &Roles::built_in()).expect_err(name);
        assert!(
            error
                .to_string()
                .contains(&format!("`{name}` is no name of a resource")),
            "{error}"
        );
    }
}

#[test]
fn a_queue_that_never_delivers_is_refused() {
    for (setting, problem) in [
        (r#""maxDeliveryCount": 0"#, "expected a nonzero u32"),
        (
            r#""lockDuration": "PT0S""#,
            "`PT0S` is not a positive ISO 8601 duration",
        ),
    ] {
        let queues = format!(r#"{{ "q": {{ {setting} }} }}"#);
        let text = format!(
            r#"{{ "resources": {{ "bus": {{ "type": "serviceBus", "queues": {queues} }} }},
                "identities": {{}}, "grants": [], "calls": [] }}"#
        );
        let error = Model::parse(&text, &Roles::built_in()).expect_err(setting);
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn a_duration_that_is_none_is_refused() {
    let text = r#"{ "resources": { "bus": { "type": "serviceBus", "queues": { "q": { "lockDuration": "30" } } } }, "identities": {}, "grants": [], "calls": [] }"#;
    let error = Model::parse(text, &Roles::built_in()).expect_err("30 is no duration");
    assert!(
        error
            .to_string()
            .contains("`30` is not a positive ISO 8601 duration such as PT30S"),
        "{error}"
    );
}

#[test]
fn a_scope_is_within_itself_and_its_ancestors_only() {
    let secret = Scope::new(["vault", "secrets", "key"]);
    assert!(secret.is_within(&Scope::new(["vault"])));
    assert!(secret.is_within(&secret));
    assert!(!secret.is_within(&Scope::new(["vault", "secrets", "ke"])));
    assert!(!Scope::new(["vault"]).is_within(&secret));
}
