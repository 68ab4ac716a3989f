//! Keys that come, go and are away, and tokens that were not signed here; with a
//! vault in memory and paused time.

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
async fn a_new_version_is_taken_up_and_the_old_one_is_honoured() {
    let (vault, replica) = one();
    let old = replica.sign().await.expect("a token");

    vault.add('b', Duration::ZERO);
    advance(CACHED + 59 * SECOND).await;
    assert_eq!(replica.signs_with().await, 'a');
    advance(CACHED).await;
    assert_eq!(replica.signs_with().await, 'b');

    assert_eq!(replica.verify(&old).await.expect("honoured"), claims());
}

#[tokio::test(start_paused = true)]
async fn no_replica_refuses_what_another_signs_while_versions_come() {
    let (vault, first) = one();
    let mut replicas = vec![first];
    for second in 0..400 {
        // Their lists are fetched at different times.
        if [3, 6, 20].contains(&second) {
            replicas.push(replica(&vault));
        }
        for (digit, at) in [('b', 64), ('c', 67), ('d', 95), ('e', 200)] {
            if second == at {
                vault.add(digit, Duration::ZERO);
            }
        }
        for replica in &replicas {
            let token = replica.sign().await.expect("a token");
            for other in &replicas {
                let verified = other.verify(&token).await;
                assert!(verified.is_ok(), "second {second}: {verified:?}");
            }
        }
        advance(SECOND).await;
    }
    for replica in &replicas {
        assert_eq!(replica.signs_with().await, 'e');
    }
}

#[tokio::test(start_paused = true)]
async fn a_disabled_version_is_refused_within_the_caches_time() {
    let (vault, replica) = one();
    vault.add('b', DAY / 2);
    let token = replica.sign().await.expect("a token");

    vault.switch(&id('b'), false);

    let disabled = Instant::now();
    while replica.verify(&token).await.is_ok() {
        assert!(disabled.elapsed() < CACHED, "it is still honoured");
        advance(SECOND).await;
    }
    assert_eq!(refused(replica.verify(&token).await), "withdrawn");
    assert_eq!(replica.signs_with().await, 'a');
}

#[tokio::test(start_paused = true)]
async fn a_replica_without_traffic_asks_before_it_believes_again() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");

    vault.switch(&id('a'), false);
    advance(CACHED).await;

    assert_eq!(refused(replica.verify(&token).await), "withdrawn");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_enabled_again_is_honoured_again() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");

    vault.switch(&id('a'), false);
    advance(CACHED).await;
    assert_eq!(refused(replica.verify(&token).await), "withdrawn");
    vault.switch(&id('a'), true);
    advance(CACHED).await;

    assert_eq!(replica.verify(&token).await.expect("good"), claims());
    assert_eq!(vault.asked().values, 2, "its value was not kept meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_version_disabled_since_the_list_is_withdrawn_and_asked_for_once() {
    let (vault, replica_1) = one();
    vault.add('b', DAY / 2);
    let token = replica_1.sign().await.expect("a token");
    let replica_2 = replica(&vault);
    vault.disable_behind_the_list(&id('b'));

    assert_eq!(replica_2.signs_with().await, 'a');
    let before = vault.asked();
    for _ in 0..100 {
        assert_eq!(refused(replica_2.verify(&token).await), "withdrawn");
    }

    assert_eq!(vault.asked(), before);
}

#[tokio::test(start_paused = true)]
async fn a_young_version_signs_when_there_is_no_other() {
    let vault = vault();
    vault.add('a', Duration::ZERO);
    let (replica_1, replica_2) = (replica(&vault), replica(&vault));
    assert_eq!(replica_1.signs_with().await, 'a');
    replica_2.sign().await.expect("a token");

    vault.add('b', Duration::ZERO);
    vault.switch(&id('a'), false);
    advance(CACHED).await;

    assert_eq!(replica_1.signs_with().await, 'b');
    let token = replica_1.sign().await.expect("a token");
    assert_eq!(replica_2.verify(&token).await.expect("good"), claims());
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_no_key_signs_nothing_and_is_read_once() {
    let (vault, replica) = one();
    vault.add_value('b', DAY / 2, "a pass phrase");

    for _ in 0..10 {
        assert_eq!(replica.signs_with().await, 'a');
    }
    assert_eq!(vault.asked().values, 2);
    let token = forge(
        &json!({ "alg": "HS256", "kid": id('b') }),
        &payload(&vault),
        'b',
    );
    assert_eq!(refused(replica.verify(&token).await), "forged");
}

#[tokio::test(start_paused = true)]
async fn without_an_enabled_version_nothing_is_signed_and_the_error_says_so() {
    let (vault, replica) = one();
    vault.switch(&id('a'), false);

    let error = replica.sign().await.expect_err("nothing to sign with");

    assert_eq!(
        error_chain(&error),
        "the signing keys are not to be had: the secret \"session-key\" has no enabled version \
         whose value is base64 of 32 bytes or more"
    );
}

#[tokio::test(start_paused = true)]
async fn while_key_vault_is_away_keys_serve_until_their_time_is_over() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");
    vault.go(true);

    let left = Instant::now();
    let error = loop {
        match replica.verify(&token).await {
            Ok(_) => advance(SECOND).await,
            Err(error) => break error,
        }
    };

    assert_eq!(left.elapsed(), CACHED);
    let chain = error_chain(&error);
    assert!(
        chain.starts_with("the signing keys are not to be had: ")
            && chain.contains(
                "the versions of the secret \"session-key\" cannot be read: Key Vault did not answer"
            ),
        "{chain}"
    );
    assert!(replica.sign().await.is_err());
    vault.go(false);
    advance(SECOND).await;
    assert_eq!(replica.verify(&token).await.expect("back"), claims());
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_of_key_vault_is_not_noticed_and_nobody_waits() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");
    *vault.takes.lock().unwrap() = 3 * SECOND;

    for second in 0..600 {
        vault.go(second % 100 < 20);
        let begin = Instant::now();
        replica.verify(&token).await.expect("good all the time");
        replica.sign().await.expect("a token");
        assert_eq!(begin.elapsed(), Duration::ZERO, "second {second}");
        tokio::time::sleep(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_at_the_same_time_ask_once() {
    let (vault, replica) = one();
    *vault.takes.lock().unwrap() = SECOND;

    let tokens = futures::future::join_all((0..50).map(|_| replica.sign())).await;

    assert!(tokens.iter().all(Result::is_ok));
    assert_eq!(
        vault.asked(),
        Asked {
            lists: 1,
            values: 1
        }
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_key_vault_is_left_alone_for_a_second() {
    let (vault, replica) = one();
    vault.go(true);

    for _ in 0..50 {
        assert!(replica.sign().await.is_err());
    }

    assert_eq!(
        vault.asked(),
        Asked {
            lists: 1,
            values: 0
        }
    );
}

#[tokio::test(start_paused = true)]
async fn any_number_of_made_up_versions_costs_key_vault_a_list_a_second() {
    let (vault, replica) = one();
    let mut number = 0_u32;

    for _ in 0..60 {
        for _ in 0..100 {
            number += 1;
            let header = json!({ "alg": "HS256", "kid": format!("{number:032x}") });
            let token = forge(&header, &payload(&vault), 'f');
            assert_eq!(refused(replica.verify(&token).await), "forged");
        }
        advance(SECOND).await;
    }

    assert_eq!(
        vault.asked(),
        Asked {
            lists: 60,
            values: 0
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_made_up_versions_hides_no_real_one() {
    let vault = vault();
    vault.add('a', Duration::ZERO);
    let (replica_1, replica_2) = (replica(&vault), replica(&vault));
    let flood = forge(
        &json!({ "alg": "HS256", "kid": id('0') }),
        &payload(&vault),
        'f',
    );
    assert_eq!(refused(replica_2.verify(&flood).await), "forged");
    vault.switch(&id('a'), false);
    vault.add('b', Duration::ZERO);
    let token = replica_1.sign().await.expect("a token");

    let signed = Instant::now();
    while replica_2.verify(&token).await.is_err() {
        assert_eq!(refused(replica_2.verify(&flood).await), "forged");
        assert!(signed.elapsed() < SECOND, "it is still unknown");
        advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_told_from_a_forged_one() {
    let (vault, replica) = one();
    let now = vault.now();
    let token = replica
        .keys
        .sign_at(&claims(), now + SECOND, now)
        .await
        .expect("a token");

    assert_eq!(replica.verify(&token).await.expect("good"), claims());
    advance(SECOND).await;
    assert_eq!(refused(replica.verify(&token).await), "expired");
    let forged = forge(
        &json!({ "alg": "HS256", "kid": id('a') }),
        &payload_of(&token),
        'b',
    );
    assert_eq!(refused(replica.verify(&forged).await), "forged");
}

#[tokio::test(start_paused = true)]
async fn a_token_for_another_purpose_is_forged() {
    let (vault, replica) = one();
    let links = SigningKeys::with_vault(
        Box::new(Arc::clone(&vault)),
        SECRET.to_owned(),
        CACHED,
        "share-link",
    );

    let link = links
        .sign_at(&claims(), vault.now() + DAY, vault.now())
        .await
        .expect("a token");

    assert_eq!(refused(replica.verify(&link).await), "forged");
}

#[tokio::test(start_paused = true)]
async fn claims_cannot_stand_for_the_purpose_or_the_expiry() {
    let (vault, replica) = one();
    let claims = json!({ "aud": "share-link", "exp": 4_000_000_000_u64 });
    let now = vault.now();
    let token = replica.keys.sign_at(&claims, now + SECOND, now).await;

    advance(SECOND).await;

    assert_eq!(
        refused(replica.verify(&token.expect("a token")).await),
        "expired"
    );
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

fn payload(vault: &FakeVault) -> Json {
    let exp = (vault.now() + DAY).unix_timestamp();
    json!({ "aud": "session", "exp": exp, "claims": claims() })
}

fn payload_of(token: &str) -> Json {
    let part = token.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn the_forge_of_these_tests_can_sign() {
    let (vault, replica) = one();

    let token = forge(
        &json!({ "alg": "HS256", "kid": id('a') }),
        &payload(&vault),
        'a',
    );

    assert_eq!(replica.verify(&token).await.expect("good"), claims());
}

#[tokio::test(start_paused = true)]
async fn a_header_that_is_not_ours_is_forged_and_key_vault_is_not_asked() {
    let (vault, replica) = one();
    let payload = payload(&vault);

    for header in [
        json!({ "alg": "none", "kid": id('a') }),
        json!({ "alg": "None", "kid": id('a') }),
        json!({ "alg": "", "kid": id('a') }),
        json!({ "alg": "RS256", "kid": id('a') }),
        json!({ "alg": "HS384", "kid": id('a') }),
        json!({ "alg": "HS512", "kid": id('a') }),
        json!({ "alg": ["HS256"], "kid": id('a') }),
        json!({ "kid": id('a') }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "HS256", "kid": null }),
        json!({ "alg": "HS256", "kid": "" }),
        json!({ "alg": "HS256", "kid": format!("{}a", id('a')) }),
        json!({ "alg": "HS256", "kid": id('A') }),
        json!({ "alg": "HS256", "kid": "../share-link-key" }),
        json!({ "alg": "HS256", "kid": "../../secrets/share-link-key/abc" }),
        json!({ "alg": "HS256", "kid": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%2e" }),
        json!({ "alg": "HS256", "kid": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" }),
    ] {
        let token = forge(&header, &payload, 'a');
        assert_eq!(refused(replica.verify(&token).await), "forged", "{header}");
        let unsigned = token.rsplit_once('.').expect("two dots").0.to_owned() + ".";
        assert_eq!(
            refused(replica.verify(&unsigned).await),
            "forged",
            "{header}"
        );
    }

    assert_eq!(vault.asked(), Asked::default());
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_is_not_ours_is_forged() {
    let (vault, replica) = one();
    let good = payload(&vault);
    let with = |name: &str, value: Json| {
        let mut payload = good.clone();
        payload[name] = value;
        payload
    };
    let without = |name: &str| {
        let mut payload = good.clone();
        payload.as_object_mut().expect("an object").remove(name);
        payload
    };

    for payload in [
        without("aud"),
        without("exp"),
        without("claims"),
        with("aud", json!("")),
        with("aud", json!("Session")),
        with("aud", json!(["session"])),
        with("aud", json!(["session", "share-link"])),
        with("exp", json!("4000000000")),
        with("exp", json!(4e9)),
        with("exp", json!(null)),
        json!([]),
        json!("session"),
    ] {
        let token = forge(&json!({ "alg": "HS256", "kid": id('a') }), &payload, 'a');
        assert_eq!(refused(replica.verify(&token).await), "forged", "{payload}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_changed_anywhere_is_forged() {
    let (vault, replica) = one();
    vault.add('b', DAY);
    let token = replica.sign().await.expect("a token");
    replica.verify(&token).await.expect("good");

    for end in 0..token.len() {
        let cut = &token[..end];
        assert_eq!(refused(replica.verify(cut).await), "forged", "cut at {end}");
    }
    for at in 0..token.len() {
        for other in ["A", "b", "9", "_", ".", "=", " ", "\0"] {
            let mut changed = token.clone();
            changed.replace_range(at..=at, other);
            if changed != token {
                let result = replica.verify(&changed).await;
                assert_eq!(refused(result), "forged", "{other:?} at {at}");
            }
        }
    }
    for more in [".", "=", "A", " ", "\n", ".A"] {
        let longer = format!("{token}{more}");
        assert_eq!(refused(replica.verify(&longer).await), "forged", "{more:?}");
    }
    assert_eq!(
        refused(replica.verify(&format!(" {token}")).await),
        "forged"
    );
}

#[tokio::test(start_paused = true)]
async fn an_endless_token_is_not_read() {
    let (vault, replica) = one();
    let mut payload = payload(&vault);
    payload["claims"] = json!("x".repeat(LONGEST_TOKEN_BYTES));
    let token = forge(&json!({ "alg": "HS256", "kid": id('a') }), &payload, 'a');

    assert_eq!(refused(replica.verify(&token).await), "forged");
    assert_eq!(vault.asked(), Asked::default());
}

#[tokio::test(start_paused = true)]
async fn neither_debug_nor_an_error_shows_a_key_or_a_token() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");
    let cut = &token[..token.len() - 1];
    let value = STANDARD.encode(bytes('a'));

    vault.go(true);
    advance(CACHED).await;
    let forged = replica.verify(cut).await.expect_err("forged or away");
    let away = replica.sign().await.expect_err("away");

    for text in [
        format!("{:?}", replica.keys),
        format!("{forged:?}"),
        error_chain(&forged),
        format!("{away:?}"),
        error_chain(&away),
    ] {
        assert!(!text.contains(&value[..8]), "{text}");
        assert!(!text.contains("97, 97"), "{text}");
        assert!(!text.contains(&token[..20]), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_can_wait_for_its_key() {
    let (vault, replica) = one();
    vault.go(true);
    assert!(replica.keys.warm_up().await.is_err());

    vault.go(false);
    advance(SECOND).await;

    replica.keys.warm_up().await.expect("the key");
    assert_eq!(
        vault.asked(),
        Asked {
            lists: 2,
            values: 1
        }
    );
}
