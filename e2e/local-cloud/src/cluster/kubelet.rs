//! Kubelet, as far as tokens go: it projects each pod's service-account tokens
//! into volumes and replaces them before they expire.
//!
//! The rule (Kubernetes, `pkg/kubelet/token/token_manager.go`): a token is
//! replaced when a fifth of its life is left, or when it is 24 hours old,
//! whichever comes first, up to ten seconds earlier. While the API server signs
//! none, the old one stays, and it is asked for again at each sync of the volume.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::{Pod, ServiceAccountTokenProjection};
use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::file_mode;
use super::issuer::{self, Binding};
use super::projection::Volume;
use crate::clock::Clock;
use crate::keys::KeyRing;

/// The API server's own issuer audience, where a projection names none.
const DEFAULT_AUDIENCE: &str = "https://kubernetes.default.svc";
const DEFAULT_LIFETIME_SECONDS: i64 = 3600;

/// However long a token is asked for, AKS signs none that lives longer.
const LONGEST_LIFETIME_SECONDS: i64 = 24 * 60 * 60;

/// How often kubelet looks at a volume; of a real one 60 to 90 seconds.
const BETWEEN_SYNCS: Duration = Duration::seconds(60);

/// The node's kubelet; dropping it ends the rotation.
pub(crate) struct Kubelet {
    shared: Arc<Shared>,
    _rotating: AbortOnDropHandle<()>,
}

struct Shared {
    root: PathBuf,
    keys: KeyRing,
    clock: Clock,
    /// Whether the API server signs tokens.
    signs: AtomicBool,
    // Held while files are written, which is quick; never across an await.
    pods: Mutex<BTreeMap<String, Vec<TokenVolume>>>,
    changed: Notify,
}

struct TokenVolume {
    volume: Volume,
    mode: u32,
    binding: Binding,
    tokens: Vec<ProjectedToken>,
}

struct ProjectedToken {
    projection: ServiceAccountTokenProjection,
    current: Option<Token>,
}

struct Token {
    text: String,
    due: OffsetDateTime,
    expires: OffsetDateTime,
}

impl ProjectedToken {
    fn lifetime(&self) -> i64 {
        self.projection
            .expiration_seconds
            .unwrap_or(DEFAULT_LIFETIME_SECONDS)
            .min(LONGEST_LIFETIME_SECONDS)
    }

    /// When it has to be replaced: now, if there is none yet.
    fn due(&self, now: OffsetDateTime) -> OffsetDateTime {
        self.current.as_ref().map_or(now, |token| token.due)
    }

    fn renew(&mut self, keys: &KeyRing, binding: &Binding, now: OffsetDateTime) {
        let audience = self
            .projection
            .audience
            .as_deref()
            .unwrap_or(DEFAULT_AUDIENCE);
        let text = issuer::sign(keys, binding, audience, self.lifetime(), now);
        let fifth_left = Duration::seconds(self.lifetime() * 4 / 5);
        let jitter = Duration::milliseconds(i64::from(Uuid::new_v4().as_bytes()[0]) * 10_000 / 255);
        let due = now + fifth_left.min(Duration::hours(24)) - jitter;
        self.current = Some(Token {
            text,
            due,
            expires: now + Duration::seconds(self.lifetime()),
        });
    }

    /// The API server signs no token now: the one that is there stays until the
    /// next sync, as long as it is valid. A volume with none is an error.
    fn keep(&mut self, now: OffsetDateTime) -> io::Result<()> {
        match &mut self.current {
            Some(token) if token.expires > now => {
                token.due = now + BETWEEN_SYNCS;
                tracing::warn!("a token could not be renewed, and is kept while it is valid");
                Ok(())
            }
            _ => Err(io::Error::other(
                "failed to fetch token: the API server signs none",
            )),
        }
    }
}

impl Kubelet {
    /// Starts a kubelet whose volumes lie below `root`.
    pub(crate) fn start(root: PathBuf, keys: KeyRing, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            root,
            keys,
            clock,
            signs: AtomicBool::new(true),
            pods: Mutex::default(),
            changed: Notify::new(),
        });
        let rotating = tokio::spawn(rotate(Arc::clone(&shared)));
        Self {
            shared,
            _rotating: AbortOnDropHandle::new(rotating),
        }
    }

    /// Projects the token volumes of a pod; returns where each volume is. A pod
    /// of the same name is replaced.
    pub(crate) fn run(&self, pod: &Pod) -> io::Result<BTreeMap<String, PathBuf>> {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let name = pod.metadata.name.clone().unwrap_or_default();
        let spec = pod
            .spec
            .as_ref()
            .ok_or_else(|| io::Error::other("the pod has no spec"))?;
        let binding = Binding {
            namespace: namespace.clone(),
            service_account: spec
                .service_account_name
                .clone()
                .unwrap_or_else(|| "default".to_owned()),
            pod: name.clone(),
            pod_uid: Uuid::new_v4(),
        };
        let pod_directory = self.shared.root.join(format!("{namespace}.{name}"));
        remove(&pod_directory)?;
        let mut volumes = Vec::new();
        let mut directories = BTreeMap::new();
        for volume in spec.volumes.iter().flatten() {
            let default_mode = volume
                .projected
                .as_ref()
                .and_then(|projected| projected.default_mode);
            let sources = volume
                .projected
                .iter()
                .filter_map(|projected| projected.sources.as_ref());
            let tokens: Vec<_> = sources
                .flatten()
                .filter_map(|source| source.service_account_token.clone())
                .map(|projection| ProjectedToken {
                    projection,
                    current: None,
                })
                .collect();
            if tokens.is_empty() {
                continue;
            }
            let directory = pod_directory.join(&volume.name);
            directories.insert(volume.name.clone(), directory.clone());
            volumes.push(TokenVolume {
                volume: Volume::at(directory),
                mode: file_mode::of_token(spec, default_mode),
                binding: binding.clone(),
                tokens,
            });
        }
        let mut pods = self.shared.lock();
        for volume in &mut volumes {
            self.shared.sync(volume)?;
        }
        pods.insert(format!("{namespace}/{name}"), volumes);
        drop(pods);
        self.shared.changed.notify_one();
        Ok(directories)
    }

    /// Lets the API server sign tokens, or not.
    pub(crate) fn set_signing(&self, signs: bool) {
        self.shared.signs.store(signs, Ordering::Relaxed);
    }

    /// Gives every pod new tokens, as its restart would: their files hold them when
    /// this returns.
    pub(crate) fn renew_all(&self) {
        let mut pods = self.shared.lock();
        let volumes = pods.values_mut().flatten();
        for token in volumes.flat_map(|volume| &mut volume.tokens) {
            token.current = None;
        }
        drop(pods);
        self.shared.sync_all();
        self.shared.changed.notify_one();
    }

    /// Forgets a pod and removes its volumes; whether there was one.
    pub(crate) fn remove(&self, namespace: &str, name: &str) -> io::Result<bool> {
        let known = self
            .shared
            .lock()
            .remove(&format!("{namespace}/{name}"))
            .is_some();
        remove(&self.shared.root.join(format!("{namespace}.{name}")))?;
        Ok(known)
    }
}

impl Shared {
    /// Writes a volume anew if one of its tokens is due; returns when the next is.
    fn sync(&self, volume: &mut TokenVolume) -> io::Result<Option<OffsetDateTime>> {
        let now = self.clock.now();
        let tokens = volume.tokens.iter_mut();
        let due: Vec<_> = tokens.filter(|token| token.due(now) <= now).collect();
        if !due.is_empty() && !self.signs.load(Ordering::Relaxed) {
            for token in due {
                token.keep(now)?;
            }
        } else if !due.is_empty() {
            for token in due {
                token.renew(&self.keys, &volume.binding, now);
            }
            let files = volume.tokens.iter().filter_map(|token| {
                let content = token.current.as_ref()?.text.clone();
                Some((token.projection.path.clone(), content))
            });
            volume.volume.write(&files.collect(), volume.mode, now)?;
            tracing::info!(
                service_account = volume.binding.service_account,
                pod = volume.binding.pod,
                "token projected"
            );
        }
        Ok(volume.tokens.iter().map(|token| token.due(now)).min())
    }

    fn sync_all(&self) -> Option<OffsetDateTime> {
        let mut pods = self.lock();
        let due = pods.values_mut().flatten().filter_map(|volume| {
            self.sync(volume).unwrap_or_else(|error| {
                let directory = volume.volume.directory().display().to_string();
                tracing::error!(%error, directory, "a token could not be projected");
                Some(self.clock.now() + BETWEEN_SYNCS)
            })
        });
        due.min()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<TokenVolume>>> {
        self.pods
            .lock()
            .expect("no one panics while holding the pods")
    }
}

async fn rotate(shared: Arc<Shared>) {
    loop {
        let due = shared.sync_all();
        let wake = async {
            match due {
                Some(due) => shared.clock.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wake => {}
            () = shared.changed.notified() => {}
        }
    }
}

fn remove(directory: &std::path::Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration as StdDuration;

    use serde_json::json;

    use super::*;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": { "namespace": "ns", "name": "p" },
            "spec": { "serviceAccountName": "sa", "containers": [], "volumes": [{
                "name": "tokens",
                "projected": { "sources": [
                    { "serviceAccountToken": { "audience": "a", "expirationSeconds": 3600, "path": "one" } } ] } }] },
        }))
        .expect("a pod")
    }

    fn other_pod() -> Pod {
        let mut pod = pod();
        pod.metadata.name = Some("other".to_owned());
        pod
    }

    /// A kubelet that runs the pod; its clock, and the file of the pod's token.
    fn with_a_pod() -> (tempfile::TempDir, Clock, Kubelet, PathBuf) {
        let root = tempfile::tempdir().expect("a directory");
        let clock = Clock::system();
        let kubelet = Kubelet::start(root.path().to_owned(), KeyRing::generate(), clock.clone());
        let directories = kubelet.run(&pod()).expect("projected");
        let file = directories["tokens"].join("one");
        (root, clock, kubelet, file)
    }

    /// The token's file, after kubelet has looked at it.
    fn synced(kubelet: &Kubelet, file: &std::path::Path) -> String {
        kubelet.shared.sync_all();
        std::fs::read_to_string(file).expect("a token")
    }

    #[tokio::test]
    async fn a_token_is_replaced_when_a_fifth_of_its_life_is_left() {
        let (_root, clock, kubelet, file) = with_a_pod();
        let first = std::fs::read_to_string(&file).expect("a token");
        assert!(!first.ends_with('\n'));

        clock.advance(StdDuration::from_mins(47));
        let later = synced(&kubelet, &file);
        assert_eq!(later, first, "more than a fifth is left");
        clock.advance(StdDuration::from_mins(1));

        let replaced = async {
            while std::fs::read_to_string(&file).is_ok_and(|token| token == first) {
                tokio::time::sleep(StdDuration::from_millis(5)).await;
            }
        };
        let timely = tokio::time::timeout(StdDuration::from_secs(5), replaced).await;
        timely.expect("it is replaced by itself, because a fifth is left");
        assert!(kubelet.remove("ns", "p").expect("removed"));
        assert!(!file.exists());
    }

    /// On one thread, so that nobody else writes the file before it is read.
    #[tokio::test(flavor = "current_thread")]
    async fn renewed_tokens_are_in_their_files_at_once() {
        let (_root, clock, kubelet, file) = with_a_pod();
        let first = std::fs::read_to_string(&file).expect("a token");
        clock.advance(StdDuration::from_secs(1));

        kubelet.renew_all();

        let renewed = std::fs::read_to_string(&file).expect("a token");
        assert_ne!(renewed, first);
    }

    #[tokio::test]
    async fn while_the_api_server_signs_none_the_old_token_stays_and_then_is_replaced() {
        let (_root, clock, kubelet, file) = with_a_pod();
        let first = std::fs::read_to_string(&file).expect("a token");

        kubelet.set_signing(false);
        for minutes in [49, 10] {
            clock.advance(StdDuration::from_mins(minutes));
            assert_eq!(synced(&kubelet, &file), first, "nobody signs another");
        }
        let refusal = kubelet
            .run(&other_pod())
            .expect_err("no token for a new pod");
        assert!(
            refusal.to_string().contains("failed to fetch token"),
            "{refusal}"
        );

        kubelet.set_signing(true);
        assert_eq!(synced(&kubelet, &file), first, "it is not yet looked at");
        clock.advance(StdDuration::from_secs(61));
        assert_ne!(synced(&kubelet, &file), first, "replaced at the next sync");
    }

    #[tokio::test]
    async fn a_token_lives_a_day_at_most() {
        let root = tempfile::tempdir().expect("a directory");
        let mut pod = pod();
        let volumes = pod.spec.as_mut().and_then(|spec| spec.volumes.as_mut());
        let projected = volumes.expect("volumes")[0].projected.as_mut();
        let sources = projected.and_then(|projected| projected.sources.as_mut());
        let token = sources.expect("sources")[0].service_account_token.as_mut();
        token.expect("a token").expiration_seconds = Some(7 * 24 * 60 * 60);
        let keys = KeyRing::generate();
        let kubelet = Kubelet::start(root.path().to_owned(), keys, Clock::system());

        let directories = kubelet.run(&pod).expect("projected");

        let token = std::fs::read_to_string(directories["tokens"].join("one")).expect("a token");
        let token = crate::jwt::Unverified::read(&token).expect("a token");
        let time = |name: &str| token.claims().seconds(name).expect("a time");
        assert_eq!(time("exp") - time("iat"), 24 * 60 * 60);
    }
}
