//! Where the webhook puts the token. v1.6.0 changed the volume's name, the mount
//! and the file's path; programs read `AZURE_FEDERATED_TOKEN_FILE` and are right
//! with both.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::api::core::v1::{
    ProjectedVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::entra::EXCHANGE_AUDIENCE;

/// Whose layout the webhook has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookVersion {
    /// v1.5.1 and before: `/var/run/secrets/azure/tokens/azure-identity-token`.
    V1_5,
    /// v1.6.0: `/var/run/secrets/azure/wi/token/azure-identity-token`.
    #[default]
    V1_6,
}

impl fmt::Display for WebhookVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_5 => "v1.5",
            Self::V1_6 => "v1.6",
        })
    }
}

impl FromStr for WebhookVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::V1_5, Self::V1_6]
            .into_iter()
            .find(|version| version.to_string() == text)
            .ok_or_else(|| format!("there is no layout of the webhook `{text}`: v1.5 or v1.6"))
    }
}

/// The layout for one pod.
pub(super) struct Layout {
    version: WebhookVersion,
    volume: String,
    mount: &'static str,
    path: &'static str,
}

impl Layout {
    pub(super) fn of(version: WebhookVersion, pod: &ObjectMeta) -> Self {
        match version {
            WebhookVersion::V1_5 => Self {
                version,
                volume: "azure-identity-token".to_owned(),
                mount: "/var/run/secrets/azure/tokens",
                path: "azure-identity-token",
            },
            WebhookVersion::V1_6 => Self {
                version,
                volume: reserved_name(pod),
                mount: "/var/run/secrets/azure/wi",
                path: "token/azure-identity-token",
            },
        }
    }

    /// What `AZURE_FEDERATED_TOKEN_FILE` says.
    pub(super) fn token_file(&self) -> String {
        format!("{}/{}", self.mount, self.path)
    }

    /// Mounts the volume: v1.5.1 leaves a mount of this name as it is, v1.6.0
    /// replaces it.
    pub(super) fn mount(&self, mounts: &mut Vec<VolumeMount>) {
        let mount = VolumeMount {
            name: self.volume.clone(),
            mount_path: self.mount.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        };
        let own = mounts.iter_mut().find(|own| own.name == self.volume);
        match (own, self.version) {
            (Some(_), WebhookVersion::V1_5) => {}
            (Some(own), WebhookVersion::V1_6) => *own = mount,
            (None, _) => mounts.push(mount),
        }
    }

    /// Adds the volume: v1.5.1 not if the pod projects a token into a file of
    /// this path already, whatever its volume is called; v1.6.0 in place of one of
    /// this name.
    pub(super) fn add_volume(&self, volumes: &mut Vec<Volume>, lifetime: i64) {
        let volume = self.token_volume(lifetime);
        match self.version {
            WebhookVersion::V1_5 => {
                if !volumes.iter().any(|own| projects_token_to(own, self.path)) {
                    volumes.push(volume);
                }
            }
            WebhookVersion::V1_6 => match volumes.iter_mut().find(|own| own.name == self.volume) {
                Some(own) => *own = volume,
                None => volumes.push(volume),
            },
        }
    }

    fn token_volume(&self, lifetime: i64) -> Volume {
        let token = ServiceAccountTokenProjection {
            audience: Some(EXCHANGE_AUDIENCE.to_owned()),
            expiration_seconds: Some(lifetime),
            path: self.path.to_owned(),
        };
        Volume {
            name: self.volume.clone(),
            projected: Some(ProjectedVolumeSource {
                sources: Some(vec![VolumeProjection {
                    service_account_token: Some(token),
                    ..VolumeProjection::default()
                }]),
                ..ProjectedVolumeSource::default()
            }),
            ..Volume::default()
        }
    }
}

fn projects_token_to(volume: &Volume, path: &str) -> bool {
    let sources = volume
        .projected
        .iter()
        .flat_map(|projected| projected.sources.iter().flatten());
    sources
        .filter_map(|source| source.service_account_token.as_ref())
        .any(|token| token.path == path)
}

/// A name that fits into the 63 characters of a volume's. A pod that gets its
/// name from a prefix has none yet when the webhook sees it.
fn reserved_name(pod: &ObjectMeta) -> String {
    let name = match pod.name.as_deref() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!(
            "{} (prefix)",
            pod.generate_name.as_deref().unwrap_or_default()
        ),
    };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&digest.as_ref()[..16]);
    let hex = format!("{:032x}", u128::from_be_bytes(first));
    format!("azure-workload-identity-reserved-{}", &hex[..30])
}
