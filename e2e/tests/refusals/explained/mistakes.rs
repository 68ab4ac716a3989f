//! The table: each mistake, and what its explanation has to say.

use local_cloud::names;
use serde_json::json;

use super::{Mistake, blob, cosmos, vault};
use crate::cloud::{COSMOS, KEY_VAULT, SERVICE_BUS, STORAGE, UNTRUSTED};

/// What its explanation has to say.
pub(super) struct Explained {
    pub(super) code: &'static str,
    pub(super) step: u8,
    pub(super) field: &'static str,
    /// The place, and the two characters there; none where things differ as a whole.
    pub(super) parting: Option<(usize, Option<char>, Option<char>)>,
    /// Words in it.
    pub(super) words: &'static str,
    /// Texts of the line of the access model that one of the fixes names.
    pub(super) line: &'static [&'static str],
    /// A part of the command of one of the fixes.
    pub(super) az: &'static str,
}

impl Default for Explained {
    fn default() -> Self {
        Self {
            code: "",
            step: 5,
            field: "",
            parting: None,
            words: "",
            line: &[],
            az: "",
        }
    }
}

/// The mistakes of the exchange: steps 2 to 4.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn exchanges() -> Vec<(&'static str, Mistake, Explained)> {
    let issuer_length = names::cluster_issuer().chars().count();
    let frontend = names::client_id("frontend").to_string();
    let slipped = format!("{}x", &frontend[..35]);
    let last = frontend.chars().last();
    let trusts_frontend: &[&str] = &["\"namespace\": \"todolist\", \"name\": \"frontend\""];
    vec![
        (
            "another service account",
            Mistake::Claims(|claims| {
                claims["sub"] = "system:serviceaccount:todolist:worker".into();
            }),
            Explained {
                code: "AADSTS700213",
                step: 3,
                field: "subject",
                parting: Some((32, Some('w'), Some('f'))),
                words: "`worker` instead of `frontend`",
                line: trusts_frontend,
                az: "az identity federated-credential create --resource-group rg-local-cloud --identity-name frontend ",
            },
        ),
        (
            "a namespace with a slip",
            Mistake::Claims(|claims| {
                claims["sub"] = "system:serviceaccount:todo-list:frontend".into();
            }),
            Explained {
                code: "AADSTS700213",
                step: 3,
                field: "subject",
                parting: Some((27, Some('-'), Some('l'))),
                words: "`-` should not be there",
                line: trusts_frontend,
                az: "--subject system:serviceaccount:todo-list:frontend ",
            },
        ),
        (
            "a capital letter",
            Mistake::Claims(|claims| {
                claims["sub"] = "system:serviceaccount:todolist:Frontend".into();
            }),
            Explained {
                code: "AADSTS7002138",
                step: 3,
                field: "subject",
                parting: Some((32, Some('F'), Some('f'))),
                words: "only the case differs",
                line: trusts_frontend,
                ..Explained::default()
            },
        ),
        (
            "a blank at the end of the subject",
            Mistake::Claims(|claims| {
                claims["sub"] = "system:serviceaccount:todolist:frontend ".into();
            }),
            Explained {
                code: "AADSTS700213",
                step: 3,
                field: "subject",
                parting: Some((40, Some(' '), None)),
                words: "a blank (U+0020) at the end should not be there",
                line: trusts_frontend,
                ..Explained::default()
            },
        ),
        (
            "an issuer without its slash",
            Mistake::Claims(|claims| {
                let issuer = claims["iss"]
                    .as_str()
                    .expect("an issuer")
                    .trim_end_matches('/');
                claims["iss"] = issuer.to_owned().into();
            }),
            Explained {
                code: "AADSTS700211",
                step: 3,
                field: "issuer",
                parting: Some((issuer_length, None, Some('/'))),
                words: "lacks the slash `/` at the end",
                line: trusts_frontend,
                az: "az identity federated-credential update --resource-group rg-local-cloud --identity-name frontend --name todolist-frontend ",
            },
        ),
        (
            "another audience",
            Mistake::Claims(|claims| claims["aud"] = json!(["api://AzureADTokenExchanges"])),
            Explained {
                code: "AADSTS700212",
                step: 3,
                field: "audience",
                parting: Some((27, Some('s'), None)),
                words: "`s` at the end should not be there",
                line: trusts_frontend,
                ..Explained::default()
            },
        ),
        (
            "a client id with a slip",
            Mistake::Parameter("client_id", slipped),
            Explained {
                code: "AADSTS700016",
                step: 2,
                field: "client id",
                parting: Some((36, Some('x'), last)),
                words: "`x` instead of",
                line: &["\"frontend\": {"],
                az: "az identity show --resource-group rg-local-cloud --name frontend --query clientId ",
            },
        ),
        (
            "the object id for the client id",
            Mistake::Parameter("client_id", names::object_id("frontend").to_string()),
            Explained {
                code: "AADSTS700016",
                step: 2,
                field: "client id",
                parting: parting(&names::object_id("frontend").to_string(), &frontend),
                line: &["\"frontend\": {"],
                ..Explained::default()
            },
        ),
        (
            "an identity without a federated credential",
            Mistake::Parameter("client_id", names::client_id(UNTRUSTED).to_string()),
            Explained {
                code: "AADSTS70025",
                step: 3,
                field: "federated credential",
                words: "has no federated credential",
                line: &["\"untrusted\": {"],
                az: "az identity federated-credential create --resource-group rg-local-cloud --identity-name untrusted --name todolist-frontend ",
                ..Explained::default()
            },
        ),
        (
            "an expired token",
            Mistake::Expired,
            Explained {
                code: "AADSTS700024",
                step: 3,
                field: "expiry",
                words: "it expired 1 hour",
                ..Explained::default()
            },
        ),
        (
            "another tenant",
            Mistake::Tenant("11111111-2222-3333-4444-555555555555"),
            Explained {
                code: "AADSTS90002",
                step: 2,
                field: "tenant",
                parting: parting(
                    "11111111-2222-3333-4444-555555555555",
                    &names::tenant_id().to_string(),
                ),
                az: "az account show --query tenantId",
                ..Explained::default()
            },
        ),
        (
            "a resource with a slip",
            Mistake::Parameter("scope", "https://vault.azure.com/.default".to_owned()),
            Explained {
                code: "AADSTS500011",
                step: 4,
                field: "resource",
                parting: Some((21, Some('c'), Some('n'))),
                words: "`com` instead of `net`",
                ..Explained::default()
            },
        ),
        (
            "a scope without its end",
            Mistake::Parameter("scope", KEY_VAULT.to_owned()),
            Explained {
                code: "AADSTS1002012",
                step: 4,
                field: "scope",
                parting: Some((24, None, Some('/'))),
                words: "lacks `/.default` at the end",
                ..Explained::default()
            },
        ),
    ]
}

/// The mistakes at a resource: step 5.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn resources() -> Vec<(&'static str, Mistake, Explained)> {
    vec![
        (
            "a role at another secret",
            Mistake::Get(KEY_VAULT, vault("share-link-key")),
            Explained {
                code: "ForbiddenByRbac",
                field: "scope",
                parting: Some((16, Some('h'), Some('e'))),
                words: "role `Key Vault Secrets User` stands there",
                line: &["\"identity\": \"frontend\"", "bus/queues/attachment-jobs"],
                az: "az role assignment create --role 'Key Vault Secrets User' --assignee-object-id \"$(az identity show --resource-group rg-local-cloud --name frontend --query principalId --output tsv)\" --assignee-principal-type ServicePrincipal --scope ",
                ..Explained::default()
            },
        ),
        (
            "a secret with a slip",
            Mistake::Get(KEY_VAULT, vault("sesion-key")),
            Explained {
                code: "ForbiddenByRbac",
                field: "name",
                parting: Some((18, Some('i'), Some('s'))),
                words: "lacks `s`",
                ..Explained::default()
            },
        ),
        (
            "a role at another container of Cosmos DB",
            Mistake::Get(COSMOS, cosmos("todos")),
            Explained {
                code: "403/5301",
                field: "scope",
                parting: Some((38, Some('t'), Some('a'))),
                words: "role `Cosmos DB Built-in Data Reader` stands there",
                line: &["\"identity\": \"frontend\"", "bus/queues/attachment-jobs"],
                az: "--scope /dbs/todolist/colls/todos",
                ..Explained::default()
            },
        ),
        (
            "a role that only reads",
            Mistake::Write,
            Explained {
                code: "403/5302",
                field: "action",
                words: "role `Cosmos DB Built-in Data Reader` stands at cosmos/databases/todolist/containers/activity, and does not have this action",
                az: "--role-definition-id 00000000-0000-0000-0000-000000000002 ",
                ..Explained::default()
            },
        ),
        (
            "a role at a container where the account is asked",
            Mistake::Get(STORAGE, blob("?comp=list")),
            Explained {
                code: "AuthorizationPermissionMismatch",
                field: "scope",
                parting: Some((8, None, Some('/'))),
                words: "lacks `/containers/attachments` at the end",
                line: &["\"identity\": \"frontend\"", "bus/queues/attachment-jobs"],
                az: "/providers/Microsoft.Storage/storageAccounts/localstorage",
                ..Explained::default()
            },
        ),
        (
            "a role at another queue",
            Mistake::Send(SERVICE_BUS, "todo-events"),
            Explained {
                code: "amqp:unauthorized-access",
                field: "scope",
                parting: Some((12, Some('t'), Some('a'))),
                words: "role `Azure Service Bus Data Sender` stands there",
                line: &["\"identity\": \"backend\"", "bus/queues/todo-events"],
                az: "/namespaces/localbus/queues/todo-events",
                ..Explained::default()
            },
        ),
        (
            "a token of Storage at Key Vault",
            Mistake::Get(STORAGE, vault("session-key")),
            Explained {
                code: "AKV10022",
                field: "audience",
                parting: Some((9, Some('s'), Some('v'))),
                words: "`storage.azure.com` instead of `vault.azure.net`",
                ..Explained::default()
            },
        ),
        (
            "a token of Key Vault at Cosmos DB",
            Mistake::Get(KEY_VAULT, cosmos("activity")),
            Explained {
                code: "401/5008",
                field: "audience",
                parting: Some((9, Some('v'), Some('c'))),
                ..Explained::default()
            },
        ),
        (
            "a token of Key Vault at Storage",
            Mistake::Get(KEY_VAULT, blob("attachments/none")),
            Explained {
                code: "InvalidAuthenticationInfo",
                field: "audience",
                parting: Some((9, Some('v'), Some('s'))),
                ..Explained::default()
            },
        ),
        (
            "a token of Key Vault at Service Bus",
            Mistake::Send(KEY_VAULT, "attachment-jobs"),
            Explained {
                code: "InvalidAudience",
                field: "audience",
                parting: Some((9, Some('v'), Some('s'))),
                ..Explained::default()
            },
        ),
        (
            "a service account that is not there",
            Mistake::Pod("fronted", "3600"),
            Explained {
                code: "AdmissionServiceAccount",
                step: 1,
                field: "service account",
                parting: Some((16, Some('d'), Some('n'))),
                words: "lacks `n`",
                ..Explained::default()
            },
        ),
        (
            "a token's lifetime out of bounds",
            Mistake::Pod("frontend", "60"),
            Explained {
                code: "AdmissionTokenExpiration",
                step: 1,
                field: "service-account-token-expiration",
                words: "it is 3540 too small",
                ..Explained::default()
            },
        ),
    ]
}

fn parting(presented: &str, trusted: &str) -> Option<(usize, Option<char>, Option<char>)> {
    let mut pairs = presented.chars().zip(trusted.chars()).enumerate();
    let (at, (one, other)) = pairs.find(|(_, (one, other))| one != other)?;
    Some((at + 1, Some(one), Some(other)))
}
