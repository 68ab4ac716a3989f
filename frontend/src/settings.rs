//! What the frontend is told, beyond what every pod is.

use std::net::SocketAddr;
use std::path::PathBuf;

use platform::pod::{self, PodSettings};
use platform::settings::{Reader, SettingsError};
use url::Url;

use crate::origin::Origins;

/// 25 MiB, which the pages call 25 MB.
const UPLOAD_LIMIT_BYTES: u64 = 25 * 1024 * 1024;

/// As much as a blob of our blocks can have, and less.
const LARGEST_UPLOAD_LIMIT_BYTES: u64 = 100 * 1024 * 1024 * 1024;

/// The settings of the frontend's pod.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `LISTEN`: where the pages are served, by default 127.0.0.1:8080.
    pub(crate) listen: SocketAddr,
    /// `BACKEND_URL`: the backend's API, http inside of the cluster.
    pub(crate) backend: Url,
    /// `BACKEND_TOKEN_FILE`: this pod's projected token with the backend's
    /// audience. The kubelet rotates it.
    pub(crate) backend_token_file: PathBuf,
    /// `PUBLIC_ORIGIN`, optional: the origin that browsers see, where a gateway is
    /// before the pods (`https://todo.example`). Without it, only loopback names
    /// are served.
    pub(crate) origins: Origins,
    /// `UPLOAD_LIMIT_BYTES`: the size of the largest file, by default 26214400.
    pub(crate) upload_limit_bytes: u64,
    /// `ACCESS_MODEL_FILE`, optional: the access model, `infra/access.json`, by
    /// which the Access page names the grant behind an allowed cell.
    pub(crate) access_model_file: Option<PathBuf>,
    /// What every pod is told.
    pub(crate) pod: PodSettings,
}

impl Settings {
    /// Reads the settings, or tells every problem with them.
    pub(crate) fn read(mut reader: Reader) -> Result<Self, SettingsError> {
        let listen = pod::listen(&mut reader);
        let backend = reader.cluster_url("BACKEND_URL", "address of the backend's API");
        let backend_token_file = reader.file(
            "BACKEND_TOKEN_FILE",
            "this pod's projected token for the backend",
        );
        let origins = reader.parsed_or("PUBLIC_ORIGIN", Origins::default(), Origins::parse);
        let upload_limit_bytes =
            reader.parsed_or("UPLOAD_LIMIT_BYTES", UPLOAD_LIMIT_BYTES, upload_limit);
        let access_model_file = reader.file_if_set("ACCESS_MODEL_FILE");
        let pod = PodSettings::read(&mut reader);
        reader.finish(|| Self {
            listen: listen.get(),
            backend: backend.get(),
            backend_token_file: backend_token_file.get(),
            origins: origins.get(),
            upload_limit_bytes: upload_limit_bytes.get(),
            access_model_file: access_model_file.get(),
            pod: pod.get(),
        })
    }
}

fn upload_limit(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(bytes @ 1..=LARGEST_UPLOAD_LIMIT_BYTES) => Ok(bytes),
        _ => Err(format!(
            "is not a number of bytes from 1 to {LARGEST_UPLOAD_LIMIT_BYTES}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::settings::Vars;

    #[test]
    fn a_pod_without_its_variables_is_asked_for_each_of_them() {
        let vars = Vars::from_pairs([
            ("ACCESS_MODEL_FILE", "/nowhere/access.json"),
            ("PUBLIC_ORIGIN", "todo.example"),
            ("UPLOAD_LIMIT_BYTES", "25 MB"),
        ]);

        let error = Settings::read(Reader::new(&vars))
            .expect_err("nothing is set")
            .to_string();

        for problem in [
            "BACKEND_URL is not set (address of the backend's API)",
            "BACKEND_TOKEN_FILE is not set (this pod's projected token for the backend)",
            "PUBLIC_ORIGIN: \"todo.example\" is not an origin",
            "UPLOAD_LIMIT_BYTES: \"25 MB\" is not a number of bytes from 1 to 107374182400",
            "ACCESS_MODEL_FILE: \"/nowhere/access.json\" cannot be read",
            "AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE are not set",
        ] {
            assert!(error.contains(problem), "{problem} is not in:\n{error}");
        }
    }
}
