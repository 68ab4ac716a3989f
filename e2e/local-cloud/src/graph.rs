//! Microsoft Graph, as far as an application asks which service principals there
//! are: `GET /v1.0/servicePrincipals(appId='...')`. All else is 501, naming it.
//!
//! It owns nothing: it shows the directory. What an application may do here is
//! said by the application roles in its token. Paths and properties after the
//! Microsoft Graph REST reference, *Get servicePrincipal*.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::Clock;
use crate::directory::{Directory, Identity};
use crate::gate::{Audience, Gate, Operation};
use crate::model::{IdentityKind, Scope};
use crate::names;
use crate::roles::Permission;

mod refusal;

use refusal::{Refusal, RequestIds};

/// The application id of Microsoft Graph, in every tenant.
pub const APPLICATION_ID: &str = "00000003-0000-0000-c000-000000000000";

const READ: Permission = Permission::GraphAction("servicePrincipals/read");

/// Microsoft Graph of the tenant.
pub struct Graph {
    /// Its logical name: its scope.
    resource: String,
    gate: Gate,
    directory: Directory,
    clock: Clock,
}

impl Graph {
    /// Shows the directory whose principals the gate knows.
    pub fn new(resource: &str, gate: Gate, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            resource: resource.to_owned(),
            directory: gate.directory().clone(),
            gate,
            clock,
        })
    }

    /// Its HTTP interface.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(answer).with_state(self)
    }

    /// What it shows: the names of the service principals.
    pub fn digest(&self) -> Value {
        let identities = self.directory.identities();
        let names = identities.iter().map(|identity| identity.name.as_str());
        json!({ "servicePrincipals": names.collect::<Vec<_>>() })
    }

    async fn service_principal(&self, app_id: &str, token: Option<&str>) -> Result<Value, Refusal> {
        let caller = self.gate.authenticate(token, &Audience::graph())?;
        let scope = Scope::new([self.resource.clone()]);
        let operation = Operation::at("GetServicePrincipal", READ, scope);
        let _admitted = self.gate.admit(&caller, operation).await?;
        let found = self.directory.find(app_id);
        found
            .map(|identity| shown(&identity))
            .ok_or_else(|| Refusal::not_found(app_id))
    }
}

async fn answer(
    State(graph): State<Arc<Graph>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let ids = RequestIds::of(&headers);
    let outcome = match asked_for(&method, &uri) {
        Some(app_id) => graph.service_principal(&app_id, bearer(&headers)).await,
        None => Err(Refusal::not_implemented(&method, &uri)),
    };
    let response = match outcome {
        Ok(shown) => {
            let kind = "application/json;odata.metadata=minimal;odata.streaming=true;\
                        IEEE754Compatible=false;charset=utf-8";
            let kind = HeaderValue::from_static(kind);
            ([(header::CONTENT_TYPE, kind)], shown.to_string()).into_response()
        }
        Err(refusal) => refusal.response(&ids, graph.clock.now()),
    };
    ids.on(response)
}

/// The application id in the one path that is played.
fn asked_for(method: &Method, uri: &Uri) -> Option<String> {
    if *method != Method::GET || uri.query().is_some() {
        return None;
    }
    let path = percent_encoding::percent_decode_str(uri.path())
        .decode_utf8()
        .ok()?;
    let id = path
        .strip_prefix("/v1.0/servicePrincipals(appId='")?
        .strip_suffix("')")?;
    (!id.contains('\'')).then(|| id.to_owned())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// A service principal, without the properties that are always empty here.
fn shown(identity: &Identity) -> Value {
    let alternative_names = match &identity.kind {
        IdentityKind::UserAssigned => vec![
            "isExplicit=True".to_owned(),
            names::user_assigned_resource_id(&identity.name),
        ],
        IdentityKind::SystemAssigned { resource } => {
            vec!["isExplicit=False".to_owned(), names::resource_id(resource)]
        }
        IdentityKind::Application => Vec::new(),
    };
    let kind = if identity.is_managed() {
        "ManagedIdentity"
    } else {
        "Application"
    };
    json!({
        "@odata.context": format!(
            "https://{}/v1.0/$metadata#servicePrincipals/$entity",
            names::GRAPH_HOST
        ),
        "id": identity.object_id,
        "accountEnabled": true,
        "alternativeNames": alternative_names,
        "appDisplayName": identity.name,
        "appId": identity.client_id,
        "displayName": identity.name,
        "servicePrincipalNames": [identity.client_id],
        "servicePrincipalType": kind,
    })
}

impl RequestIds {
    fn of(headers: &HeaderMap) -> Self {
        let request = Uuid::new_v4();
        let client = headers
            .get("client-request-id")
            .and_then(|id| id.to_str().ok()?.parse().ok());
        Self {
            request,
            client: client.unwrap_or(request),
        }
    }
}

#[cfg(test)]
mod tests;
