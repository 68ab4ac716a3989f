//! The vault's state: secrets and their versions. It knows no HTTP and no
//! clock, and takes the secret's name from what the gate admitted, so that a
//! caller admitted to one secret cannot be served another.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::gate::Admitted;

/// All secrets, by canonical name.
#[derive(Debug, Default)]
pub(super) struct Engine {
    secrets: BTreeMap<String, Secret>,
}

#[derive(Debug)]
struct Secret {
    /// As it was written when it was first set.
    name: String,
    /// Oldest first; never empty.
    versions: Vec<Version>,
}

/// One version of a secret.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// The secret's name, as it was written when it was first set.
    pub(super) name: String,
    pub(super) id: String,
    pub(super) value: SecretValue,
    pub(super) details: Details,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
}

/// What may be changed of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Details {
    pub(super) enabled: bool,
    pub(super) content_type: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
}

/// A change of details; what is `None` stays.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) enabled: Option<bool>,
    pub(super) content_type: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
}

/// A secret's value, which appears in no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretValue(String);

/// Why an admitted operation cannot be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no such secret, or no such version of it.
    NotFound,
    /// The version is disabled.
    Disabled,
}

/// A page of a listing, and the key to go on after.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Version>,
    pub(super) next: Option<String>,
}

impl SecretValue {
    pub(super) fn new(value: String) -> Self {
        Self(value)
    }

    /// Random bytes as base64 text.
    pub(super) fn random(bytes: usize) -> Self {
        let mut random = vec![0; bytes];
        aws_lc_rs::rand::fill(&mut random).expect("the system has random bytes");
        Self(STANDARD.encode(random))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

impl Change {
    fn apply(self, details: &mut Details) {
        if let Some(enabled) = self.enabled {
            details.enabled = enabled;
        }
        if let Some(content_type) = self.content_type {
            details.content_type = Some(content_type);
        }
        if let Some(tags) = self.tags {
            details.tags = tags;
        }
    }
}

impl Engine {
    /// Adds a version, which becomes the current one. `written` is the name as
    /// the caller wrote it.
    pub(super) fn set(
        &mut self,
        admitted: &Admitted,
        written: &str,
        id: String,
        value: SecretValue,
        change: Change,
        now: OffsetDateTime,
    ) -> Version {
        self.add(name(admitted), written, id, value, change, now)
    }

    /// The version of this id, or the current one: the newest, disabled or not.
    ///
    /// That a disabled current version is refused, and no older one given
    /// instead: observed (azure-powershell#14740, azure-sdk-for-java#17991).
    pub(super) fn get(&self, admitted: &Admitted, id: Option<&str>) -> Result<Version, Failure> {
        let secret = self.secrets.get(name(admitted)).ok_or(Failure::NotFound)?;
        let at = secret.position(id).ok_or(Failure::NotFound)?;
        let version = &secret.versions[at];
        if !version.details.enabled {
            return Err(Failure::Disabled);
        }
        Ok(version.clone())
    }

    /// Changes the details of a version, disabled or not.
    pub(super) fn update(
        &mut self,
        admitted: &Admitted,
        id: Option<&str>,
        change: Change,
        now: OffsetDateTime,
    ) -> Result<Version, Failure> {
        let secret = self
            .secrets
            .get_mut(name(admitted))
            .ok_or(Failure::NotFound)?;
        let at = secret.position(id).ok_or(Failure::NotFound)?;
        let version = &mut secret.versions[at];
        change.apply(&mut version.details);
        version.updated = now;
        Ok(version.clone())
    }

    /// The current version of every secret, by name, after the key `after`.
    pub(super) fn list(&self, _: &Admitted, after: Option<&str>, most: usize) -> Page {
        let current = self
            .secrets
            .iter()
            .map(|(key, secret)| (key, secret.current()));
        page(current, after, most)
    }

    /// The versions of a secret, in the order of their ids (observed:
    /// lowkey-vault#467), after the id `after`.
    pub(super) fn list_versions(
        &self,
        admitted: &Admitted,
        after: Option<&str>,
        most: usize,
    ) -> Result<Page, Failure> {
        let secret = self.secrets.get(name(admitted)).ok_or(Failure::NotFound)?;
        let by_id: BTreeMap<_, _> = secret.versions.iter().map(|v| (&v.id, v)).collect();
        Ok(page(by_id.into_iter(), after, most))
    }

    /// Adds a version without the gate, as a deployment through ARM does.
    pub(super) fn provision(
        &mut self,
        name: &str,
        id: String,
        value: SecretValue,
        now: OffsetDateTime,
    ) {
        self.add(name, name, id, value, Change::default(), now);
    }

    /// Enables or disables a version without the gate; whether there is one.
    pub(super) fn switch(
        &mut self,
        name: &str,
        id: &str,
        enabled: bool,
        now: OffsetDateTime,
    ) -> bool {
        let version = self
            .secrets
            .get_mut(name)
            .and_then(|secret| secret.versions.iter_mut().find(|version| version.id == id));
        let Some(version) = version else {
            return false;
        };
        version.details.enabled = enabled;
        version.updated = now;
        true
    }

    /// The id of the current version of a secret, if it is enabled.
    pub(super) fn current(&self, name: &str) -> Option<String> {
        let current = self.secrets.get(name)?.versions.last()?;
        current.details.enabled.then(|| current.id.clone())
    }

    /// Whether there is a secret of this canonical name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.secrets.contains_key(name)
    }

    /// The whole state without values. A version's value never changes, so its
    /// id stands for it.
    pub(super) fn digest(&self) -> Value {
        let version = |version: &Version| {
            json!({
                "id": version.id,
                "enabled": version.details.enabled,
                "contentType": version.details.content_type,
                "tags": version.details.tags,
                "created": version.created.unix_timestamp(),
                "updated": version.updated.unix_timestamp(),
                "length": version.value.expose().len(),
            })
        };
        let versions = |secret: &Secret| secret.versions.iter().map(version).collect::<Value>();
        self.secrets
            .iter()
            .map(|(name, secret)| (name.clone(), versions(secret)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn add(
        &mut self,
        key: &str,
        written: &str,
        id: String,
        value: SecretValue,
        change: Change,
        now: OffsetDateTime,
    ) -> Version {
        let secret = self
            .secrets
            .entry(key.to_owned())
            .or_insert_with(|| Secret {
                name: written.to_owned(),
                versions: Vec::new(),
            });
        let mut details = Details {
            enabled: true,
            content_type: None,
            tags: BTreeMap::new(),
        };
        change.apply(&mut details);
        let version = Version {
            name: secret.name.clone(),
            id,
            value,
            details,
            created: now,
            updated: now,
        };
        secret.versions.push(version.clone());
        version
    }
}

impl Secret {
    fn current(&self) -> &Version {
        self.versions.last().expect("a secret has a version")
    }

    fn position(&self, id: Option<&str>) -> Option<usize> {
        match id {
            Some(id) => self.versions.iter().position(|version| version.id == id),
            None => self.versions.len().checked_sub(1),
        }
    }
}

/// The canonical name of the secret that the operation was admitted to.
fn name(admitted: &Admitted) -> &str {
    match admitted.operation().scope.segments() {
        [_, secrets, name] if secrets == "secrets" => name,
        _ => "",
    }
}

fn page<'a>(
    all: impl Iterator<Item = (&'a String, &'a Version)>,
    after: Option<&str>,
    most: usize,
) -> Page {
    let mut rest = all
        .skip_while(|(key, _)| after.is_some_and(|after| key.as_str() <= after))
        .peekable();
    let mut items = Vec::new();
    let mut last = None;
    while items.len() < most
        && let Some((key, version)) = rest.next()
    {
        items.push(version.clone());
        last = Some(key);
    }
    let next = rest.peek().and(last).cloned();
    Page { items, next }
}
