//! Cosmos DB's data plane (NoSQL): its wire, its own role system and its
//! refusals. The state lives behind `cosmos/engine.rs`; nothing gets there without the
//! gate's leave.
//!
//! Follows Microsoft Learn, *Azure Cosmos DB REST API* and *Configure
//! role-based access control with Microsoft Entra ID for your Azure Cosmos DB
//! account* (sections "Permission model" and "Metadata requests"). Databases
//! and containers are made by the control plane, never here.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::behind::Forwarder;
use crate::clock::Clock;
use crate::gate::{Admitted, Audience, Caller, Gate, Operation, Reach};
use crate::model::CosmosSpec;
use crate::names;
use crate::roles::Permission;

mod account;
mod authorization;
mod batch;
mod engine;
mod forwarded;
mod operation;
mod query;
mod refusal;

use authorization::Credential;
use engine::{Emulator, Engine, Execution};
use forwarded::Forwarded;
use operation::{Kind, READ_METADATA, Target};
use refusal::Refusal;

/// Above this no body is read. Azure takes items and batches of 2 MiB; what
/// lies between is refused by the engine, which measures the item itself.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// The name that the audit log gives to the metadata check before a data operation.
const METADATA_CHECK: &str = "ReadMetadata";

/// A Cosmos DB account.
pub struct Cosmos {
    resource: String,
    account: String,
    host: String,
    audience: Audience,
    gate: Gate,
    clock: Clock,
    engine: Box<dyn Engine>,
}

impl Cosmos {
    /// An account with the databases and containers of the model, all empty.
    /// `resource` is its logical name, `host` the name that it is reached by.
    /// With an emulator they are there. Must be called inside a Tokio runtime.
    pub(crate) fn new(
        resource: &str,
        host: String,
        spec: &CosmosSpec,
        gate: Gate,
        clock: Clock,
        emulator: Option<Arc<Forwarder>>,
    ) -> Arc<Self> {
        let engine: Box<dyn Engine> = match emulator {
            Some(emulator) => Box::new(Forwarded(emulator)),
            None => Box::new(Emulator::new(&host, spec)),
        };
        Arc::new(Self {
            resource: resource.to_owned(),
            account: names::physical(resource),
            audience: Audience::cosmos(&host),
            engine,
            host,
            gate,
            clock,
        })
    }

    /// The account's HTTP interface.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(serve).with_state(self)
    }

    /// The number of items of each container, and a hash over their ids and
    /// `ETag`s: it changes with every write. No values.
    pub fn digest(&self) -> serde_json::Value {
        self.engine.digest()
    }

    async fn answer(&self, request: Request) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let caller = self.authenticate(&parts)?;
        let target = match Target::of(&parts.method, parts.uri.path(), &parts.headers) {
            Err(refusal @ Refusal::ControlPlane { .. }) => {
                self.note_control_plane(&caller).await;
                return Err(refusal);
            }
            classified => classified?,
        };

        let metadata = self.admit_metadata(&caller, &target).await?;
        let body = read(body).await?;
        let admitted = match actions(&target, &parts, &body)? {
            actions if actions.is_empty() => metadata,
            actions => self.admit_all(&caller, &target, &actions).await?,
        };

        let body = match target.kind {
            Kind::PatchItem => operation::patch_body(body),
            _ => body,
        };
        let execution = Execution {
            target: &target,
            headers: &parts.headers,
            body,
        };
        let answer = self.engine.execute(&admitted, execution).await?;
        let answer = match target.kind {
            Kind::ReadAccount => account::reached_by(self.authority(&parts), answer),
            _ => answer,
        };
        Ok(answer.map(Body::from))
    }

    fn authenticate(&self, parts: &Parts) -> Result<Caller, Refusal> {
        let credential = Credential::of(parts.headers.get(AUTHORIZATION));
        // Whatever is no Entra token is audited as a missing one.
        let token = match &credential {
            Ok(Credential::Entra(token)) => Some(token.as_str()),
            _ => None,
        };
        let caller = self.gate.authenticate(token, &self.audience);
        match credential? {
            Credential::AccountKey => Err(Refusal::local_auth_disabled()),
            Credential::Entra(token) => {
                caller.map_err(|refusal| Refusal::of_token(&refusal, &token, self.clock.now()))
            }
        }
    }

    /// Every request needs the metadata of its place first (documented for
    /// metadata requests; assumed for data requests, where the official clients
    /// have asked for the container before).
    async fn admit_metadata(&self, caller: &Caller, target: &Target) -> Result<Admitted, Refusal> {
        let operation = Operation {
            name: if target.kind.is_metadata() {
                target.kind.name()
            } else {
                METADATA_CHECK
            },
            permission: Permission::CosmosDataAction(READ_METADATA),
            scope: target.scope(&self.resource),
            reach: match target.kind {
                Kind::ReadAccount => Reach::AnywhereWithin,
                _ => Reach::At,
            },
        };
        let admitted = self.gate.admit(caller, operation).await;
        admitted.map_err(|denied| Refusal::denied(&denied, &target.resource()))
    }

    async fn admit_all(
        &self,
        caller: &Caller,
        target: &Target,
        actions: &[&'static str],
    ) -> Result<Admitted, Refusal> {
        let mut last = None;
        for action in actions {
            let operation = Operation::at(
                target.kind.name(),
                Permission::CosmosDataAction(action),
                target.scope(&self.resource),
            );
            let admitted = self.gate.admit(caller, operation).await;
            last = Some(admitted.map_err(|denied| Refusal::denied(&denied, &target.resource()))?);
        }
        Ok(last.expect("a request with no action is admitted by its metadata"))
    }

    /// Writes the refusal of a control-plane call to the audit log: it asks for
    /// an action that no role can name.
    async fn note_control_plane(&self, caller: &Caller) {
        let operation = Operation::at(
            "ControlPlane",
            Permission::CosmosDataAction("(none: not a data action)"),
            crate::model::Scope::new([self.resource.as_str()]),
        );
        let _refused_either_way = self.gate.admit(caller, operation).await;
    }

    /// The name by which the client reached the account.
    fn authority<'a>(&'a self, parts: &'a Parts) -> &'a str {
        let host = parts
            .headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| parts.uri.authority().map(http::uri::Authority::as_str))
            .unwrap_or(&self.host);
        host.strip_suffix(":443").unwrap_or(host)
    }
}

async fn serve(State(cosmos): State<Arc<Cosmos>>, request: Request) -> Response {
    let activity = refusal::activity_id(request.headers());
    match cosmos.answer(request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(&cosmos.account, activity),
    }
}

/// The data actions that a request needs beyond the metadata.
fn actions(target: &Target, parts: &Parts, body: &Bytes) -> Result<Vec<&'static str>, Refusal> {
    if matches!(target.kind, Kind::QueryItems | Kind::PlanQuery) {
        query::check(body)?;
    }
    if target.kind == Kind::ExecuteBatch {
        return batch::actions(&parts.headers, body);
    }
    Ok(target.kind.action().into_iter().collect())
}

async fn read(body: Body) -> Result<Bytes, Refusal> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Err(_) => Err(Refusal::bad_request("The request body ended too early.")),
    }
}

#[cfg(test)]
mod tests;
