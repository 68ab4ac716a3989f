//! The kinds of identities, and what each may have.

use super::super::*;

/// The model of these identities.
fn parse(identities: &str) -> Result<Model, ModelError> {
    let text = format!(
        r#"{{ "resources": {{ "graph": {{ "type": "graph" }}, "vault": {{ "type": "keyVault", "secrets": {{}} }} }},
"identities": {identities},
"grants": [], "calls": [] }}"#
    );
    Model::parse(&text, &Roles::built_in())
}

fn refused(identity: &str) -> String {
    let identities = format!(r#"{{ "a": {identity} }}"#);
    let error = parse(&identities).expect_err(identity).to_string();
    let place = "line 2, column 22: ";
    error.strip_prefix(place).expect(place).to_owned()
}

#[test]
fn an_identity_is_user_assigned_unless_it_says_otherwise() {
    let model = parse(
        r#"{ "user": { "serviceAccounts": [] },
             "same": { "type": "userAssigned", "serviceAccounts": [] },
             "app": { "type": "application", "serviceAccounts": [], "sharedBecause": "one team" },
             "build": { "type": "systemAssigned", "resource": "Microsoft.Compute/virtualMachines/build" } }"#,
    )
    .expect("valid");
    let kind = |name: &str| model.identities[name].kind.clone();
    assert_eq!(kind("user"), IdentityKind::UserAssigned);
    assert_eq!(kind("same"), IdentityKind::UserAssigned);
    assert_eq!(kind("app"), IdentityKind::Application);
    let resource = "Microsoft.Compute/virtualMachines/build".to_owned();
    assert_eq!(kind("build"), IdentityKind::SystemAssigned { resource });
    let reason = model.identities["app"].shared_because.as_deref();
    assert_eq!(reason, Some("one team"));
}

#[test]
fn an_identity_may_trust_an_account_of_another_cluster() {
    let model = parse(
        r#"{ "a": { "federatedCredentials": [
            { "issuer": "https://other.example", "subject": "system:serviceaccount:ns:x", "audience": "api://x" }] } }"#,
    )
    .expect("valid");
    let trust = &model.identities["a"].federated_credentials[0];
    assert_eq!(trust.issuer, "https://other.example");
    assert_eq!(trust.subject, "system:serviceaccount:ns:x");
    assert_eq!(trust.audience, "api://x");
}

#[test]
fn what_does_not_fit_the_kind_is_refused() {
    for (identity, why) in [
        ("{}", "missing field `serviceAccounts`"),
        (
            r#"{ "serviceAccounts": [], "resource": "x" }"#,
            "`a` is not system-assigned, so it has no `resource`",
        ),
        (
            r#"{ "type": "systemAssigned" }"#,
            "`a` is system-assigned, but no `resource` is named",
        ),
        (
            r#"{ "type": "systemAssigned", "resource": "Microsoft.Compute/virtualMachines/b" }"#,
            "`a` is the identity of `Microsoft.Compute/virtualMachines/b`, and so is called `b`",
        ),
        (
            r#"{ "type": "systemAssigned", "resource": "a" }"#,
            "`a` is no resource such as Microsoft.Compute/virtualMachines/a",
        ),
        (
            r#"{ "type": "systemAssigned", "resource": "Microsoft.Compute/virtualMachines/a",
                "serviceAccounts": [{ "namespace": "ns", "name": "x" }] }"#,
            "`a` is system-assigned, and so cannot have a federated credential",
        ),
        (
            r#"{ "type": "systemAssigned", "resource": "Microsoft.Compute/virtualMachines/a",
                "federatedCredentials": [{ "issuer": "i", "subject": "s", "audience": "a" }] }"#,
            "`a` is system-assigned, and so cannot have a federated credential",
        ),
    ] {
        assert_eq!(refused(identity), why, "{identity}");
    }
    let error = parse(r#"{ "a": { "type": "other", "serviceAccounts": [] } }"#);
    let error = error.expect_err("there is no such type").to_string();
    assert!(error.contains("unknown variant `other`"), "{error}");
}

#[test]
fn a_model_that_azure_would_not_deploy_is_refused() {
    let account = |number: usize| format!(r#"{{ "namespace": "ns", "name": "sa-{number}" }}"#);
    let accounts = |number: usize| {
        let accounts: Vec<_> = (0..number).map(account).collect();
        format!(r#"{{ "serviceAccounts": [{}] }}"#, accounts.join(", "))
    };
    parse(&format!(r#"{{ "a": {} }}"#, accounts(20))).expect("20 are not too many");
    assert_eq!(
        refused(&accounts(21)),
        "`a`: A maximum of 20 federated identity credentials can be added to an application or user-assigned \
         managed identity."
    );
    let trust = r#"{ "issuer": "i", "subject": "s", "audience": "a" }"#;
    assert_eq!(
        refused(&format!(
            r#"{{ "federatedCredentials": [{trust}, {trust}] }}"#
        )),
        "`a`: Issuer and subject combination already exists for this Managed Identity."
    );
    let nobody = trust.replace(r#""s""#, r#""""#);
    assert_eq!(
        refused(&format!(r#"{{ "federatedCredentials": [{nobody}] }}"#)),
        "`a`: Federated Identity Credential from HTTP body has empty properties"
    );
}

#[test]
fn a_role_of_microsoft_graph_is_one_at_microsoft_graph() {
    let grant = |role: &str, scope: &str| Grant {
        identity: "a".to_owned(),
        role: role.to_owned(),
        scope: Scope::new(scope.split('/')),
    };
    let roles = Roles::built_in();
    let model = parse(r#"{ "a": { "serviceAccounts": [] } }"#).expect("valid");
    let check = |role: &str, scope: &str| model.check_place(&grant(role, scope), &roles);

    check("Application.Read.All", "graph").expect("it is at Microsoft Graph");
    assert_eq!(
        check("Application.Read.All", "vault").expect_err("it is not"),
        "role `Application.Read.All` is an application role of Microsoft Graph, but `vault` is not Microsoft Graph"
    );
    assert_eq!(
        check("Application.Read.All", "graph/users").expect_err("there is nothing below"),
        "scope `graph/users` lies outside every declared resource"
    );
}

#[test]
fn there_is_one_microsoft_graph() {
    let text = r#"{ "resources": { "graph": { "type": "graph" }, "more": { "type": "graph" } },
        "identities": {}, "grants": [], "calls": [] }"#;
    let error = Model::parse(text, &Roles::built_in()).expect_err("there are two");
    assert_eq!(
        error.to_string(),
        "line 1, column 56: there is one Microsoft Graph, and it is `graph`"
    );
}
