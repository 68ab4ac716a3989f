//! Which issuers Entra ID may ask for their keys, and by which way.
//!
//! - The hosts that the local cloud plays, through its own proxy.
//! - External issuers that somebody declared, with the CA that vouches for them
//!   and, where a name does not lead there, their address.
//! - All others by https under a name of the public internet. A name that leads
//!   to loopback or into a private network is not followed: whoever may write a
//!   federated credential could have the cloud ask there otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

mod public;

use public::PublicOnly;

/// How long an issuer may take for one document.
const PATIENCE: Duration = Duration::from_secs(5);

/// An issuer outside of the local cloud whose keys may be fetched, such as the
/// API server of a cluster on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalIssuer {
    /// The issuer, exactly as its tokens name it.
    pub issuer: String,
    /// The certificates that vouch for its server, PEM; those of the system if
    /// there are none.
    #[serde(default)]
    pub ca: Option<String>,
    /// Where its server is, if its name does not lead there.
    #[serde(default)]
    pub address: Option<SocketAddr>,
}

impl FromStr for ExternalIssuer {
    type Err = String;

    /// Reads `URL[,ca=FILE][,address=IP:PORT]`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let mut external = Self {
            issuer: parts.next().unwrap_or_default().to_owned(),
            ca: None,
            address: None,
        };
        for part in parts {
            match part.split_once('=') {
                Some(("ca", file)) => {
                    let pem = std::fs::read_to_string(Path::new(file))
                        .map_err(|error| format!("{file} cannot be read: {error}"))?;
                    external.ca = Some(pem);
                }
                Some(("address", address)) => {
                    let address = address
                        .parse()
                        .map_err(|_| format!("`{address}` is no IP address with a port"))?;
                    external.address = Some(address);
                }
                _ => return Err(format!("`{part}` is neither ca=FILE nor address=IP:PORT")),
            }
        }
        external.url()?;
        Ok(external)
    }
}

impl ExternalIssuer {
    /// The issuer's URL, if the declaration makes sense.
    fn url(&self) -> Result<Url, String> {
        let issuer = &self.issuer;
        if !is_lawful(issuer) {
            return Err(format!(
                "`{issuer}` is no https URL of a host other than loopback, without query and fragment"
            ));
        }
        let url = Url::parse(issuer).map_err(|error| error.to_string())?;
        match (self.address, url.port()) {
            (Some(address), Some(port)) if address.port() != port => Err(format!(
                "the address has port {}, but the issuer's URL says {port}",
                address.port()
            )),
            _ => Ok(url),
        }
    }

    /// A client for this issuer's documents, and nothing else.
    fn client(&self) -> Result<reqwest::Client, String> {
        let url = self.url()?;
        let mut builder = bounded();
        if let Some(pem) = &self.ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| format!("the CA's certificates cannot be read: {error}"))?;
            if certificates.is_empty() {
                return Err("the CA's file has no certificate in it".to_owned());
            }
            builder = builder.tls_certs_only(certificates);
        }
        builder = match (self.address, url.host_str()) {
            (Some(address), Some(host)) => builder.resolve(host, address),
            // A declared issuer may be in a private network.
            _ => builder,
        };
        builder.build().map_err(|error| error.to_string())
    }
}

/// The issuers that may be asked; clones share them.
#[derive(Clone)]
pub(crate) struct Issuers {
    played: reqwest::Client,
    hosts: Arc<BTreeSet<String>>,
    public: Arc<OnceLock<reqwest::Client>>,
    // Held for a lookup or a change only, never across an await.
    declared: Arc<RwLock<BTreeMap<String, Declared>>>,
}

#[derive(Clone)]
struct Declared {
    external: ExternalIssuer,
    client: reqwest::Client,
}

/// How one issuer is asked: with which client, and for which URLs.
#[derive(Clone)]
pub(crate) struct Route {
    client: reqwest::Client,
    address: Option<SocketAddr>,
}

impl Route {
    /// The request for a document, if its URL may be asked at all: https, and a
    /// name rather than an address, unless it is the one that was declared.
    pub(crate) fn get(&self, url: &str) -> Option<reqwest::RequestBuilder> {
        let url = Url::parse(url).ok()?;
        let reachable = match url.host()? {
            Host::Domain(name) => !is_localhost(name),
            Host::Ipv4(ip) => self.is_declared(IpAddr::V4(ip), &url),
            Host::Ipv6(ip) => self.is_declared(IpAddr::V6(ip), &url),
        };
        let plain =
            url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
        (plain && reachable).then(|| self.client.get(url).timeout(PATIENCE))
    }

    fn is_declared(&self, ip: IpAddr, url: &Url) -> bool {
        let port = url.port_or_known_default().unwrap_or_default();
        self.address == Some(SocketAddr::new(ip, port))
    }
}

impl Issuers {
    /// Knows the hosts that are played, and the client by which they are reached.
    pub(crate) fn new(played: reqwest::Client, hosts: impl IntoIterator<Item = String>) -> Self {
        Self {
            played,
            hosts: Arc::new(hosts.into_iter().collect()),
            public: Arc::default(),
            declared: Arc::default(),
        }
    }

    /// Lets an external issuer be asked, in the place of an earlier declaration.
    pub(crate) fn declare(&self, external: ExternalIssuer) -> Result<(), String> {
        let host = external.url()?.host_str().unwrap_or_default().to_owned();
        if self.hosts.contains(&host) {
            return Err(format!("`{host}` is played by the local cloud itself"));
        }
        let client = external.client()?;
        let declared = Declared { external, client };
        let mut all = self
            .declared
            .write()
            .expect("no one panics while holding the issuers");
        all.insert(declared.external.issuer.clone(), declared);
        Ok(())
    }

    /// Takes a declaration back; whether there was one.
    pub(crate) fn withdraw(&self, issuer: &str) -> bool {
        let mut all = self
            .declared
            .write()
            .expect("no one panics while holding the issuers");
        all.remove(issuer).is_some()
    }

    /// The external issuers that were declared.
    pub(crate) fn declared(&self) -> Vec<ExternalIssuer> {
        let all = self
            .declared
            .read()
            .expect("no one panics while holding the issuers");
        all.values().map(|one| one.external.clone()).collect()
    }

    /// How to ask an issuer, whose form is lawful.
    pub(crate) fn route(&self, issuer: &str) -> Result<Route, String> {
        let all = self
            .declared
            .read()
            .expect("no one panics while holding the issuers");
        if let Some(Declared { external, client }) = all.get(issuer) {
            return Ok(Route {
                client: client.clone(),
                address: external.address,
            });
        }
        drop(all);
        let url = Url::parse(issuer).map_err(|error| error.to_string())?;
        let client = if self.hosts.contains(url.host_str().unwrap_or_default()) {
            self.played.clone()
        } else {
            self.public_client()?
        };
        Ok(Route {
            client,
            address: None,
        })
    }

    fn public_client(&self) -> Result<reqwest::Client, String> {
        if let Some(client) = self.public.get() {
            return Ok(client.clone());
        }
        let client = bounded()
            .dns_resolver(Arc::new(PublicOnly))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(self.public.get_or_init(|| client).clone())
    }
}

/// https alone, no proxy, no redirect.
fn bounded() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .https_only(true)
        .no_proxy()
        .redirect(Policy::none())
}

/// Whether Entra ID lets a URL be an issuer: https, not loopback, no query, no
/// fragment (AADSTS70022).
pub(crate) fn is_lawful(issuer: &str) -> bool {
    let Ok(url) = Url::parse(issuer) else {
        return false;
    };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
        None => true,
    };
    url.scheme() == "https" && !loopback && url.query().is_none() && url.fragment().is_none()
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests;
