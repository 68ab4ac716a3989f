//! Where the local cloud listens.
//!
//! By default on loopback alone: the planes each at a port of its own and, under
//! their real names, behind the proxy. In a network of containers, where the real
//! names lead to it, it serves them at Azure's own ports, and there is no proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::cloud::StartError;

/// The port of every plane that speaks HTTP.
const HTTPS: u16 = 443;

/// The port of Service Bus for AMQP over TLS (OASIS AMQP 1.0, section 5.2).
const AMQPS: u16 = 5671;

/// Any free port of loopback.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Where the local cloud listens.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Where the planes are served under their real names, at ports 443 and 5671:
    /// for clients whose resolver leads there. Pods then get no proxy.
    pub names: Option<IpAddr>,
    /// The proxy, for clients that know the real names only through it.
    pub proxy: SocketAddr,
    /// The control API. It answers to `localhost` and `127.0.0.1` at this port only,
    /// so a container publishes it at the same port.
    pub control: SocketAddr,
    /// The lab console; the same holds for it.
    pub console: SocketAddr,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            names: None,
            proxy: LOOPBACK,
            control: LOOPBACK,
            console: LOOPBACK,
        }
    }
}

/// Any free port of loopback.
pub(crate) async fn loopback() -> Result<TcpListener, StartError> {
    bind(LOOPBACK).await
}

/// Listens; the error names the address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })
}

/// The listeners for HTTPS and for AMQP under the real names.
pub(crate) async fn real_ports(address: IpAddr) -> Result<(TcpListener, TcpListener), StartError> {
    let https = bind(SocketAddr::new(address, HTTPS)).await?;
    let amqps = bind(SocketAddr::new(address, AMQPS)).await?;
    Ok((https, amqps))
}

/// The port of a listener.
pub(crate) fn port_of(listener: &TcpListener) -> u16 {
    let address = listener.local_addr();
    address.expect("a bound socket has an address").port()
}

/// Where a listener is for a program on this machine, whatever it is bound to.
pub(crate) fn from_this_machine(listener: &TcpListener) -> SocketAddr {
    SocketAddr::new(LOOPBACK.ip(), port_of(listener))
}
