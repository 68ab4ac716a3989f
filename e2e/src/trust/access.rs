//! The access file with its places: whom each identity trusts, and what it may
//! do. Whether it is valid otherwise is for the model's own parser to say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::node::{Node, Place};

pub(crate) struct Access {
    /// Resources by logical name, each with its type.
    pub(crate) resources: BTreeMap<String, String>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) calls: Vec<Call>,
}

pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) accounts: Vec<Trusted>,
    /// Whom it trusts beside accounts of this cluster.
    pub(crate) credentials: Vec<Node>,
    pub(crate) shared_because: Option<String>,
    /// Whether somebody else uses it than the code here, such as an add-on of the
    /// cluster, whose accounts may be in no manifest.
    pub(crate) external: bool,
}

/// A service account that an identity trusts.
pub(crate) struct Trusted {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) place: Place,
}

pub(crate) struct Grant {
    pub(crate) identity: String,
    pub(crate) role: Named,
    pub(crate) scope: Named,
}

/// A name and where it stands.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) place: Place,
}

pub(crate) struct Call {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) audience: Named,
}

impl Access {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let (file, text) = super::read(path)?;
        let mut documents =
            Node::documents(&file, &text).with_context(|| format!("{file} is not valid JSON"))?;
        let (Some(root), true) = (documents.pop(), documents.is_empty()) else {
            bail!("{file} has to be one document");
        };
        let identities = root
            .get("identities")
            .with_context(|| format!("{file} has no `identities`"))?;
        let list = |name: &str| root.get(name).map(Node::items).unwrap_or_default();
        let resources = root.get("resources").map(Node::entries).unwrap_or_default();
        let resources = resources.iter().filter_map(|entry| {
            let kind = entry.value.text_of("type")?;
            Some((entry.key.clone(), kind.to_owned()))
        });
        Ok(Self {
            resources: resources.collect(),
            identities: identities
                .entries()
                .iter()
                .map(|entry| Identity::of(&entry.key, &entry.place, &entry.value))
                .collect::<Result<_>>()?,
            grants: list("grants")
                .iter()
                .map(Grant::of)
                .collect::<Result<_>>()?,
            calls: list("calls").iter().map(Call::of).collect::<Result<_>>()?,
        })
    }

    /// Reads an access file, and with it those of options that are on.
    pub(crate) fn read_with(path: &Path, options: &[PathBuf]) -> Result<Self> {
        let mut access = Self::read(path)?;
        for option in options {
            let Self {
                identities, grants, ..
            } = Self::read(option)?;
            access.identities.extend(identities);
            access.grants.extend(grants);
        }
        Ok(access)
    }

    /// The identity of this name.
    pub(crate) fn identity(&self, name: &str) -> Option<&Identity> {
        self.identities.iter().find(|own| own.name == name)
    }

    /// The identity that trusts a service account.
    pub(crate) fn trusting(&self, namespace: &str, name: &str) -> Option<&Identity> {
        self.identities.iter().find(|identity| {
            let mut accounts = identity.accounts.iter();
            accounts.any(|own| own.namespace == namespace && own.name == name)
        })
    }
}

impl Identity {
    fn of(name: &str, place: &Place, node: &Node) -> Result<Self> {
        let list = |name: &str| node.get(name).map(Node::items).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            place: place.clone(),
            accounts: list("serviceAccounts")
                .iter()
                .map(Trusted::of)
                .collect::<Result<_>>()?,
            credentials: list("federatedCredentials").to_vec(),
            shared_because: node.text_of("sharedBecause").map(str::to_owned),
            external: node.get("external").is_some_and(|value| value.is(true)),
        })
    }
}

impl Trusted {
    fn of(node: &Node) -> Result<Self> {
        Ok(Self {
            namespace: needed(node, "namespace")?.name,
            name: needed(node, "name")?.name,
            place: node.place.clone(),
        })
    }
}

impl Grant {
    fn of(node: &Node) -> Result<Self> {
        Ok(Self {
            identity: needed(node, "identity")?.name,
            role: needed(node, "role")?,
            scope: needed(node, "scope")?,
        })
    }
}

impl Call {
    fn of(node: &Node) -> Result<Self> {
        Ok(Self {
            from: needed(node, "from")?.name,
            to: needed(node, "to")?.name,
            audience: needed(node, "audience")?,
        })
    }
}

/// A member that has to be there, as text.
pub(crate) fn needed(node: &Node, name: &str) -> Result<Named> {
    let value = node.get(name);
    let text = value.and_then(Node::text);
    let (Some(value), Some(text)) = (value, text) else {
        bail!("{}: `{name}` has to be there, as a text", node.place);
    };
    Ok(Named {
        name: text.to_owned(),
        place: value.place.clone(),
    })
}
