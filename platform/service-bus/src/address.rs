//! The names by which things are reached: where TCP connects, which node a link attaches to, what
//! a token is presented for.

use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::{ServiceBusErrorKind, SubQueue};

/// AMQP over TLS.
const PORT: u16 = 5671;

/// Where TCP connects, and the name that the certificate must bear.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) server_name: ServerName<'static>,
}

impl Endpoint {
    /// `custom` is `host`, `host:port`, or either with a scheme (`sb://host:port`), as the
    /// official SDKs take it.
    pub(crate) fn new(namespace: &str, custom: Option<&str>) -> Result<Self, ServiceBusErrorKind> {
        let address = custom.unwrap_or(namespace);
        let invalid = |why: &str| ServiceBusErrorKind::InvalidAddress {
            address: address.to_owned(),
            why: why.to_owned(),
        };

        let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
        // `https` makes the parser normalise the host; its default port is never looked at.
        let url = Url::parse(&format!("https://{authority}"))
            .map_err(|error| invalid(&error.to_string()))?;
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(invalid("it has no host")),
        };
        if url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
            return Err(invalid("expected host:port"));
        }
        let server_name =
            ServerName::try_from(host.clone()).map_err(|error| invalid(&error.to_string()))?;
        let port = port_of(authority).unwrap_or(PORT);

        Ok(Self {
            host,
            port,
            server_name,
        })
    }
}

/// The port as written: the URL parser hides the one that is its scheme's default.
fn port_of(authority: &str) -> Option<u16> {
    let authority = authority.trim_end_matches('/');
    let (rest, port) = authority.rsplit_once(':')?;
    // In a bare IPv6 address the last group is no port.
    (!rest.contains(':') || rest.ends_with(']'))
        .then(|| port.parse().ok())
        .flatten()
}

/// A node of the namespace to which links attach: a queue, its dead-letter queue, or the
/// management node of either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entity {
    path: String,
}

impl Entity {
    pub(crate) fn queue(name: &str) -> Self {
        Self {
            path: name.to_owned(),
        }
    }

    pub(crate) fn sub_queue(&self, sub_queue: SubQueue) -> Self {
        match sub_queue {
            SubQueue::None => self.clone(),
            SubQueue::DeadLetter => Self {
                path: format!("{}/$DeadLetterQueue", self.path),
            },
        }
    }

    pub(crate) fn management(&self) -> Self {
        Self {
            path: format!("{}/$management", self.path),
        }
    }

    /// The address of its links, relative to the namespace.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What a token is presented for.
    pub(crate) fn audience(&self, namespace: &str) -> String {
        format!("amqps://{namespace}/{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMESPACE: &str = "localbus.servicebus.windows.net";

    #[test]
    fn a_namespace_alone_is_reached_on_the_amqps_port_under_its_own_name() {
        let endpoint = Endpoint::new(NAMESPACE, None).unwrap();

        assert_eq!((endpoint.host.as_str(), endpoint.port), (NAMESPACE, 5671));
        assert_eq!(endpoint.server_name.to_str(), NAMESPACE);
    }

    #[test]
    fn a_custom_endpoint_replaces_host_port_and_tls_name() {
        for custom in [
            "127.0.0.1:15671",
            "sb://127.0.0.1:15671",
            "sb://127.0.0.1:15671/",
        ] {
            let endpoint = Endpoint::new(NAMESPACE, Some(custom)).unwrap();

            assert_eq!(
                (endpoint.host.as_str(), endpoint.port),
                ("127.0.0.1", 15671)
            );
            assert_eq!(endpoint.server_name.to_str(), "127.0.0.1");
        }
    }

    #[test]
    fn a_custom_endpoint_keeps_port_443_and_defaults_to_5671() {
        assert_eq!(
            Endpoint::new(NAMESPACE, Some("bus.test:443")).unwrap().port,
            443
        );
        assert_eq!(
            Endpoint::new(NAMESPACE, Some("bus.test")).unwrap().port,
            5671
        );
        assert_eq!(Endpoint::new(NAMESPACE, Some("[::1]:9")).unwrap().port, 9);
        assert_eq!(Endpoint::new(NAMESPACE, Some("[::1]")).unwrap().port, 5671);
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for wrong in ["", "bus.test:port", "bus.test/queue", "user@bus.test"] {
            let error = Endpoint::new(NAMESPACE, Some(wrong)).unwrap_err();

            let ServiceBusErrorKind::InvalidAddress { address, .. } = error else {
                panic!("{wrong}: {error}");
            };
            assert_eq!(address, wrong);
        }
    }

    #[test]
    fn each_node_has_its_path_and_its_audience() {
        let queue = Entity::queue("todo-events");
        let dead_letters = queue.sub_queue(SubQueue::DeadLetter);

        assert_eq!(queue.sub_queue(SubQueue::None), queue);
        assert_eq!(queue.management().path(), "todo-events/$management");
        assert_eq!(dead_letters.path(), "todo-events/$DeadLetterQueue");
        assert_eq!(
            dead_letters.management().audience(NAMESPACE),
            "amqps://localbus.servicebus.windows.net/todo-events/$DeadLetterQueue/$management"
        );
    }
}
