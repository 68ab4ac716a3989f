//! The vault's wire: a request becomes an operation, goes through the gate to
//! the engine, and comes back in Key Vault's JSON.
//!
//! Order of the checks: is the operation played, is there a token (without one
//! nothing else of the request is looked at), is it good, are parameters and
//! name well-formed, does a role grant it; only then the body, and whether the
//! secret exists. That authorisation comes before existence: assumed.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use http::header::{CACHE_CONTROL, HOST, HeaderName, HeaderValue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::engine::{Failure, Page, Version};
use super::forwarded::forward;
use super::refusal::Refusal;
use super::request::{Query, Route, bearer, check_name, read_set, read_update};
use super::{KeyVault, new_version_id};
use crate::gate::{Admitted, Audience, Caller, Operation};
use crate::model::Scope;
use crate::names;

/// Answers any request to the vault.
pub(super) async fn answer(State(vault): State<Arc<KeyVault>>, request: Request<Body>) -> Response {
    let client_request_id = request.headers().get("x-ms-client-request-id").cloned();
    let answer = vault.serve(request).await;
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        HeaderName::from_static("x-ms-keyvault-region"),
        HeaderValue::from_static(names::REGION),
    );
    headers.insert(
        HeaderName::from_static("x-ms-keyvault-service-version"),
        HeaderValue::from_static("local-cloud"),
    );
    headers.insert(
        HeaderName::from_static("x-ms-request-id"),
        HeaderValue::from_str(&Uuid::new_v4().to_string()).expect("a UUID is ASCII"),
    );
    if let Some(id) = client_request_id {
        headers.insert(HeaderName::from_static("x-ms-client-request-id"), id);
    }
    response
}

impl KeyVault {
    async fn serve(&self, request: Request<Body>) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let route = Route::of(&parts.method, path)
            .ok_or_else(|| Refusal::NotPlayed(parts.method.clone(), path.to_owned()))?;
        let token = bearer(&parts.headers).ok_or(Refusal::Challenge)?;
        let caller = self
            .gate
            .authenticate(Some(token), &Audience::key_vault())
            .map_err(Refusal::Token)?;
        let query = Query::of(&parts.uri)?;
        if let Some(name) = route.name() {
            check_name(name)?;
        }
        // As the client reached the vault: on the plain port the ids that it
        // gets must lead back there.
        let host = parts
            .headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or(&self.host);

        let admitted = self.admit(&caller, &route).await?;
        if let Some(emulator) = &self.emulator {
            return forward(emulator, &admitted, &parts, body, host).await;
        }
        let answer = self.execute(&admitted, route, &query, body, host).await?;
        Ok(Json(answer).into_response())
    }

    async fn execute(
        &self,
        admitted: &Admitted,
        route: Route,
        query: &Query,
        body: Body,
        host: &str,
    ) -> Result<Value, Refusal> {
        match route {
            Route::List => {
                let page = self
                    .engine()
                    .list(admitted, query.after.as_deref(), query.most);
                Ok(listing(&page, host, "secrets", query, |item| {
                    format!("https://{host}/secrets/{}", item.name)
                }))
            }
            Route::ListVersions { name } => {
                let page = self
                    .engine()
                    .list_versions(admitted, query.after.as_deref(), query.most)
                    .map_err(|failure| refuse(&failure, &name, None))?;
                let path = format!("secrets/{name}/versions");
                Ok(listing(&page, host, &path, query, |item| id(host, item)))
            }
            Route::Get { name, version } => {
                let found = self
                    .engine()
                    .get(admitted, version.as_deref())
                    .map_err(|failure| refuse(&failure, &name, version.as_deref()))?;
                Ok(with_value(&found, host))
            }
            Route::Set { name } => {
                let (value, change) = read_set(body).await?;
                let set = self.engine().set(
                    admitted,
                    &name,
                    new_version_id(),
                    value,
                    change,
                    self.clock.now(),
                );
                Ok(with_value(&set, host))
            }
            Route::Update { name, version } => {
                let change = read_update(body).await?;
                let updated = self
                    .engine()
                    .update(admitted, version.as_deref(), change, self.clock.now())
                    .map_err(|failure| refuse(&failure, &name, version.as_deref()))?;
                Ok(bundle(&updated, &id(host, &updated)))
            }
        }
    }

    async fn admit(&self, caller: &Caller, route: &Route) -> Result<Admitted, Refusal> {
        let scope = match route.name() {
            None => Scope::new([self.resource.as_str()]),
            Some(name) => Scope::new([self.resource.as_str(), "secrets", &self.canonical(name)]),
        };
        let (operation, permission) = route.needs();
        self.gate
            .admit(caller, Operation::at(operation, permission, scope))
            .await
            .map_err(|denied| Refusal::Denied(Box::new(denied), self.host.clone()))
    }
}

fn refuse(failure: &Failure, name: &str, version: Option<&str>) -> Refusal {
    match failure {
        Failure::Disabled => Refusal::Disabled,
        Failure::NotFound => Refusal::NotFound(match version {
            Some(version) => format!("{name}/{version}"),
            None => name.to_owned(),
        }),
    }
}

fn id(host: &str, version: &Version) -> String {
    format!("https://{host}/secrets/{}/{}", version.name, version.id)
}

fn with_value(version: &Version, host: &str) -> Value {
    let mut bundle = bundle(version, &id(host, version));
    bundle["value"] = version.value.expose().into();
    bundle
}

/// A secret without its value, as lists and updates give it.
fn bundle(version: &Version, id: &str) -> Value {
    let mut bundle = json!({
        "id": id,
        "attributes": {
            "enabled": version.details.enabled,
            "created": version.created.unix_timestamp(),
            "updated": version.updated.unix_timestamp(),
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        },
        "tags": version.details.tags,
    });
    if let Some(content_type) = &version.details.content_type {
        bundle["contentType"] = content_type.as_str().into();
    }
    bundle
}

fn listing(
    page: &Page,
    host: &str,
    path: &str,
    query: &Query,
    id: impl Fn(&Version) -> String,
) -> Value {
    let items: Vec<Value> = page
        .items
        .iter()
        .map(|item| bundle(item, &id(item)))
        .collect();
    let next_link = page.next.as_ref().map(|last| {
        let parameters = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("api-version", &query.api_version)
            .append_pair("$skiptoken", &URL_SAFE_NO_PAD.encode(last))
            .append_pair("maxresults", &query.most.to_string())
            .finish();
        format!("https://{host}/{path}?{parameters}")
    });
    json!({ "value": items, "nextLink": next_link })
}
