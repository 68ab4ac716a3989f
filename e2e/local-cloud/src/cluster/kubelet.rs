//! Kubelet, as far as tokens go: it projects each pod's service-account tokens
//! into volumes and replaces them before they expire.
//!
//! The rule (Kubernetes, `pkg/kubelet/token/token_manager.go`): a token is
//! replaced when a fifth of its life is left, or when it is 24 hours old,
//! whichever comes first, up to ten seconds earlier.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::{Pod, ServiceAccountTokenProjection};
use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::issuer::{self, Binding};
use super::projection::Volume;
use crate::clock::Clock;
use crate::keys::KeyRing;

/// The API server's own issuer audience, where a projection names none.
const DEFAULT_AUDIENCE: &str = "https://kubernetes.default.svc";
const DEFAULT_LIFETIME_SECONDS: i64 = 3600;

/// The node's kubelet; dropping it ends the rotation.
pub(crate) struct Kubelet {
    shared: Arc<Shared>,
    _rotating: AbortOnDropHandle<()>,
}

struct Shared {
    root: PathBuf,
    keys: KeyRing,
    clock: Clock,
    // Held while files are written, which is quick; never across an await.
    pods: Mutex<BTreeMap<String, Vec<TokenVolume>>>,
    changed: Notify,
}

struct TokenVolume {
    volume: Volume,
    binding: Binding,
    tokens: Vec<ProjectedToken>,
}

struct ProjectedToken {
    projection: ServiceAccountTokenProjection,
    current: Option<(String, OffsetDateTime)>,
}

impl ProjectedToken {
    fn lifetime(&self) -> i64 {
        self.projection
            .expiration_seconds
            .unwrap_or(DEFAULT_LIFETIME_SECONDS)
    }

    /// When it has to be replaced: now, if there is none yet.
    fn due(&self, now: OffsetDateTime) -> OffsetDateTime {
        self.current.as_ref().map_or(now, |(_, due)| *due)
    }

    fn renew(&mut self, keys: &KeyRing, binding: &Binding, now: OffsetDateTime) {
        let audience = self
            .projection
            .audience
            .as_deref()
            .unwrap_or(DEFAULT_AUDIENCE);
        let token = issuer::sign(keys, binding, audience, self.lifetime(), now);
        let fifth_left = Duration::seconds(self.lifetime() * 4 / 5);
        let jitter = Duration::milliseconds(i64::from(Uuid::new_v4().as_bytes()[0]) * 10_000 / 255);
        let due = now + fifth_left.min(Duration::hours(24)) - jitter;
        self.current = Some((token, due));
    }
}

impl Kubelet {
    /// Starts a kubelet whose volumes lie below `root`.
    pub(crate) fn start(root: PathBuf, keys: KeyRing, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            root,
            keys,
            clock,
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
        if volume.tokens.iter().any(|token| token.due(now) <= now) {
            for token in volume
                .tokens
                .iter_mut()
                .filter(|token| token.due(now) <= now)
            {
                token.renew(&self.keys, &volume.binding, now);
            }
            let files = volume.tokens.iter().filter_map(|token| {
                let (content, _) = token.current.as_ref()?;
                Some((token.projection.path.clone(), content.clone()))
            });
            volume.volume.write(&files.collect(), now)?;
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
                Some(self.clock.now() + Duration::seconds(1))
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

    async fn wait_for_change(file: &std::path::Path, before: &str) -> bool {
        let changed = async {
            while std::fs::read_to_string(file).is_ok_and(|token| token == before) {
                tokio::time::sleep(StdDuration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(StdDuration::from_secs(1), changed)
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn a_token_is_replaced_when_a_fifth_of_its_life_is_left() {
        let root = tempfile::tempdir().expect("a directory");
        let clock = Clock::system();
        let kubelet = Kubelet::start(root.path().to_owned(), KeyRing::generate(), clock.clone());
        let directories = kubelet.run(&pod()).expect("projected");
        let file = directories["tokens"].join("one");
        let first = std::fs::read_to_string(&file).expect("a token");
        assert!(!first.ends_with('\n'));

        clock.advance(StdDuration::from_mins(47));
        assert!(
            !wait_for_change(&file, &first).await,
            "replaced although more than a fifth is left"
        );
        clock.advance(StdDuration::from_mins(1));

        assert!(
            wait_for_change(&file, &first).await,
            "not replaced although only a fifth is left"
        );
        assert!(kubelet.remove("ns", "p").expect("removed"));
        assert!(!file.exists());
    }
}
