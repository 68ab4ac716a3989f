//! What the two roles of this program are told, each by its own Deployment.

use std::net::SocketAddr;
use std::time::Duration;

use platform::caller::CallerRules;
use platform::pod::{self, PodSettings};
use platform::settings::{Reader, SettingsError, Value};

/// What the API is told.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// What every pod is told.
    pub pod: PodSettings,
    /// `LISTEN`: where the API is served, by default 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// `CLUSTER_ISSUER`, `CALLER_AUDIENCE`, `CALLER_SUBJECT`: the one pod that
    /// may call.
    pub caller: CallerRules,
    /// `RELAY_SWEEP_SECONDS`: the time between two looks into the outbox for
    /// events that nobody has sent, by default 5.
    pub relay_sweep: Duration,
}

impl ApiSettings {
    /// Reads them, or says everything that is wrong.
    pub fn read(mut reader: Reader) -> Result<Self, SettingsError> {
        let pod = PodSettings::read(&mut reader);
        let listen = pod::listen(&mut reader);
        let caller = CallerRules::read(&mut reader);
        let relay_sweep = period(&mut reader, "RELAY_SWEEP_SECONDS", 5);
        reader.finish(|| Self {
            pod: pod.get(),
            listen: listen.get(),
            caller: caller.get(),
            relay_sweep: relay_sweep.get(),
        })
    }
}

/// What the worker is told.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// What every pod is told.
    pub pod: PodSettings,
    /// `WORKER_CONCURRENCY`: how many messages of each queue may be in hand at the
    /// same time, by default 4.
    pub concurrency: usize,
    /// `WORKER_SWEEP_SECONDS`: the time between two looks for what a crash left
    /// behind, by default 15.
    pub sweep: Duration,
    /// `PENDING_GRACE_SECONDS`: how long an attachment may be pending, and a blob
    /// without metadata, before the sweep takes care of it; by default 60.
    pub pending_grace: Duration,
}

impl WorkerSettings {
    /// Reads them, or says everything that is wrong.
    pub fn read(mut reader: Reader) -> Result<Self, SettingsError> {
        let pod = PodSettings::read(&mut reader);
        let concurrency = reader.parsed_or("WORKER_CONCURRENCY", 4, concurrency);
        let sweep = period(&mut reader, "WORKER_SWEEP_SECONDS", 15);
        let pending_grace = reader.seconds("PENDING_GRACE_SECONDS", 60);
        reader.finish(|| Self {
            pod: pod.get(),
            concurrency: concurrency.get(),
            sweep: sweep.get(),
            pending_grace: pending_grace.get(),
        })
    }
}

/// A number of slots: more than none, and no more than a pod has room for.
fn concurrency(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|slots| (1..=64).contains(slots))
        .ok_or_else(|| "is not a whole number from 1 to 64".to_owned())
}

/// The time between two rounds of something: not zero, which would be no pause.
fn period(reader: &mut Reader, name: &'static str, default: u64) -> Value<Duration> {
    reader.parsed_or(name, Duration::from_secs(default), |text| {
        match text.parse() {
            Ok(0) | Err(_) => Err("is not a whole number of seconds, at least 1".to_owned()),
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::settings::Vars;

    /// The variables of `k8s/base`, with the webhook's. The token file is any
    /// file that is there: settings do not read it.
    const BASE: [(&str, &str); 20] = [
        ("KEY_VAULT_URL", "https://localvault.vault.azure.net/"),
        ("SESSION_KEY_SECRET", "session-key"),
        ("SHARE_LINK_KEY_SECRET", "share-link-key"),
        (
            "COSMOS_ENDPOINT",
            "https://localcosmos.documents.azure.com/",
        ),
        ("COSMOS_DATABASE", "todolist"),
        ("COSMOS_TODOS_CONTAINER", "todos"),
        ("COSMOS_ACTIVITY_CONTAINER", "activity"),
        ("COSMOS_REGION", "East US"),
        ("STORAGE_URL", "https://localstorage.blob.core.windows.net/"),
        ("ATTACHMENTS_CONTAINER", "attachments"),
        ("SERVICE_BUS_NAMESPACE", "localbus.servicebus.windows.net"),
        ("TODO_EVENTS_QUEUE", "todo-events"),
        ("ATTACHMENT_JOBS_QUEUE", "attachment-jobs"),
        ("CLUSTER_ISSUER", "https://eastus.oic.local-cloud.test/t/c/"),
        ("CALLER_AUDIENCE", "todolist-backend"),
        ("CALLER_SUBJECT", "system:serviceaccount:todolist:frontend"),
        ("AZURE_CLIENT_ID", "d88330ca-c6e3-5911-831b-f32089104fdd"),
        ("AZURE_TENANT_ID", "0dd17ccc-1660-5815-893b-e60e4270e70b"),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ),
    ];

    fn reader<const N: usize>(more: [(&str, &str); N]) -> Reader {
        Reader::new(&Vars::from_pairs(BASE.into_iter().chain(more)))
    }

    #[test]
    fn the_base_manifests_are_enough_for_both_roles() {
        let api = ApiSettings::read(reader([])).expect("the API's settings");
        let worker = WorkerSettings::read(reader([])).expect("the worker's settings");

        assert_eq!(api.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(
            api.caller.subject,
            "system:serviceaccount:todolist:frontend"
        );
        assert_eq!(api.relay_sweep, Duration::from_secs(5));
        assert_eq!(worker.concurrency, 4);
        assert_eq!(worker.sweep, Duration::from_secs(15));
        assert_eq!(worker.pending_grace, Duration::from_mins(1));
    }

    #[test]
    fn the_problems_of_the_pod_and_of_the_role_are_told_together() {
        let problems = ApiSettings::read(reader([
            ("CALLER_SUBJECT", "frontend"),
            ("RELAY_SWEEP_SECONDS", "0"),
            ("DRAIN_SECONDS", "-1"),
        ]))
        .expect_err("three problems")
        .to_string();

        assert_eq!(
            problems,
            "DRAIN_SECONDS: \"-1\" is not a whole number of seconds\n\
             CALLER_SUBJECT: \"frontend\" is not a service account, \
             system:serviceaccount:<namespace>:<name>\n\
             RELAY_SWEEP_SECONDS: \"0\" is not a whole number of seconds, at least 1"
        );
    }

    #[test]
    fn a_worker_without_slots_is_a_problem() {
        for wrong in ["0", "65", "many"] {
            let problems = WorkerSettings::read(reader([("WORKER_CONCURRENCY", wrong)]))
                .expect_err("a problem")
                .to_string();

            assert_eq!(
                problems,
                format!("WORKER_CONCURRENCY: \"{wrong}\" is not a whole number from 1 to 64")
            );
        }
    }

    #[test]
    fn the_worker_needs_no_caller() {
        let vars = BASE.into_iter().filter(|(name, _)| {
            !["CLUSTER_ISSUER", "CALLER_AUDIENCE", "CALLER_SUBJECT"].contains(name)
        });

        WorkerSettings::read(Reader::new(&Vars::from_pairs(vars))).expect("the worker's settings");
    }
}
