//! Replicas that share one key, with a vault in memory and paused time.

mod asking;
mod forged;
mod rotation;

use super::vault::{Key, Value};
use super::versions::{Version, Versions};
use super::*;
use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_lc_rs::hmac;
use azure_core::error::ErrorKind;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value as Json, json};
use tokio::time::{Instant, advance};

use crate::azure::AzureFailure;
use crate::telemetry::error_chain;

const SECRET: &str = "session-key";
const CACHED: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// A vault with one secret. Each version's value is 32 times the first character
/// of its id.
struct FakeVault {
    begin: Instant,
    versions: Mutex<BTreeMap<String, Stored>>,
    asked: Mutex<Asked>,
    away: Mutex<bool>,
    /// How long an answer takes.
    takes: Mutex<Duration>,
}

struct Stored {
    created: OffsetDateTime,
    enabled: bool,
    /// As the list says it, which may be late.
    listed_enabled: bool,
    value: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Asked {
    lists: u32,
    values: u32,
}

impl FakeVault {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("a time") + self.begin.elapsed()
    }

    /// Adds a version of this age; returns its id.
    fn add(&self, digit: char, age: Duration) -> String {
        self.add_value(digit, age, &STANDARD.encode(bytes(digit)))
    }

    fn add_value(&self, digit: char, age: Duration, value: &str) -> String {
        let id = id(digit);
        let stored = Stored {
            created: (self.now() - age).replace_nanosecond(0).expect("zero"),
            enabled: true,
            listed_enabled: true,
            value: value.to_owned(),
        };
        self.versions.lock().unwrap().insert(id.clone(), stored);
        id
    }

    fn switch(&self, id: &str, enabled: bool) {
        let mut versions = self.versions.lock().unwrap();
        let version = versions.get_mut(id).expect("a version");
        version.enabled = enabled;
        version.listed_enabled = enabled;
    }

    fn disable_behind_the_list(&self, id: &str) {
        let mut versions = self.versions.lock().unwrap();
        versions.get_mut(id).expect("a version").enabled = false;
    }

    fn go(&self, away: bool) {
        *self.away.lock().unwrap() = away;
    }

    fn asked(&self) -> Asked {
        *self.asked.lock().unwrap()
    }

    async fn answer(&self) -> Result<(), AzureFailure> {
        let takes = *self.takes.lock().unwrap();
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        if *self.away.lock().unwrap() {
            return Err(AzureFailure::key_vault(azure_core::Error::with_message(
                ErrorKind::Io,
                "the network is down",
            )));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Vault for Arc<FakeVault> {
    async fn versions(&self, secret: &str) -> Result<Versions, AzureFailure> {
        assert_eq!(secret, SECRET);
        self.asked.lock().unwrap().lists += 1;
        self.answer().await?;
        let versions = self.versions.lock().unwrap();
        let version = |(id, stored): (&String, &Stored)| Version {
            id: VersionId::parse(id).expect("an id"),
            created: stored.created,
            updated: stored.created,
            enabled: stored.listed_enabled,
        };
        Ok(Versions::new(versions.iter().map(version).collect()))
    }

    async fn value(&self, secret: &str, version: &VersionId) -> Result<Value, AzureFailure> {
        assert_eq!(secret, SECRET);
        self.asked.lock().unwrap().values += 1;
        self.answer().await?;
        let versions = self.versions.lock().unwrap();
        let stored = &versions[version.as_str()];
        if !stored.enabled {
            return Ok(Value::Disabled);
        }
        Ok(Key::read(&stored.value).map_or(Value::NoKey, Value::Key))
    }
}

/// A replica of a service, with the clock of its vault.
struct Replica {
    vault: Arc<FakeVault>,
    keys: SigningKeys,
}

impl Replica {
    async fn sign(&self) -> Result<String, SigningError> {
        let now = self.vault.now();
        self.keys.sign_at(&claims(), now + DAY, now).await
    }

    async fn verify(&self, token: &str) -> Result<Json, SigningError> {
        self.keys.verify_at(token, self.vault.now()).await
    }

    /// The first character of the id of the version that signs now.
    async fn signs_with(&self) -> char {
        let token = self.sign().await.expect("a token");
        let header = jsonwebtoken::decode_header(&token).expect("a header");
        header.kid.expect("a kid").chars().next().expect("32")
    }
}

fn vault() -> Arc<FakeVault> {
    Arc::new(FakeVault {
        begin: Instant::now(),
        versions: Mutex::default(),
        asked: Mutex::default(),
        away: Mutex::default(),
        takes: Mutex::default(),
    })
}

fn replica(vault: &Arc<FakeVault>) -> Replica {
    let keys = SigningKeys::with_vault(
        Box::new(Arc::clone(vault)),
        SECRET.to_owned(),
        CACHED,
        "session",
    );
    Replica {
        vault: Arc::clone(vault),
        keys,
    }
}

/// A vault with the old version `a`, and a replica.
fn one() -> (Arc<FakeVault>, Replica) {
    let vault = vault();
    vault.add('a', DAY);
    let replica = replica(&vault);
    (vault, replica)
}

fn id(digit: char) -> String {
    digit.to_string().repeat(32)
}

fn bytes(digit: char) -> [u8; 32] {
    [u8::try_from(digit).expect("ASCII"); 32]
}

fn claims() -> Json {
    json!({ "session": "1f6c" })
}

#[track_caller]
fn refused(result: Result<Json, SigningError>) -> &'static str {
    match result.expect_err("a refusal") {
        SigningError::Forged => "forged",
        SigningError::Expired => "expired",
        SigningError::Withdrawn => "withdrawn",
        SigningError::Unavailable(_) => "unavailable",
    }
}

/// A message with these headers and claims under HMAC-SHA256 with the key of this
/// version.
fn forge(header: &Json, payload: &Json, digit: char) -> String {
    let encode = |part: &Json| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(header), encode(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes(digit));
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A message that names this version, under the key of that one.
fn forge_as(version: char, payload: &Json, key: char) -> String {
    forge(&json!({ "alg": "HS256", "kid": id(version) }), payload, key)
}

fn payload(vault: &FakeVault) -> Json {
    let exp = (vault.now() + DAY).unix_timestamp();
    json!({ "aud": "session", "exp": exp, "claims": claims() })
}

#[tokio::test(start_paused = true)]
async fn what_one_replica_signs_any_other_verifies() {
    let (vault, replica_1) = one();
    let replica_2 = replica(&vault);

    let token = replica_1.sign().await.expect("a token");

    assert_eq!(replica_2.verify(&token).await.expect("good"), claims());
    let header = jsonwebtoken::decode_header(&token).expect("a header");
    assert_eq!(header.alg, Algorithm::HS256);
    assert_eq!(header.kid, Some(id('a')));
}

#[tokio::test(start_paused = true)]
async fn neither_debug_nor_an_error_shows_a_key_or_a_token() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");
    let cut = &token[..token.len() - 1];
    let value = STANDARD.encode(bytes('a'));

    let forged = replica.verify(cut).await.expect_err("forged");
    assert!(matches!(forged, SigningError::Forged), "{forged:?}");
    vault.go(true);
    advance(CACHED).await;
    let untold = replica.verify(&token).await.expect_err("away");
    let away = replica.sign().await.expect_err("away");

    let mut texts = vec![format!("{:?}", replica.keys)];
    for error in [forged, untold, away] {
        texts.extend([format!("{error:?}"), error_chain(&error)]);
    }
    for text in texts {
        assert!(!text.contains(&value[..8]), "{text}");
        assert!(!text.contains("97, 97"), "{text}");
        assert!(!text.contains(&token[..20]), "{text}");
    }
}
