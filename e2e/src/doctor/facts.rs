//! What a source finds, in one form.

use std::collections::{BTreeMap, BTreeSet};

/// A value and where it was found.
#[derive(Clone, Debug)]
pub(super) struct Seen<T> {
    pub(super) value: T,
    pub(super) from: String,
}

impl<T> Seen<T> {
    pub(super) fn new(value: T, from: impl Into<String>) -> Self {
        let from = from.into();
        Self { value, from }
    }
}

/// All that was found.
pub(super) struct Facts {
    /// The issuer that the cluster is said to have.
    pub(super) issuer: Seen<Option<String>>,
    /// The issuer that it publishes itself; or why that could not be seen.
    pub(super) published: Seen<Result<String, String>>,
    /// Whether workload identity is on.
    pub(super) workload_identity: Seen<bool>,
    /// The namespaces that there are.
    pub(super) namespaces: Seen<BTreeSet<String>>,
    /// The service accounts that there are.
    pub(super) accounts: Vec<Account>,
    /// The identities that there are, by their names in the access file.
    pub(super) identities: BTreeMap<String, Identity>,
    /// For each grant of the access file, in its order: whether it is there. Of
    /// identities that are not, nothing is.
    pub(super) grants: Vec<Seen<bool>>,
    /// Role assignments of these identities that no grant of the access file stands for.
    pub(super) surplus: Vec<Surplus>,
    /// What runs, or would.
    pub(super) pods: Vec<Pod>,
    /// The fixes, in the words of where this was found.
    pub(super) fixes: &'static Fixes,
}

/// A service account.
pub(super) struct Account {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) client_id: Option<Seen<String>>,
    pub(super) from: String,
    /// Whether its tokens were exchanged and used.
    pub(super) verified: Verified,
}

/// Whether authentication was seen to work.
pub(super) enum Verified {
    /// It was, and how.
    Yes(Seen<String>),
    /// It was not, and why.
    No(Seen<String>),
}

/// An identity.
pub(super) struct Identity {
    pub(super) client_id: String,
    pub(super) credentials: Vec<Credential>,
    pub(super) from: String,
}

/// A federated credential.
pub(super) struct Credential {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audiences: Vec<String>,
}

/// A role assignment that no grant stands for.
pub(super) struct Surplus {
    pub(super) identity: String,
    pub(super) role: String,
    pub(super) scope: String,
    pub(super) from: String,
}

/// A pod, or what makes one.
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) account: String,
    pub(super) labelled: bool,
    /// Whether it has the webhook's variables, where that can be seen.
    pub(super) injected: Option<bool>,
    pub(super) from: String,
}

/// How what is missing is mended: `{}` stands for what it is about.
pub(super) struct Fixes {
    pub(super) cluster: &'static str,
    pub(super) namespace: &'static str,
    pub(super) account: &'static str,
    pub(super) identity: &'static str,
    pub(super) client_id: &'static str,
    pub(super) credential: &'static str,
    pub(super) grant: &'static str,
    pub(super) surplus: &'static str,
    pub(super) pod: &'static str,
    pub(super) label: &'static str,
    pub(super) injection: &'static str,
    pub(super) authentication: &'static str,
}

/// Puts what it is about into a fix, in order.
pub(super) fn fill(fix: &str, about: &[&str]) -> String {
    let mut parts = fix.split("{}");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for (part, about) in parts.zip(about.iter().chain(std::iter::repeat(&"..."))) {
        filled.push_str(about);
        filled.push_str(part);
    }
    filled
}
