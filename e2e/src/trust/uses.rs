//! What the code does with each grant: which actions, and where. Beside it what
//! is accepted, each with its reason.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::access::needed;
use crate::node::{Node, Place};

pub(super) struct Uses {
    pub(super) uses: Vec<Use>,
    pub(super) exceptions: Vec<Exception>,
}

/// What an identity does at a scope.
pub(super) struct Use {
    pub(super) identity: String,
    pub(super) scope: String,
    pub(super) actions: Vec<String>,
    pub(super) place: Place,
}

/// A finding that is accepted.
pub(super) struct Exception {
    pub(super) code: String,
    pub(super) about: String,
    pub(super) because: String,
    pub(super) place: Place,
}

impl Uses {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let (file, text) = super::read(path)?;
        let documents =
            Node::documents(&file, &text).with_context(|| format!("{file} is not valid JSON"))?;
        let [root] = &documents[..] else {
            bail!("{file} has to be one document");
        };
        let list = |name: &str| root.get(name).map(Node::items).unwrap_or_default();
        Ok(Self {
            uses: list("uses").iter().map(Use::of).collect::<Result<_>>()?,
            exceptions: list("exceptions")
                .iter()
                .map(Exception::of)
                .collect::<Result<_>>()?,
        })
    }
}

impl Use {
    fn of(node: &Node) -> Result<Self> {
        let actions = node.get("actions").map(Node::items).unwrap_or_default();
        let actions: Vec<String> = actions
            .iter()
            .filter_map(Node::text)
            .map(str::to_owned)
            .collect();
        if actions.is_empty() {
            bail!("{}: a use has to name its `actions`", node.place);
        }
        Ok(Self {
            identity: needed(node, "identity")?.name,
            scope: needed(node, "scope")?.name,
            actions,
            place: node.place.clone(),
        })
    }
}

impl Exception {
    fn of(node: &Node) -> Result<Self> {
        let because = needed(node, "because")?;
        if because.name.trim().is_empty() {
            bail!("{}: an exception needs a reason", because.place);
        }
        Ok(Self {
            code: needed(node, "code")?.name,
            about: needed(node, "about")?.name,
            because: because.name,
            place: node.place.clone(),
        })
    }
}
