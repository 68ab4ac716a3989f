//! Where in the files of a kustomization what an explanation is about stands:
//! the label, the annotation, the service account.

use std::path::Path;

use anyhow::Result;
use local_cloud::explain::{Fix, Spot, SpotKind};

use super::objects::{Account, Objects, Workload};
use crate::kustomization::Kustomized;
use crate::node::{Node, Place};

const USE_LABEL: &str = "azure.workload.identity/use";
const CLIENT_ID: &str = "azure.workload.identity/client-id";
const TENANT_ID: &str = "azure.workload.identity/tenant-id";
const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";

/// Where things stand in the files of one kustomization.
pub struct Places(Objects);

impl Places {
    /// Looks through the files of a kustomization.
    pub fn of(directory: &Path) -> Result<Self> {
        Ok(Self(Objects::of(&Kustomized::read(directory)?)?))
    }

    /// The file and the line where something stands; what is missing is told by the
    /// line of what it would belong to.
    pub fn find(&self, spot: &Spot) -> Option<(String, usize)> {
        let Self(objects) = self;
        let account = || objects.account(&spot.namespace, &spot.service_account);
        let workload = || objects.workloads.iter().find(|pods| runs_as(pods, spot));
        let annotation = |name: &str| {
            let account = account()?;
            Some(place_of(account.annotation(name), &account.place))
        };
        let place = match spot.kind {
            SpotKind::ServiceAccount => &account()?.place,
            SpotKind::ClientId => annotation(CLIENT_ID)?,
            SpotKind::TenantId => annotation(TENANT_ID)?,
            SpotKind::TokenExpiration => {
                let own = workload().and_then(|pods| pods.annotation(EXPIRATION));
                own.map(|own| &own.place)
                    .or_else(|| annotation(EXPIRATION))?
            }
            SpotKind::UseLabel => workload()?.label().1,
            SpotKind::ServiceAccountName => workload()?.account_place(),
        };
        Some(line_of(place))
    }

    /// The client ids that the annotations give, with namespace and account.
    pub fn client_ids(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let Self(objects) = self;
        objects.accounts.iter().filter_map(|account| {
            let id = account.client_id()?.text()?;
            Some((account.namespace.name.as_str(), account.name.as_str(), id))
        })
    }

    /// What keeps the webhook from injecting: labels and annotations that are not
    /// there.
    pub fn not_injected(&self) -> Vec<Fix> {
        let Self(objects) = self;
        let labels = objects.workloads.iter().filter_map(missing_label);
        let annotations = objects.accounts.iter().filter_map(missing_client_id);
        labels.chain(annotations).collect()
    }
}

fn missing_label(pods: &Workload) -> Option<Fix> {
    let (kind, name) = (&pods.kind, &pods.name);
    let (label, place) = pods.label();
    let what = match label.and_then(Node::text) {
        Some("true") => return None,
        Some(other) => format!(
            "The label {USE_LABEL} of {kind} `{name}` is \"{other}\", and has to be \"true\""
        ),
        None => format!("{kind} `{name}`: its pods have no label {USE_LABEL}: \"true\""),
    };
    Some(fix_at(what, place))
}

fn missing_client_id(account: &Account) -> Option<Fix> {
    if account.client_id().is_some() {
        return None;
    }
    let what = format!(
        "Service account `{}` has no annotation {CLIENT_ID}",
        account.name
    );
    Some(fix_at(what, &account.place))
}

fn fix_at(what: String, place: &Place) -> Fix {
    let (file, line) = line_of(place);
    Fix::new(what).at(&file, Some(line))
}

fn runs_as(pods: &Workload, spot: &Spot) -> bool {
    pods.namespace.name == spot.namespace && pods.account() == spot.service_account
}

fn place_of<'p>(found: Option<&'p Node>, otherwise: &'p Place) -> &'p Place {
    found.map_or(otherwise, |found| &found.place)
}

fn line_of(place: &Place) -> (String, usize) {
    (
        place.file.to_string(),
        usize::try_from(place.line).unwrap_or(usize::MAX),
    )
}
