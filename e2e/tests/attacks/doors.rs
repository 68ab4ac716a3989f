//! The doors: which token is the good one there, how one is presented, and what
//! is answered.

use anyhow::{Context as _, Result, bail};
use e2e::control::Control;
use local_cloud::control::Issuer;
use local_cloud::{EXCHANGE_AUDIENCE, Endpoints, TokenRequest, names};
use reqwest::Response;
use serde_json::Value;

use crate::amqp::{self, Bus};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    TokenEndpoint,
    KeyVault,
    Blob,
    Cosmos,
    ServiceBus,
    Graph,
    Backend,
}

pub(crate) const ALL: [Door; 7] = [
    Door::TokenEndpoint,
    Door::KeyVault,
    Door::Blob,
    Door::Cosmos,
    Door::ServiceBus,
    Door::Graph,
    Door::Backend,
];

/// What a door does with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It opens.
    Open,
    /// It stays shut, for the reason with this code: an AADSTS code, what the gate
    /// writes into the audit, or the backend's.
    Shut(String),
    /// What is sent is too long to be read at all (HTTP 431).
    Unread,
}

/// What was answered, and how.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Where the doors are.
pub(crate) struct Town {
    pub(crate) control: Control,
    pub(crate) endpoints: Endpoints,
    pub(crate) ca: Vec<u8>,
    /// Through the cloud's proxy, with its CA.
    pub(crate) azure: reqwest::Client,
    /// To this machine.
    pub(crate) local: reqwest::Client,
    pub(crate) backend: String,
}

impl Door {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TokenEndpoint => "token endpoint",
            Self::KeyVault => "Key Vault",
            Self::Blob => "Blob Storage",
            Self::Cosmos => "Cosmos DB",
            Self::ServiceBus => "Service Bus",
            Self::Graph => "Microsoft Graph",
            Self::Backend => "backend",
        }
    }

    /// Who signs the tokens that it takes.
    pub(crate) fn issuer(self) -> Issuer {
        match self {
            Self::TokenEndpoint | Self::Backend => Issuer::Cluster,
            _ => Issuer::Entra,
        }
    }

    /// The resource whose tokens it takes, if it is one.
    fn resource(self) -> Option<&'static str> {
        match self {
            Self::KeyVault => Some("https://vault.azure.net"),
            Self::Blob => Some("https://storage.azure.com"),
            Self::Cosmos => Some("https://cosmos.azure.com"),
            Self::ServiceBus => Some("https://servicebus.azure.net"),
            Self::Graph => Some("https://graph.microsoft.com"),
            Self::TokenEndpoint | Self::Backend => None,
        }
    }

    /// What it calls itself in the audit; the backend is not part of the cloud.
    pub(crate) fn in_audit(self) -> Option<&'static str> {
        match self {
            Self::TokenEndpoint => Some("entra"),
            Self::KeyVault => Some("key vault"),
            Self::Blob => Some("blob"),
            Self::Cosmos => Some("cosmos"),
            Self::ServiceBus => Some("service bus"),
            Self::Graph => Some("graph"),
            Self::Backend => None,
        }
    }

    /// The frontend's good token for this door.
    pub(crate) async fn good_token(self, town: &Town) -> Result<String> {
        match self.resource() {
            Some(resource) => town.access_token(resource).await,
            None if self == Self::Backend => town.service_account("todolist-backend").await,
            None => town.service_account(EXCHANGE_AUDIENCE).await,
        }
    }

    /// Presents a token, for something that the frontend may do.
    pub(crate) async fn present(self, town: &Town, token: &str) -> Result<Answered> {
        match self {
            Self::TokenEndpoint => {
                Answered::of(town.exchange("https://vault.azure.net", token).await?).await
            }
            Self::KeyVault => {
                let url =
                    "https://localvault.vault.azure.net/secrets/session-key?api-version=2025-07-01";
                let request = town.azure.get(url).bearer_auth(token);
                Answered::of(request.send().await?).await
            }
            Self::Blob => {
                let url = "https://localstorage.blob.core.windows.net/attachments?restype=container&comp=list";
                let request = town.azure.get(url).bearer_auth(token);
                let request = request.header("x-ms-version", "2026-04-06");
                Answered::of(request.send().await?).await
            }
            Self::Cosmos => {
                let url = "https://localcosmos.documents.azure.com/dbs/todolist/colls/activity";
                let authorization = format!("type%3Daad%26ver%3D1.0%26sig%3D{token}");
                let request = town.azure.get(url).header("authorization", authorization);
                let request = request.header("x-ms-version", "2020-07-15");
                Answered::of(request.send().await?).await
            }
            Self::ServiceBus => put_token(town, token).await,
            Self::Graph => {
                let id = names::client_id("frontend");
                let url =
                    format!("https://graph.microsoft.com/v1.0/servicePrincipals(appId='{id}')");
                let request = town.azure.get(url).bearer_auth(token);
                Answered::of(request.send().await?).await
            }
            Self::Backend => {
                let url = format!("{}/api/v1/lists", town.backend);
                Answered::of(town.local.get(url).bearer_auth(token).send().await?).await
            }
        }
    }

    /// What an answer means, with the code that the audit has for it.
    pub(crate) fn meaning(self, answered: &Answered, audited: Option<&str>) -> Result<Answer> {
        let Answered { status, body } = answered;
        if *status == 431 {
            return Ok(Answer::Unread);
        }
        if (200..300).contains(status) {
            return Ok(Answer::Open);
        }
        let json = || serde_json::from_str::<Value>(body).context("no JSON");
        let code = match self {
            Self::TokenEndpoint => {
                let codes = json()?["error_codes"].clone();
                codes[0].as_u64().context("error_codes")?.to_string()
            }
            Self::Backend => {
                let code = json()?["code"].as_str().context("a code")?.to_owned();
                let expected = match code.as_str() {
                    "caller_forbidden" => 403,
                    _ => 401,
                };
                if *status != expected {
                    bail!("{code} with the status {status}");
                }
                code
            }
            _ if *status == 401 => audited.unwrap_or("nothing in the audit").to_owned(),
            _ => format!("the status {status}"),
        };
        Ok(Answer::Shut(code))
    }
}

/// Puts a token for a queue that the frontend may send to. A refused one leaves
/// no link open to who put it.
async fn put_token(town: &Town, token: &str) -> Result<Answered> {
    const QUEUE: &str = "attachment-jobs";
    let address = &town.endpoints.amqp[amqp::NAMESPACE];
    let mut bus = Bus::connect(address, &town.ca).await;
    let (status, body) = bus.put_token("jwt", token, QUEUE).await;
    let attached = bus.attach_sender(QUEUE).await.is_ok();
    if attached != (status == 202) {
        bail!("the token was answered with {status}, and a link opens: {attached}");
    }
    let status = u16::try_from(status)?;
    Ok(Answered { status, body })
}

impl Answered {
    async fn of(response: Response) -> Result<Self> {
        let status = response.status().as_u16();
        let body = response.text().await?;
        Ok(Self { status, body })
    }
}

impl Town {
    pub(crate) async fn service_account(&self, audience: &str) -> Result<String> {
        let request = TokenRequest {
            namespace: "todolist".to_owned(),
            service_account: "frontend".to_owned(),
            audience: audience.to_owned(),
            lifetime_seconds: 3600,
            age_seconds: 0,
        };
        self.control.sign_token(&request).await
    }

    async fn access_token(&self, resource: &str) -> Result<String> {
        let assertion = self.service_account(EXCHANGE_AUDIENCE).await?;
        let answer: Value = self.exchange(resource, &assertion).await?.json().await?;
        let token = answer["access_token"].as_str();
        Ok(token.with_context(|| answer.to_string())?.to_owned())
    }

    async fn exchange(&self, resource: &str, assertion: &str) -> Result<Response> {
        let (host, tenant) = (names::LOGIN_HOST, names::tenant_id());
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", names::client_id("frontend").to_string()),
            ("scope", format!("{resource}/.default")),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_assertion", assertion.to_owned()),
        ];
        let url = format!("https://{host}/{tenant}/oauth2/v2.0/token");
        Ok(self.azure.post(url).form(&form).send().await?)
    }

    /// The key that an issuer signs with now: the last one that it publishes.
    pub(crate) async fn key(&self, issuer: Issuer) -> Result<Value> {
        let base = match issuer {
            Issuer::Cluster => names::cluster_issuer(),
            Issuer::Entra => format!("https://{}/{}/v2.0/", names::LOGIN_HOST, names::tenant_id()),
        };
        let discovery = format!("{base}.well-known/openid-configuration");
        let document: Value = self.azure.get(discovery).send().await?.json().await?;
        let keys = document["jwks_uri"].as_str().context("jwks_uri")?;
        let set: Value = self.azure.get(keys).send().await?.json().await?;
        let keys = set["keys"].as_array().context("keys")?;
        Ok(keys.last().context("a key")?.clone())
    }
}
