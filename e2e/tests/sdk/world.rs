//! What every trial stands on: this process' identity, the runtime that its
//! clients live in, and the cloud's control API.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use azure_core::error::ErrorKind;
use azure_identity::WorkloadIdentityCredential;
use e2e::control::Control;
use libtest_mimic::Trial;
use local_cloud::audit::Record;
use platform::settings::Vars;
use tokio::runtime::Runtime;

use crate::cloud_process;

/// The variable that tells a child which identity it is.
pub(crate) const IDENTITY: &str = "SDK_TEST_IDENTITY";

/// The variable that tells a child where the cloud's state directory is.
pub(crate) const STATE: &str = "SDK_TEST_STATE";

pub(crate) const VAULT: &str = "https://localvault.vault.azure.net";
pub(crate) const STORAGE: &str = "https://localstorage.blob.core.windows.net/";
pub(crate) const COSMOS: &str = "https://localcosmos.documents.azure.com/";
pub(crate) const BUS: &str = "localbus.servicebus.windows.net";

static WORLD: LazyLock<World> = LazyLock::new(World::of_this_process);

pub(crate) struct World {
    runtime: Runtime,
    credential: Arc<WorkloadIdentityCredential>,
    pub(crate) control: Control,
    /// Where the namespace's AMQP endpoint is on this machine.
    pub(crate) bus_endpoint: String,
}

impl World {
    fn of_this_process() -> Self {
        let vars = Vars::from_process();
        let state = PathBuf::from(vars.get(STATE).expect("the parent says where the state is"));
        let endpoints = cloud_process::endpoints(&state).expect("endpoints.json");
        Self {
            runtime: Runtime::new().expect("a runtime"),
            credential: WorkloadIdentityCredential::new(None).expect("the identity's environment"),
            control: Control::open(&state, &endpoints).expect("the control API"),
            bus_endpoint: vars
                .get("SERVICE_BUS_CUSTOM_ENDPOINT")
                .expect("the model has a namespace"),
        }
    }

    /// The official credential, as a pod makes it: all from the environment.
    pub(crate) fn credential(&self) -> Arc<WorkloadIdentityCredential> {
        Arc::clone(&self.credential)
    }

    /// What the cloud has recorded of an identity, for operations with this name.
    pub(crate) async fn audited(&self, identity: &str, operation: &str) -> Vec<Record> {
        let mut records = self.control.audit(0).await.expect("the audit");
        records.retain(|record| {
            record.identity.as_deref() == Some(identity) && record.operation == operation
        });
        records
    }
}

/// This process' world.
pub(crate) fn world() -> &'static World {
    &WORLD
}

/// A trial named like any test, that runs in the world's runtime.
pub(crate) fn trial<F>(module: &str, name: &str, run: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    let module = module.split_once("::").map_or(module, |(_, module)| module);
    Trial::test(format!("{module}::{name}"), move || {
        world().runtime.block_on(run());
        Ok(())
    })
}

/// Trials of these functions, named after them.
macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        vec![$($crate::world::trial(module_path!(), stringify!($name), $name)),*]
    };
}
pub(crate) use trials;

/// What a service refused with: the status, and the innermost code that the
/// client hands out or the body has.
pub(crate) fn refusal(error: &azure_core::Error) -> (u16, String) {
    let ErrorKind::HttpResponse {
        status,
        error_code,
        raw_response,
    } = error.kind()
    else {
        panic!("the service did not answer: {error:?}");
    };
    let inner = raw_response.as_ref().and_then(|response| {
        let body: serde_json::Value = serde_json::from_slice(response.body()).ok()?;
        Some(body["error"]["innererror"]["code"].as_str()?.to_owned())
    });
    let code = inner.or_else(|| error_code.clone());
    (u16::from(*status), code.unwrap_or_default())
}

/// The text of an error with everything behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// These texts as a set.
pub(crate) fn set<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    texts.into_iter().map(Into::into).collect()
}
