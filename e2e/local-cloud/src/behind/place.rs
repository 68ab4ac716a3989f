//! Where the emulator of a resource is, as the command line says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::{Host, Url};

/// Which emulator holds a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The resource's name in the access model.
    pub resource: String,
    /// Where the emulator is: on this machine.
    pub url: Url,
    /// The file of the certificates that vouch for it, PEM; those of the system if
    /// there is none.
    pub ca: Option<PathBuf>,
}

impl Behind {
    /// Whether it is on this machine or in its network of containers: nothing of the
    /// caller's leaves the machine, or the network of containers.
    pub(super) fn is_near(&self) -> bool {
        // Of a scheme that it does not know, `Url` takes every host for a name.
        match self.url.host_str().map(Host::parse) {
            Some(Ok(Host::Ipv4(address))) => address.is_loopback() || address.is_private(),
            Some(Ok(Host::Ipv6(address))) => address.is_loopback(),
            Some(Ok(Host::Domain(domain))) => domain == "localhost" || !domain.contains('.'),
            Some(Err(_)) | None => false,
        }
    }
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.resource, self.url)?;
        match &self.ca {
            Some(file) => write!(f, ",ca={}", file.display()),
            None => Ok(()),
        }
    }
}

impl FromStr for Behind {
    type Err = String;

    /// Reads `RESOURCE=URL[,ca=FILE]`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (resource, rest) = text
            .split_once('=')
            .ok_or("this is RESOURCE=URL[,ca=FILE], such as storage=http://127.0.0.1:10000/devstoreaccount1")?;
        let (url, ca) = match rest.split_once(",ca=") {
            Some((url, file)) => (url, Some(PathBuf::from(file))),
            None => (rest, None),
        };
        let mut url = Url::parse(url).map_err(|error| format!("`{url}` is no URL: {error}"))?;
        let is_known = matches!(url.scheme(), "http" | "https" | "amqp");
        if !is_known || url.query().is_some() {
            return Err(format!(
                "`{url}` is no http, https or amqp URL without a query"
            ));
        }
        if url.scheme() == "amqp" && ca.is_some() {
            return Err(format!("`{url}` is without TLS, so nobody vouches for it"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self {
            resource: resource.to_owned(),
            url,
            ca,
        })
    }
}
