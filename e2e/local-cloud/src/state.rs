//! The state directory: what a client needs to use the local cloud, as files.
//!
//! `endpoints.json`, `ca.pem`, `control-token`, `console` (the address of the lab
//! console with its key), and per service account of the
//! model `env/<namespace>.<name>.env` and its projected tokens, one audience a
//! directory: `tokens/<namespace>.<name>/<audience>/token`.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Pod;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::entra::EXCHANGE_AUDIENCE;
use crate::model::{Model, ServiceAccount};
use crate::names;

/// Where everything is. Also the form of `endpoints.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// What this is.
    pub about: String,
    /// The tenant's id.
    pub tenant_id: String,
    /// The cluster's issuer.
    pub issuer: String,
    /// The CONNECT proxy: the planes under their real host names.
    pub proxy: String,
    /// The control API.
    pub control: String,
    /// Each plane's own port, by real host name, for clients that know no proxy.
    pub planes: BTreeMap<String, String>,
    /// Each Service Bus namespace's `host:port` for AMQP over TLS.
    pub amqp: BTreeMap<String, String>,
}

impl Endpoints {
    pub(crate) fn new(proxy: SocketAddr) -> Self {
        Self {
            about: "local cloud, not Azure".to_owned(),
            tenant_id: names::tenant_id().to_string(),
            issuer: names::cluster_issuer(),
            proxy: format!("http://{proxy}"),
            control: String::new(),
            planes: BTreeMap::new(),
            amqp: BTreeMap::new(),
        }
    }

    pub(crate) fn add_plane(&mut self, host: &str, port: u16) {
        self.planes
            .insert(host.to_owned(), format!("https://localhost:{port}/"));
    }

    pub(crate) fn add_bus(&mut self, host: &str, port: u16) {
        self.amqp
            .insert(host.to_owned(), format!("localhost:{port}"));
    }

    /// The variables by which a program on this machine reaches the planes under
    /// their real names, as the HTTP-proxy feature of AKS sets them for pods.
    pub(crate) fn proxy_environment(&self, ca: &Path) -> Vec<(String, String)> {
        let mut environment = vec![
            ("HTTPS_PROXY", self.proxy.clone()),
            // The proxy refuses plain HTTP: nobody gets to a metadata endpoint.
            ("HTTP_PROXY", self.proxy.clone()),
            ("NO_PROXY", "localhost,127.0.0.1".to_owned()),
            ("SSL_CERT_FILE", ca.display().to_string()),
            // The Cosmos client ignores HTTPS_PROXY unless it is told not to.
            (
                "AZURE_COSMOS_CONNECTION_POOL_IS_PROXY_ALLOWED",
                "true".to_owned(),
            ),
        ];
        if let Some(amqp) = self.amqp.values().next() {
            environment.push(("SERVICE_BUS_CUSTOM_ENDPOINT", amqp.clone()));
        }
        environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

/// The directory; a temporary one is removed when this is dropped.
pub(crate) struct StateDirectory {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl StateDirectory {
    pub(crate) fn create(path: Option<PathBuf>) -> io::Result<Self> {
        let (path, temporary) = if let Some(path) = path {
            fs::create_dir_all(&path)?;
            (fs::canonicalize(path)?, None)
        } else {
            let temporary = tempfile::Builder::new().prefix("local-cloud-").tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        };
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        // Left by an earlier run; they would name ports that are gone.
        for stale in ["endpoints.json", "control-token", "console"] {
            match fs::remove_file(path.join(stale)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(Self {
            path,
            _temporary: temporary,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    pub(crate) fn write_ca(&self, pem: &str) -> io::Result<()> {
        fs::write(self.ca_file(), pem)
    }

    /// Makes the token of the control API and writes it for its owner only.
    pub(crate) fn write_control_token(&self) -> io::Result<String> {
        let token = new_token();
        self.write_for_owner("control-token", &token)?;
        Ok(token)
    }

    /// Makes the key of the lab console and writes the console's address with it,
    /// for its owner only; both.
    pub(crate) fn write_console(&self, address: SocketAddr) -> io::Result<(String, String)> {
        let key = new_token();
        let with_key = format!("http://localhost:{}/#{key}", address.port());
        self.write_for_owner("console", &with_key)?;
        Ok((key, with_key))
    }

    fn write_for_owner(&self, name: &str, text: &str) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path.join(name))?;
        file.write_all(text.as_bytes())
    }

    /// Writes the endpoints in one step, so that a reader never sees a half.
    pub(crate) fn write_endpoints(&self, endpoints: &Endpoints) -> io::Result<()> {
        let text = serde_json::to_string_pretty(endpoints)?;
        let next = self.path.join("endpoints.json.next");
        fs::write(&next, text)?;
        fs::rename(next, self.path.join("endpoints.json"))
    }

    /// Projects tokens for every service account of the model, for programs that
    /// are no pods, and writes the variables that such a program needs.
    pub(crate) fn project(
        &self,
        model: &Model,
        cluster: &Cluster,
        endpoints: &Endpoints,
    ) -> io::Result<()> {
        fs::create_dir_all(self.path.join("env"))?;
        for (name, identity) in &model.identities {
            for account in &identity.service_accounts {
                let token = self.project_account(model, cluster, name, account)?;
                self.write_environment(name, account, &token, endpoints)?;
            }
        }
        Ok(())
    }

    fn project_account(
        &self,
        model: &Model,
        cluster: &Cluster,
        identity: &str,
        account: &ServiceAccount,
    ) -> io::Result<PathBuf> {
        let ServiceAccount { namespace, name } = account;
        let calls = model.calls.iter().filter(|call| call.from == identity);
        let audiences = [EXCHANGE_AUDIENCE]
            .into_iter()
            .chain(calls.map(|call| call.audience.as_str()));
        let volume = |(number, audience): (usize, &str)| {
            let token = json!({ "audience": audience, "expirationSeconds": 3600, "path": "token" });
            json!({ "name": number.to_string(), "projected": { "sources": [{ "serviceAccountToken": token }] } })
        };
        let volumes: Vec<Value> = audiences.clone().enumerate().map(volume).collect();
        let pod: Pod = from_json(json!({
            "metadata": { "namespace": namespace, "name": format!("{name}-outside") },
            "spec": { "serviceAccountName": name, "containers": [], "volumes": volumes },
        }));
        let running = cluster.run(pod).map_err(io::Error::other)?;
        let tokens = self.path.join("tokens").join(format!("{namespace}.{name}"));
        fs::create_dir_all(&tokens)?;
        for (number, audience) in audiences.enumerate() {
            let link = tokens.join(file_name(audience));
            if link.is_symlink() {
                fs::remove_file(&link)?;
            }
            symlink(&running.volumes[&number.to_string()], link)?;
        }
        Ok(token_file(&self.path, account))
    }

    fn write_environment(
        &self,
        identity: &str,
        account: &ServiceAccount,
        token: &Path,
        endpoints: &Endpoints,
    ) -> io::Result<()> {
        let mut variables = endpoints.proxy_environment(&self.ca_file());
        let own = [
            ("AZURE_CLIENT_ID", names::client_id(identity).to_string()),
            ("AZURE_TENANT_ID", names::tenant_id().to_string()),
            ("AZURE_FEDERATED_TOKEN_FILE", token.display().to_string()),
            (
                "AZURE_AUTHORITY_HOST",
                format!("https://{}/", names::LOGIN_HOST),
            ),
            // The same CA for Python's requests and for Node.
            ("REQUESTS_CA_BUNDLE", self.ca_file().display().to_string()),
            ("NODE_EXTRA_CA_CERTS", self.ca_file().display().to_string()),
        ];
        variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let lines: Vec<String> = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let file = format!("{}.{}.env", account.namespace, account.name);
        fs::write(self.path.join("env").join(file), lines.join("\n") + "\n")
    }
}

/// Something that nobody guesses.
fn new_token() -> String {
    let mut random = [0; 32];
    random[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    random[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    URL_SAFE_NO_PAD.encode(random)
}

/// Where the token that Entra ID takes of a service account is projected, in a
/// state directory.
pub(crate) fn token_file(state: &Path, account: &ServiceAccount) -> PathBuf {
    let ServiceAccount { namespace, name } = account;
    let tokens = state.join("tokens").join(format!("{namespace}.{name}"));
    tokens.join(file_name(EXCHANGE_AUDIENCE)).join("token")
}

/// An audience as the name of a directory: what is no letter, digit, dot or
/// dash becomes a dash.
fn file_name(audience: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    audience.chars().map(safe).collect()
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the object is written out above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_gets_into_the_state_directory() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("state");
        fs::create_dir(&path).expect("made by somebody");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("open to all");

        let state = StateDirectory::create(Some(path)).expect("taken over");

        let mode = fs::metadata(state.path()).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
    }
}
