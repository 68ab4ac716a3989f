//! The token endpoint: a service-account token for an access token, from the
//! request's bytes to the answer's.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use local_cloud::{LocalCloud, names};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::limit::Limit;
use crate::table::Row;
use crate::time::Stopwatch;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(1);

/// The endpoint, and what the frontend's pod sends to it.
pub(crate) struct Endpoint {
    router: axum::Router,
    uri: String,
    form: String,
}

impl Endpoint {
    pub(crate) fn of(cloud: &LocalCloud) -> Result<Self> {
        let projected = "tokens/todolist.frontend/api---AzureADTokenExchange/token";
        let assertion = std::fs::read_to_string(cloud.state_directory().join(projected))
            .context("the frontend's token")?;
        let client = names::client_id("frontend").to_string();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &client)
            .append_pair("scope", "https://vault.azure.net/.default")
            .append_pair(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )
            .append_pair("client_assertion", &assertion)
            .finish();
        Ok(Self {
            router: cloud.token_endpoint(),
            uri: format!("/{}/oauth2/v2.0/token", names::tenant_id()),
            form,
        })
    }

    /// One exchange; the access token.
    pub(crate) async fn exchange(&self) -> Result<String> {
        let request = Request::post(&self.uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::HOST, names::LOGIN_HOST)
            .body(Body::from(self.form.clone()))?;
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status();
        let body = to_bytes(response.into_body(), 64 * 1024).await?;
        let body: Value = serde_json::from_slice(&body)?;
        ensure!(status == StatusCode::OK, "{status}: {body}");
        let token = body["access_token"].as_str();
        Ok(token.context("an access token")?.to_owned())
    }

    /// Exchanges for a while; how often in a second.
    fn per_second(&self, here: &Runtime, time: Duration) -> Result<f64> {
        here.block_on(async {
            let begin = Stopwatch::start();
            let mut done = 0_u32;
            while begin.elapsed() < time {
                self.exchange().await?;
                done += 1;
            }
            Ok(f64::from(done) / begin.elapsed().as_secs_f64())
        })
    }
}

pub(crate) fn measure(here: &Runtime, endpoint: &Endpoint) -> Result<Row> {
    let mut limit = Limit::new()?;
    limit.per_second(ROUND)?;
    endpoint.per_second(here, ROUND)?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let possible = limit.per_second(ROUND)?;
        let done = endpoint.per_second(here, ROUND)?;
        rounds.push((done / possible, done, possible));
    }
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (lowest, highest) = (rounds[0].0, rounds[ROUNDS - 1].0);
    let (ratio, done, possible) = rounds[ROUNDS / 2];
    Ok(Row {
        what: format!(
            "Token exchanges, beside RSA-2048 sign and verify; one thread, the median of {ROUNDS} rounds"
        ),
        measured: format!(
            "{:.0} % ({done:.0}/s beside {possible:.0}/s; rounds {:.0} to {:.0} %)",
            ratio * 100.0,
            lowest * 100.0,
            highest * 100.0
        ),
        wanted: "at least 70 %",
        met: ratio >= 0.7,
    })
}
