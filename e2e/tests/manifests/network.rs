//! Which way pods may go. What they need follows from the access model, by hand here:
//! a token of Entra ID and the services by https, Service Bus by AMQP over TLS, and
//! the calls between them. What they may follows from the network policies. The two
//! have to be the same, to the last port.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::objects::{self, NAMESPACE, Objects, Pods, in_namespace, selects};
use crate::{Mistake, each_is_found, mistake, none, trial};

/// Anywhere but where a pod would get the node's identity: the metadata endpoint and
/// Azure's platform address.
pub(crate) const OUTSIDE: &str = "0.0.0.0/0 but 168.63.129.16/32 169.254.169.254/32";

pub(crate) const DNS: &str =
    "namespace[kubernetes.io/metadata.name=kube-system] pods[k8s-app=kube-dns]";

const MISTAKES: [Mistake; 12] = [
    mistake(
        "podSelector: {}\n  policyTypes: [Ingress, Egress]",
        "podSelector: {}\n  policyTypes: [Egress]",
        "frontend: what comes in is not denied",
    ),
    mistake(
        "podSelector: {}\n  policyTypes: [Ingress, Egress]",
        "podSelector:\n    matchLabels:\n      app.kubernetes.io/name: backend\n  policyTypes: [Ingress, Egress]",
        "worker: what comes in is not denied",
    ),
    mistake(
        "port: 443",
        "port: 80",
        "too much: worker -> 0.0.0.0/0 but 168.63.129.16/32 169.254.169.254/32 80/TCP",
    ),
    mistake(
        "port: 443",
        "port: 1\n          endPort: 65535",
        "too much: backend -> 0.0.0.0/0 but 168.63.129.16/32 169.254.169.254/32 1-65535/TCP",
    ),
    mistake(
        "port: 5671",
        "port: 5672",
        "missing: frontend -> 0.0.0.0/0 but 168.63.129.16/32 169.254.169.254/32 5671/TCP",
    ),
    mistake(
        "            except: [169.254.169.254/32, 168.63.129.16/32]\n",
        "",
        "too much: worker -> 0.0.0.0/0 443/TCP",
    ),
    mistake(
        "values: [frontend, backend, worker]",
        "values: [frontend, backend]",
        "missing: worker -> 0.0.0.0/0 but",
    ),
    mistake(
        "      ports:\n        - protocol: TCP\n          port: 443\n",
        "",
        "any port",
    ),
    mistake(
        "k8s-app: kube-dns",
        "k8s-app: dns",
        "missing: backend -> namespace[kubernetes.io/metadata.name=kube-system] pods[k8s-app=kube-dns] 53/UDP",
    ),
    mistake(
        "          podSelector:\n            matchLabels:\n              k8s-app: kube-dns\n",
        "",
        "too much: worker -> namespace[kubernetes.io/metadata.name=kube-system] 53/UDP",
    ),
    mistake(
        "  ingress:\n    - from:\n        - podSelector:\n            matchLabels:\n              app.kubernetes.io/name: frontend",
        "  ingress:\n    - from:\n        - podSelector: {}",
        "too much: backend <- worker 8080/TCP",
    ),
    mistake(
        "          port: 8080\n---",
        "          port: 9090\n---",
        "too much: frontend -> backend 9090/TCP",
    ),
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("network", "pods may go exactly where they need to", || {
            none(&problems(&Objects::parse(&objects::base()?)?, &[]))
        }),
        trial(
            "network",
            "a policy that is too wide or too narrow is found",
            || {
                each_is_found(&objects::base()?, &MISTAKES, |objects| {
                    problems(objects, &[])
                })
            },
        ),
    ]
}

/// Where needs and policies differ; some ways more are needed by a component.
pub(crate) fn problems(objects: &Objects, more: &[String]) -> Vec<String> {
    compare(objects, more).unwrap_or_else(|error| vec![format!("{error:#}")])
}

fn compare(objects: &Objects, more: &[String]) -> Result<Vec<String>> {
    let pods: Vec<Pods> = objects.pods()?;
    let policies: Vec<NetworkPolicy> = objects.of("NetworkPolicy")?;
    let mut needed = needed(objects, &pods)?;
    needed.extend(more.iter().cloned());
    let allowed = allowed(&pods, &policies)?;
    let mut problems = Vec::new();
    for pod in pods.iter().filter(|pod| pod.namespace == NAMESPACE) {
        for (direction, what) in [("Ingress", "comes in"), ("Egress", "goes out")] {
            if !policies
                .iter()
                .any(|policy| isolates(policy, pod, direction))
            {
                problems.push(format!("{}: what {what} is not denied", pod.name));
            }
        }
    }
    problems.extend(
        needed
            .difference(&allowed)
            .map(|way| format!("missing: {way}")),
    );
    problems.extend(
        allowed
            .difference(&needed)
            .map(|way| format!("too much: {way}")),
    );
    Ok(problems)
}

/// What the pods need by the access model.
fn needed(objects: &Objects, pods: &[Pods]) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(e2e::default_model())?;
    let model: Value = serde_json::from_str(&text)?;
    let mut needed = BTreeSet::new();
    for pod in pods.iter().filter(|pod| pod.namespace == NAMESPACE) {
        let name = &pod.name;
        // A token is asked for at Entra ID, whatever it is for.
        needed.insert(format!("{name} -> {OUTSIDE} 443/TCP"));
        needed.extend(["TCP", "UDP"].map(|protocol| format!("{name} -> {DNS} 53/{protocol}")));
        let account = pod.spec.service_account_name.as_deref();
        let grants = model["grants"].as_array().context("grants")?.iter();
        for grant in grants.filter(|grant| grant["identity"].as_str() == account) {
            let scope = grant["scope"].as_str().context("a scope")?;
            let resource = scope.split('/').next().unwrap_or_default();
            let port = match model["resources"][resource]["type"].as_str() {
                Some("keyVault" | "cosmos" | "storage") => 443,
                Some("serviceBus") => 5671,
                other => anyhow::bail!("nobody said how pods reach a {other:?}"),
            };
            needed.insert(format!("{name} -> {OUTSIDE} {port}/TCP"));
        }
    }
    for call in model["calls"].as_array().context("calls")? {
        let name = |end: &str| call[end].as_str().context("a name");
        let (from, to) = (name("from")?, name("to")?);
        let port = port_of(objects, pods, to)?;
        needed.insert(format!("{from} -> {to} {port}/TCP"));
        needed.insert(format!("{to} <- {from} {port}/TCP"));
    }
    Ok(needed)
}

/// The port of the pods behind a Service.
fn port_of(objects: &Objects, pods: &[Pods], service: &str) -> Result<i32> {
    let services: Vec<Service> = objects.of("Service")?;
    let mut services = services
        .into_iter()
        .filter(|one| one.metadata.name.as_deref() == Some(service));
    let spec = services
        .next()
        .and_then(|one| one.spec)
        .context("a Service")?;
    let ports = spec.ports.unwrap_or_default();
    let [port] = &ports[..] else {
        anyhow::bail!("{service} has {} ports", ports.len());
    };
    match port.target_port.as_ref() {
        Some(IntOrString::Int(number)) => Ok(*number),
        Some(IntOrString::String(name)) => {
            let pod = pods
                .iter()
                .find(|pod| pod.name == service)
                .context("its pods")?;
            let ports = pod
                .spec
                .containers
                .iter()
                .flat_map(|one| one.ports.iter().flatten());
            let mut named = ports.filter(|one| one.name.as_ref() == Some(name));
            named
                .next()
                .map(|one| one.container_port)
                .context("the named port")
        }
        None => Ok(port.port),
    }
}

/// Every way that the policies leave to the pods of the workload.
pub(crate) fn open(objects: &Objects) -> Result<BTreeSet<String>> {
    let policies: Vec<NetworkPolicy> = objects.of("NetworkPolicy")?;
    allowed(&objects.pods()?, &policies)
}

fn allowed(pods: &[Pods], policies: &[NetworkPolicy]) -> Result<BTreeSet<String>> {
    let mut allowed = BTreeSet::new();
    for pod in pods.iter().filter(|pod| pod.namespace == NAMESPACE) {
        for policy in policies.iter().filter(|policy| is_for(policy, pod)) {
            let spec = policy.spec.as_ref().context("a spec")?;
            for rule in spec.egress.iter().flatten() {
                let ways = ways(rule.to.as_deref(), rule.ports.as_deref(), pods);
                allowed.extend(ways.map(|way| format!("{} -> {way}", pod.name)));
            }
            for rule in spec.ingress.iter().flatten() {
                let ways = ways(rule.from.as_deref(), rule.ports.as_deref(), pods);
                allowed.extend(ways.map(|way| format!("{} <- {way}", pod.name)));
            }
        }
    }
    Ok(allowed)
}

fn is_for(policy: &NetworkPolicy, pod: &Pods) -> bool {
    let selector = policy
        .spec
        .as_ref()
        .and_then(|spec| spec.pod_selector.as_ref());
    in_namespace(policy.metadata.namespace.clone()) == pod.namespace
        && selector.is_none_or(|selector| selects(selector, &pod.labels))
}

fn isolates(policy: &NetworkPolicy, pod: &Pods, direction: &str) -> bool {
    let types = policy
        .spec
        .as_ref()
        .and_then(|spec| spec.policy_types.as_ref());
    is_for(policy, pod) && types.is_some_and(|types| types.iter().any(|one| one == direction))
}

/// Each peer with each port of a rule, in words.
fn ways(
    peers: Option<&[NetworkPolicyPeer]>,
    ports: Option<&[NetworkPolicyPort]>,
    pods: &[Pods],
) -> impl Iterator<Item = String> {
    let peers = match peers {
        None | Some([]) => vec!["anybody".to_owned()],
        Some(peers) => peers.iter().flat_map(|peer| names(peer, pods)).collect(),
    };
    let ports = match ports {
        None | Some([]) => vec!["any port".to_owned()],
        Some(ports) => ports.iter().map(in_words).collect(),
    };
    peers.into_iter().flat_map(move |peer| {
        ports
            .clone()
            .into_iter()
            .map(move |port| format!("{peer} {port}"))
    })
}

fn in_words(port: &NetworkPolicyPort) -> String {
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let number = match &port.port {
        None => "any port".to_owned(),
        Some(IntOrString::Int(number)) => number.to_string(),
        Some(IntOrString::String(name)) => name.clone(),
    };
    match port.end_port {
        Some(end) => format!("{number}-{end}/{protocol}"),
        None => format!("{number}/{protocol}"),
    }
}

/// Who a peer is: pods of the workload by their names, others by their selectors.
fn names(peer: &NetworkPolicyPeer, pods: &[Pods]) -> Vec<String> {
    let labels = |selector: &LabelSelector| {
        let labels = selector.match_labels.iter().flatten();
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        labels.join(",")
    };
    if let Some(block) = &peer.ip_block {
        let mut except = block.except.clone().unwrap_or_default();
        except.sort();
        return vec![match &except[..] {
            [] => block.cidr.clone(),
            except => format!("{} but {}", block.cidr, except.join(" ")),
        }];
    }
    match (&peer.namespace_selector, &peer.pod_selector) {
        (None, Some(selector)) => {
            let own = pods.iter().filter(|pod| pod.namespace == NAMESPACE);
            let selected = own.filter(|pod| selects(selector, &pod.labels));
            selected.map(|pod| pod.name.clone()).collect()
        }
        (Some(namespace), Some(selector)) => {
            vec![format!(
                "namespace[{}] pods[{}]",
                labels(namespace),
                labels(selector)
            )]
        }
        (Some(namespace), None) => vec![format!("namespace[{}]", labels(namespace))],
        (None, None) => vec!["anybody".to_owned()],
    }
}
