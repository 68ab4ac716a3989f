//! Who answers at which listener.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{Planes, StartError};
use crate::control::{self, Control};
use crate::front_door::{self, Routes, send_at_once};
use crate::lab::{Lab, console};
use crate::network::{self, Network, port_of};
use crate::service_bus::ServiceBus;
use crate::state::{Endpoints, StateDirectory};

/// The namespaces behind one AMQP listener.
#[derive(Clone)]
pub(super) struct Buses {
    by_host: BTreeMap<String, Arc<ServiceBus>>,
    /// Where the client names none that is known.
    otherwise: Option<Arc<ServiceBus>>,
}

impl Buses {
    /// One, whatever name it is reached under.
    pub(super) fn one(host: &str, bus: &Arc<ServiceBus>) -> Self {
        Self {
            by_host: BTreeMap::from([(host.to_owned(), Arc::clone(bus))]),
            otherwise: Some(Arc::clone(bus)),
        }
    }

    /// Each under its own name.
    pub(super) fn of(buses: &BTreeMap<String, Arc<ServiceBus>>) -> Self {
        Self {
            by_host: buses.clone(),
            otherwise: None,
        }
    }

    /// The one that the client named when it asked for TLS.
    fn named(&self, host: Option<&str>) -> Option<Arc<ServiceBus>> {
        let by_name = host.and_then(|host| self.by_host.get(host));
        by_name.or(self.otherwise.as_ref()).map(Arc::clone)
    }
}

pub(super) async fn serve_buses(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    buses: Buses,
) {
    front_door::accept_tls(listener, tls, move |stream| {
        let bus = buses.named(stream.get_ref().1.server_name());
        async move {
            if let Some(bus) = bus {
                bus.serve(stream).await;
            } else {
                tracing::warn!("an AMQP client named no namespace that is played");
            }
        }
    })
    .await;
}

/// Serves everything under its real name, at Azure's own ports of an address.
pub(super) async fn serve_names(
    address: IpAddr,
    planes: BTreeMap<String, Router>,
    buses: Buses,
    tls: &Arc<rustls::ServerConfig>,
) -> Result<[AbortOnDropHandle<()>; 2], StartError> {
    let (https, amqps) = network::real_ports(address).await?;
    let routes = Routes::by_host(planes);
    let planes = front_door::serve_tls(https, Arc::clone(tls), routes);
    Ok([
        spawn(planes),
        spawn(serve_buses(amqps, Arc::clone(tls), buses)),
    ])
}

/// Serves all planes on one listener by their names, and each on a port of its own.
pub(super) async fn serve_planes(
    listener: TcpListener,
    planes: BTreeMap<String, Router>,
    tls: &Arc<rustls::ServerConfig>,
    endpoints: &mut Endpoints,
) -> Result<Vec<AbortOnDropHandle<()>>, StartError> {
    let serve = |listener, routes| {
        let serving = front_door::serve_tls(listener, Arc::clone(tls), routes);
        spawn(serving)
    };
    let mut serving = Vec::new();
    for (host, plane) in &planes {
        let local = network::loopback().await?;
        endpoints.add_plane(host, port_of(&local));
        serving.push(serve(local, Routes::all_to(plane.clone())));
    }
    serving.push(serve(listener, Routes::by_host(planes)));
    Ok(serving)
}

pub(super) async fn serve_control(
    network: &Network,
    planes: Arc<Planes>,
    lab: Lab,
    state: &StateDirectory,
    endpoints: &mut Endpoints,
) -> Result<AbortOnDropHandle<()>, StartError> {
    let listener = network::bind(network.control).await?;
    let address = network::from_this_machine(&listener);
    let token = state
        .write_control_token()
        .map_err(StartError::setup("the control token"))?;
    endpoints.control = format!("http://{address}/");
    let router: Router = control::router(Control {
        planes,
        address,
        token: token.into(),
        lab,
    });
    Ok(spawn(async move {
        if let Err(error) =
            axum::serve(listener.tap_io(|socket| send_at_once(socket)), router).await
        {
            tracing::error!(%error, "the control API ended");
        }
    }))
}

/// The lab console, and its address with the key.
pub(super) async fn serve_console(
    network: &Network,
    lab: Lab,
    state: &StateDirectory,
) -> Result<(AbortOnDropHandle<()>, String), StartError> {
    let listener = network::bind(network.console).await?;
    let address = network::from_this_machine(&listener);
    let (key, with_key) = state
        .write_console(address)
        .map_err(StartError::setup("the lab console's key"))?;
    let router = console::router(lab, address, key.into());
    let serving = spawn(async move {
        if let Err(error) =
            axum::serve(listener.tap_io(|socket| send_at_once(socket)), router).await
        {
            tracing::error!(%error, "the lab console ended");
        }
    });
    Ok((serving, with_key))
}

pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(future))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Resource;
    use crate::testing::Fixture;

    #[tokio::test]
    async fn under_the_real_names_a_client_reaches_the_namespace_that_it_names_and_no_other() {
        let fixture = Fixture::new();
        let Resource::ServiceBus(spec) = fixture.resource("bus") else {
            panic!("`bus` is a Service Bus namespace");
        };
        let bus = |name: &str| {
            let host = format!("{name}.servicebus.windows.net");
            let (gate, clock) = (fixture.gate.clone(), fixture.clock.clone());
            (
                host.clone(),
                ServiceBus::new(name, host, spec, gate, clock, None),
            )
        };
        let all = BTreeMap::from([bus("one"), bus("other")]);

        let buses = Buses::of(&all);
        for (host, bus) in &all {
            let named = buses.named(Some(host)).expect("it is played");
            assert!(Arc::ptr_eq(&named, bus), "{host}");
        }
        assert!(
            buses
                .named(Some("elsewhere.servicebus.windows.net"))
                .is_none()
        );
        assert!(buses.named(None).is_none());
    }
}
