//! A Service in front of several pods: a stand-in for kube-proxy on one machine.
//! It passes each connection on to the next pod that is ready, as bytes.
//!
//! Readiness is what the kubelet of the harness says. A pod that refuses a
//! connection is passed over, where kube-proxy would let the client see the
//! refusal until the kubelet has noticed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::running_pod::Condition;

/// A pod behind a Service.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// What the kubelet says about it.
    pub(crate) condition: watch::Receiver<Condition>,
}

/// A running Service; dropping it ends its connections.
pub(crate) struct Service {
    address: SocketAddr,
    pods: Arc<Pods>,
    _accepting: JoinSet<()>,
}

/// Whom connections are passed on to.
struct Pods {
    endpoints: Vec<Endpoint>,
    next: AtomicUsize,
}

impl Service {
    /// Listens on a port of loopback; 0 is any.
    pub(crate) async fn start(port: u16, endpoints: Vec<Endpoint>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let pods = Arc::new(Pods {
            endpoints,
            next: AtomicUsize::new(0),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&pods)));
        Ok(Self {
            address,
            pods,
            _accepting: accepting,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until every pod is ready.
    pub(crate) async fn until_all_ready(&self) {
        for endpoint in &self.pods.endpoints {
            // It can only be closed by the end of the whole workload.
            let mut condition = endpoint.condition.clone();
            drop(condition.wait_for(|condition| condition.ready).await);
        }
    }
}

impl Pods {
    /// Connects to the next pod that is ready and takes the connection.
    async fn connect(&self) -> Option<TcpStream> {
        let count = self.endpoints.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for number in (first..first + count).map(|turn| turn % count) {
            let ready = self.endpoints[number].condition.borrow().ready;
            if ready && let Ok(pod) = TcpStream::connect(self.endpoints[number].address).await {
                return Some(pod);
            }
        }
        None
    }
}

async fn accept(listener: TcpListener, pods: Arc<Pods>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(forward(client, Arc::clone(&pods)));
        while connections.try_join_next().is_some() {}
    }
}

/// Passes bytes on in both directions; either may end before the other.
async fn forward(mut client: TcpStream, pods: Arc<Pods>) {
    let Some(mut pod) = pods.connect().await else {
        tracing::debug!("no pod takes the connection");
        return;
    };
    let nodelay = client.set_nodelay(true).and(pod.set_nodelay(true));
    let passed = match nodelay {
        Ok(()) => copy_bidirectional(&mut client, &mut pod).await,
        Err(error) => Err(error),
    };
    if let Err(error) = passed {
        tracing::debug!(%error, "a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A pod that reads to the end of what it is sent, and then answers with its
    /// name.
    struct Pod {
        endpoint: Endpoint,
        condition: watch::Sender<Condition>,
        _tasks: JoinSet<()>,
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("bound");
        (listener, address)
    }

    impl Pod {
        async fn named(name: &'static str) -> Self {
            let (listener, address) = listener().await;
            let (condition, seen) = watch::channel(Condition::ready(true));
            let mut tasks = JoinSet::new();
            tasks.spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    let mut said = String::new();
                    connection.read_to_string(&mut said).await.expect("text");
                    let answer = format!("{name} heard {said}");
                    connection
                        .write_all(answer.as_bytes())
                        .await
                        .expect("written");
                }
            });
            Self {
                endpoint: Endpoint {
                    address,
                    condition: seen,
                },
                condition,
                _tasks: tasks,
            }
        }
    }

    async fn service(pods: &[&Pod]) -> Service {
        let endpoints = pods.iter().map(|pod| pod.endpoint.clone()).collect();
        let service = Service::start(0, endpoints).await;
        let service = service.expect("a port");
        service.until_all_ready().await;
        service
    }

    /// Says something, closes this direction, and reads the answer to its end.
    async fn ask(service: &Service) -> String {
        let mut connection = TcpStream::connect(service.address())
            .await
            .expect("connected");
        let mut answer = String::new();
        connection.write_all(b"hello").await.expect("written");
        connection.shutdown().await.expect("half closed");
        connection
            .read_to_string(&mut answer)
            .await
            .expect("an end");
        answer
    }

    #[tokio::test]
    async fn connections_go_to_the_pods_in_turn_and_may_be_closed_by_halves() {
        let (one, two) = (Pod::named("one").await, Pod::named("two").await);
        let service = service(&[&one, &two]).await;

        let answers = [
            ask(&service).await,
            ask(&service).await,
            ask(&service).await,
        ];

        assert_eq!(
            answers,
            ["one heard hello", "two heard hello", "one heard hello"]
        );
    }

    #[tokio::test]
    async fn a_pod_that_is_not_ready_gets_no_connection_until_it_is() {
        let (one, two) = (Pod::named("one").await, Pod::named("two").await);
        let service = service(&[&one, &two]).await;

        one.condition.send_replace(Condition::ready(false));
        let answers = [ask(&service).await, ask(&service).await];
        assert_eq!(answers, ["two heard hello", "two heard hello"]);

        one.condition.send_replace(Condition::ready(true));
        service.until_all_ready().await;
        let mut answers = [ask(&service).await, ask(&service).await];
        answers.sort();
        assert_eq!(answers, ["one heard hello", "two heard hello"]);
    }

    #[tokio::test]
    async fn a_pod_that_refuses_the_connection_is_passed_over() {
        let (mut one, two) = (Pod::named("one").await, Pod::named("two").await);
        let (closed, address) = listener().await;
        drop(closed);
        one.endpoint.address = address;
        let service = service(&[&one, &two]).await;

        let answers = [ask(&service).await, ask(&service).await];

        assert_eq!(answers, ["two heard hello", "two heard hello"]);
    }

    #[tokio::test]
    async fn without_a_ready_pod_the_connection_ends() {
        let one = Pod::named("one").await;
        let service = service(&[&one]).await;
        one.condition.send_replace(Condition::ready(false));

        let mut connection = TcpStream::connect(service.address())
            .await
            .expect("connected");
        let mut answer = Vec::new();
        let read = connection.read_to_end(&mut answer).await;

        assert!(matches!(read, Ok(0) | Err(_)), "{read:?} {answer:?}");
    }
}
