//! The access file with its places: whom each identity trusts, and what it may
//! do. Whether it is valid otherwise is for the model's own parser to say.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::node::{Node, Place};

pub(super) struct Access {
    pub(super) identities: Vec<Identity>,
    pub(super) grants: Vec<Grant>,
    pub(super) calls: Vec<Call>,
}

pub(super) struct Identity {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) accounts: Vec<Trusted>,
    /// Whom it trusts beside accounts of this cluster.
    pub(super) credentials: Vec<Node>,
    pub(super) shared_because: Option<String>,
}

/// A service account that an identity trusts.
pub(super) struct Trusted {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) place: Place,
}

pub(super) struct Grant {
    pub(super) identity: String,
    pub(super) role: Named,
    pub(super) scope: Named,
}

/// A name and where it stands.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) place: Place,
}

pub(super) struct Call {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) audience: Named,
}

impl Access {
    pub(super) fn read(path: &Path) -> Result<Self> {
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
        Ok(Self {
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

    /// The identity that trusts a service account.
    pub(super) fn trusting(&self, namespace: &str, name: &str) -> Option<&Identity> {
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
pub(super) fn needed(node: &Node, name: &str) -> Result<Named> {
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
