//! Signing keys that change while people use what they signed: a new version
//! breaks nothing, and a disabled one is refused in time. Nothing is restarted.
//!
//! The stories are the same for sessions, which two pods of the frontend sign, and
//! for links, which two pods of the backend sign. One of them is told again while
//! everybody is at work.

mod in_use;
mod links;
mod sessions;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::stack::{Options, Stack};
use local_cloud::control::GrantBody;
use serde_json::Value;
use time::OffsetDateTime;

use crate::load::Withdrawn;
use crate::stage::{start, story};

/// How long a pod believes what Key Vault said, in these scenarios; 60 by default
/// (`platform/src/estate.rs`).
const CACHED: Duration = Duration::from_secs(2);

/// How long something may take that has no promise of its own.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two pods that sign, and what they sign.
trait Signers: Sized {
    const DEPLOYMENT: &'static str;
    const SECRET: &'static str;
    /// How a good one is answered.
    const GOOD: &'static str;
    /// How one is refused whose key was disabled.
    const WITHDRAWN: &'static str;
    /// How one is answered when nobody can tell.
    const NO_KEY: &'static str;
    /// What is signed; the token that is in it.
    type Signed: AsRef<str>;

    async fn of(stack: &Stack) -> Self;
    /// One from each pod.
    async fn make(&self) -> [Self::Signed; 2];
    /// How each pod answers to whoever uses it.
    async fn answers(&self, signed: &Self::Signed) -> [String; 2];
}

/// Two pods on a cloud, and the key in it.
struct Signing<'a, S> {
    stack: &'a Stack,
    pods: S,
    /// What was disabled.
    withdrawn: Withdrawn,
}

/// The workload with two pods that sign.
async fn two_signers<S: Signers>() -> Stack {
    start(believing::<S>(
        Options::default().replicas(S::DEPLOYMENT, 2),
    ))
    .await
}

/// Pods that do not believe for long what Key Vault said.
fn believing<S: Signers>(options: Options) -> Options {
    let seconds = CACHED.as_secs().to_string();
    options.with(S::DEPLOYMENT, "KEY_CACHE_SECONDS", &seconds)
}

impl<'a, S: Signers> Signing<'a, S> {
    async fn of(stack: &'a Stack) -> Self {
        Self {
            stack,
            pods: S::of(stack).await,
            withdrawn: Withdrawn::default(),
        }
    }

    /// One of each pod, and both take both at once.
    async fn make(&self) -> [S::Signed; 2] {
        let made = self.pods.make().await;
        for signed in &made {
            self.is_good(signed, "one just made").await;
        }
        made
    }

    async fn is_good(&self, signed: &S::Signed, what: &str) {
        let answers = self.pods.answers(signed).await;
        assert_eq!(answers, [S::GOOD, S::GOOD], "{what}");
    }

    /// Uses one until both pods answer this.
    async fn until(&self, signed: &S::Signed, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers = self.pods.answers(signed).await;
            if answers == [expected, expected] {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not {expected}: {answers:?}\n{}",
                story(self.stack).await
            );
            tokio::time::sleep(CACHED / 20).await;
        }
    }

    /// Goes on until both pods sign with this version. Meanwhile they take all
    /// that either of them signs, and `other` too.
    async fn until_signed_with(&self, version: &str, other: &S::Signed) -> S::Signed {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let made = self.make().await;
            self.is_good(other, "one made before").await;
            if made.iter().all(|signed| version_of(signed) == version) {
                let [signed, _] = made;
                return signed;
            }
            assert!(
                Instant::now() < deadline,
                "not everybody signs with {version}\n{}",
                story(self.stack).await
            );
            tokio::time::sleep(CACHED / 20).await;
        }
    }

    /// Uses one until both pods refuse it, whose key is disabled. None takes it
    /// that is asked after the cache's time.
    async fn until_withdrawn(&self, signed: &S::Signed, disabled: Instant) {
        loop {
            let asked = disabled.elapsed();
            let answers = self.pods.answers(signed).await;
            if answers == [S::WITHDRAWN, S::WITHDRAWN] {
                return;
            }
            let expected = [S::GOOD, S::WITHDRAWN];
            let is_of_these = |answer: &String| expected.contains(&answer.as_str());
            assert!(
                asked < CACHED && answers.iter().all(is_of_these),
                "{asked:?} after its key was disabled: {answers:?}\n{}",
                story(self.stack).await
            );
            tokio::time::sleep(CACHED / 20).await;
        }
    }

    /// Makes a new version; returns its id. Key Vault tells ages in whole seconds,
    /// so it waits for another second than that of the versions before.
    async fn renew_key(&self) -> String {
        let control = self.stack.control();
        let state = control.state().await.expect("the cloud's state");
        let versions = state["vault"][S::SECRET].as_array().expect("versions");
        let created = versions.iter().filter_map(|v| v["created"].as_i64()).max();
        while OffsetDateTime::now_utc().unix_timestamp() <= created.expect("a time") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let added = control.add_secret_version("vault", S::SECRET).await;
        added.expect("a version")
    }

    /// Enables or disables a version; returns when that was done.
    async fn switch_key(&self, version: &str, enabled: bool) -> Instant {
        if !enabled {
            self.withdrawn.note(version);
        }
        let control = self.stack.control();
        let switched = control.set_secret_version("vault", S::SECRET, version, enabled);
        switched.await.expect("switched");
        Instant::now()
    }
}

/// The version of the key that signed a token.
pub(crate) fn version_of(signed: &impl AsRef<str>) -> String {
    let header = signed.as_ref().split('.').next().expect("a header");
    let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

/// A new version signs once it is due, what the old one signed stays good until
/// it is disabled, and then is refused in time. Returns what was refused.
async fn a_new_version_comes_and_the_old_one_goes<S: Signers>(
    signing: &Signing<'_, S>,
) -> S::Signed {
    let [old, _] = signing.make().await;

    let version = signing.renew_key().await;
    let new = signing.until_signed_with(&version, &old).await;
    let disabled = signing.switch_key(&version_of(&old), false).await;
    signing.until_withdrawn(&old, disabled).await;

    signing.is_good(&new, "one of the new version").await;
    old
}

/// The newest version is disabled: the one before signs again, and the newest
/// does when it is back.
async fn the_newest_version_goes_and_comes_back<S: Signers>(signing: &Signing<'_, S>) {
    let [old, _] = signing.make().await;
    let version = signing.renew_key().await;
    let new = signing.until_signed_with(&version, &old).await;

    let disabled = signing.switch_key(&version, false).await;
    signing.until_withdrawn(&new, disabled).await;
    let first = version_of(&old);
    let again = signing.until_signed_with(&first, &old).await;
    signing.switch_key(&version, true).await;
    signing.until_signed_with(&version, &again).await;

    signing
        .is_good(&new, "one whose key is enabled again")
        .await;
}

/// The role is taken away: the pods say that they cannot tell, and go on when it
/// is back.
async fn the_role_goes_and_comes_back<S: Signers>(signing: &Signing<'_, S>) {
    let [signed, _] = signing.make().await;
    let role = GrantBody {
        identity: S::DEPLOYMENT.to_owned(),
        role: "Key Vault Secrets User".to_owned(),
        scope: format!("vault/secrets/{}", S::SECRET),
    };

    signing
        .stack
        .control()
        .revoke(&role)
        .await
        .expect("revoked");
    signing.until(&signed, S::NO_KEY).await;
    signing.stack.control().grant(&role).await.expect("granted");
    signing.until(&signed, S::GOOD).await;
}
