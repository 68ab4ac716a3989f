//! Role definitions: which actions a role name stands for. The definitions are
//! data (`infra/roles.json`), with their source and date beside them.
//!
//! Azure's rule (Microsoft Learn, *Understand Azure role definitions*): a role
//! grants `Actions` minus `NotActions` and `DataActions` minus
//! `NotDataActions`; `*` stands for any run of characters, `/` included. Cosmos
//! DB has a role system of its own, whose roles are not Azure roles.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// A control action that a data plane enforces, such as listing containers.
    Action(&'static str),
    /// A data action of Azure RBAC.
    DataAction(&'static str),
    /// A data action of Cosmos DB's own role system.
    CosmosDataAction(&'static str),
    /// What an application role of Microsoft Graph allows. Graph looks for the
    /// role in the token, not at what is assigned now.
    GraphAction(&'static str),
}

impl Permission {
    /// The action's name, as roles and refusals spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Action(name)
            | Self::DataAction(name)
            | Self::CosmosDataAction(name)
            | Self::GraphAction(name) => name,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Action(_) => Kind::Action,
            Self::DataAction(_) => Kind::DataAction,
            Self::CosmosDataAction(_) => Kind::CosmosDataAction,
            Self::GraphAction(_) => Kind::GraphAction,
        }
    }
}

/// Which list of a role definition a permission has to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Actions`.
    Action,
    /// `DataActions`.
    DataAction,
    /// The data actions of a Cosmos DB role.
    CosmosDataAction,
    /// What an application role of Microsoft Graph allows.
    GraphAction,
}

impl Kind {
    /// The kind of an action that is only known by its name.
    pub fn of(action: &str) -> Self {
        let action = action.to_ascii_lowercase();
        if action.starts_with("microsoft.documentdb/") {
            return Self::CosmosDataAction;
        }
        let data = ["/secrets/", "/messages/", "/blobs/"];
        if data.iter().any(|part| action.contains(part)) {
            return Self::DataAction;
        }
        Self::Action
    }
}

/// Which of the role systems a role belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleSystem {
    /// Azure role-based access control.
    Azure,
    /// Cosmos DB's data-plane roles.
    Cosmos,
    /// Application roles of Microsoft Graph.
    Graph,
}

/// One role definition.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// The definition's id: a GUID, or Cosmos' numbered built-in. A custom role
    /// has one where it is made, in Bicep.
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    not_actions: Vec<String>,
    #[serde(default)]
    data_actions: Vec<String>,
    #[serde(default)]
    not_data_actions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "date")]
    _date: String,
    azure: BTreeMap<String, Role>,
    cosmos: BTreeMap<String, Role>,
    /// Roles of Azure's system that the templates define.
    #[serde(default)]
    custom: BTreeMap<String, Role>,
    /// What only the templates assign: no access model may name it.
    #[serde(default, rename = "infrastructure")]
    _infrastructure: BTreeMap<String, Role>,
    #[serde(default)]
    graph: BTreeMap<String, Role>,
}

/// Every role that an access model may name.
#[derive(Clone, Debug)]
pub struct Roles {
    by_name: BTreeMap<String, (RoleSystem, Role)>,
}

impl Roles {
    /// The definitions that ship with the repository.
    pub fn built_in() -> Self {
        Self::parse(include_str!("../../../infra/roles.json"))
            .expect("infra/roles.json is checked by a test")
    }

    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let file: File = serde_json::from_str(text)?;
        let azure = file
            .azure
            .into_iter()
            .chain(file.custom)
            .map(|(n, r)| (n, (RoleSystem::Azure, r)));
        let cosmos = file
            .cosmos
            .into_iter()
            .map(|(n, r)| (n, (RoleSystem::Cosmos, r)));
        let graph = file
            .graph
            .into_iter()
            .map(|(n, r)| (n, (RoleSystem::Graph, r)));
        Ok(Self {
            by_name: azure.chain(cosmos).chain(graph).collect(),
        })
    }

    /// The role system of a role, or `None` if there is no role of that name.
    pub fn system(&self, role: &str) -> Option<RoleSystem> {
        self.by_name.get(role).map(|(system, _)| *system)
    }

    /// The names of all roles, for error messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Whether a role of this name grants the permission.
    pub fn grants(&self, role: &str, permission: Permission) -> bool {
        self.lists(role, permission.kind(), permission.name())
    }

    /// Whether a role of this name has the action, by name.
    pub fn lists(&self, role: &str, kind: Kind, action: &str) -> bool {
        let Some((yes, no)) = self.patterns(role, kind) else {
            return false;
        };
        let listed = |patterns: &[String]| patterns.iter().any(|p| matches(p, action));
        listed(yes) && !listed(no)
    }

    /// The id of a role's definition; a custom role has none here.
    pub fn id(&self, role: &str) -> Option<&str> {
        self.by_name.get(role)?.1.id.as_deref()
    }

    /// What a role has of this kind, as its definition spells it.
    pub fn actions(&self, role: &str, kind: Kind) -> &[String] {
        self.patterns(role, kind).map_or(&[], |(yes, _)| yes)
    }

    /// The role that has the action and the least beside it.
    pub fn narrowest(&self, kind: Kind, action: &str) -> Option<&str> {
        // A pattern that ends in a star takes in what nobody has counted.
        let width = |pattern: &String| if pattern.ends_with('*') { 100 } else { 1 };
        let having = self.names().filter(|role| self.lists(role, kind, action));
        having.min_by_key(|role| {
            let all = [Kind::Action, Kind::DataAction, Kind::CosmosDataAction];
            let patterns = all.into_iter().flat_map(|kind| self.actions(role, kind));
            patterns.map(width).sum::<usize>()
        })
    }

    fn patterns(&self, role: &str, kind: Kind) -> Option<(&[String], &[String])> {
        let (system, role) = self.by_name.get(role)?;
        let (yes, no, of) = match kind {
            Kind::Action => (&role.actions, &role.not_actions, RoleSystem::Azure),
            Kind::DataAction => (
                &role.data_actions,
                &role.not_data_actions,
                RoleSystem::Azure,
            ),
            Kind::CosmosDataAction => (
                &role.data_actions,
                &role.not_data_actions,
                RoleSystem::Cosmos,
            ),
            Kind::GraphAction => (
                &role.data_actions,
                &role.not_data_actions,
                RoleSystem::Graph,
            ),
        };
        (*system == of).then_some((yes, no))
    }
}

/// Compares without regard to case; `*` stands for any run, `/` included.
fn matches(pattern: &str, action: &str) -> bool {
    if !pattern.contains('*') {
        return pattern.eq_ignore_ascii_case(action);
    }
    let pattern = pattern.to_ascii_lowercase();
    let action = action.to_ascii_lowercase();
    let mut parts = pattern.split('*');
    let Some(mut rest) = action.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND: Permission =
        Permission::DataAction("Microsoft.ServiceBus/namespaces/messages/send/action");
    const GET_SECRET: Permission =
        Permission::DataAction("Microsoft.KeyVault/vaults/secrets/getSecret/action");
    const READ_ITEM: &str =
        "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/read";

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, action, expected) in [
            ("*", "a/b/c", true),
            ("a/*/c", "a/b/x/c", true),
            ("a/*/c", "a/c", false),
            ("a/*", "a/", true),
            ("a/b", "A/B", true),
            ("a/b", "a/b/c", false),
            ("a/*b*/c", "a/xbx/c", true),
        ] {
            assert_eq!(
                matches(pattern, action),
                expected,
                "{pattern} against {action}"
            );
        }
    }

    #[test]
    fn a_role_grants_its_own_actions_and_no_others() {
        let roles = Roles::built_in();
        assert!(roles.grants("Azure Service Bus Data Sender", SEND));
        assert!(!roles.grants("Azure Service Bus Data Receiver", SEND));
        assert!(roles.grants("Key Vault Secrets User", GET_SECRET));
        assert!(!roles.grants("Key Vault Reader", GET_SECRET));
        assert!(!roles.grants("No such role", GET_SECRET));
    }

    #[test]
    fn the_narrowest_role_has_the_action_and_the_least_beside_it() {
        let roles = Roles::built_in();
        let blob = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read";
        for (kind, action, role) in [
            (
                GET_SECRET.kind(),
                GET_SECRET.name(),
                "Key Vault Secrets User",
            ),
            (SEND.kind(), SEND.name(), "Azure Service Bus Data Sender"),
            (Kind::DataAction, blob, "Storage Blob Data Reader"),
            (
                Kind::CosmosDataAction,
                READ_ITEM,
                "Cosmos DB Built-in Data Reader",
            ),
        ] {
            assert_eq!(roles.narrowest(kind, action), Some(role));
            assert_eq!(Kind::of(action), kind, "{action}");
        }
        assert_eq!(roles.narrowest(Kind::DataAction, "No.Such/action"), None);
    }

    #[test]
    fn owning_the_subscription_grants_no_data_action() {
        assert!(!Roles::built_in().grants("Contributor", GET_SECRET));
        assert!(Roles::built_in().grants("Contributor", Permission::Action("Microsoft.Storage/x")));
    }

    #[test]
    fn what_a_role_excludes_it_does_not_grant() {
        let roles = Roles::parse(
            r#"{ "source": "", "date": "", "cosmos": {}, "azure": { "Most": { "id": "",
                "actions": ["a/*"], "notActions": ["a/write"],
                "dataActions": ["d/*"], "notDataActions": ["d/*/delete"] } } }"#,
        )
        .expect("valid");

        assert!(roles.grants("Most", Permission::Action("a/read")));
        assert!(!roles.grants("Most", Permission::Action("a/write")));
        assert!(roles.grants("Most", Permission::DataAction("d/x/read")));
        assert!(!roles.grants("Most", Permission::DataAction("d/x/delete")));
    }

    #[test]
    fn what_a_definition_says_and_we_do_not_know_is_an_error() {
        for text in [
            r#"{ "source": "", "date": "", "azure": {}, "cosmos": {}, "more": {} }"#,
            r#"{ "source": "", "date": "", "cosmos": {},
                "azure": { "R": { "id": "", "conditions": [] } } }"#,
        ] {
            let error = Roles::parse(text).expect_err("it is unknown");
            assert!(error.to_string().starts_with("unknown field"), "{error}");
        }
    }

    #[test]
    fn a_custom_role_may_be_granted_and_has_no_id_and_one_for_the_templates_alone_may_not() {
        let roles = Roles::built_in();
        let custom = "Service Bus Queue Reader";
        assert_eq!(roles.system(custom), Some(RoleSystem::Azure));
        assert_eq!(roles.id(custom), None);
        let read = Permission::Action("Microsoft.ServiceBus/namespaces/queues/read");
        assert!(roles.grants(custom, read) && !roles.grants(custom, SEND));
        assert_eq!(roles.system("AcrPull"), None);
    }

    #[test]
    fn the_two_role_systems_do_not_know_each_other() {
        let roles = Roles::built_in();
        let reader = "Cosmos DB Built-in Data Reader";
        assert!(roles.grants(reader, Permission::CosmosDataAction(READ_ITEM)));
        assert!(!roles.grants(reader, Permission::DataAction(READ_ITEM)));
        assert!(!roles.grants("Contributor", Permission::CosmosDataAction(READ_ITEM)));
    }
}
