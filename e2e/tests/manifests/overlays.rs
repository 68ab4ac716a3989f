//! The overlays, as Kustomize renders them: they keep what the base promises, and
//! allow no way more than they have to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use libtest_mimic::{Failed, Trial};
use platform::settings::Vars;
use serde_json::{Value, json};

use crate::kustomize::{Kustomize, Tree};
use crate::network::{DNS, OUTSIDE};
use crate::objects::Objects;
use crate::{endings, network, none, posture};

const PODS: [&str; 3] = ["backend", "frontend", "worker"];

/// The issuer of kind's and k3s' API servers.
const LOCAL_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

pub(crate) fn trials(kustomize: Option<&Kustomize>) -> Vec<Trial> {
    let trial = |name: &str, run| crate::with_kustomize("overlays", name, kustomize, run);
    vec![
        trial("on azure the promises of the base hold", on_azure),
        trial(
            "each component opens what it needs and nothing else",
            components,
        ),
        trial(
            "by names no address is open, and each resource has its name",
            by_names,
        ),
        trial(
            "on a local cluster the promises of the base hold",
            on_a_local_cluster,
        ),
        trial(
            "on a local cluster no pod reaches the internet",
            stays_local,
        ),
        trial(
            "the local cloud takes the arguments that it is given",
            local_arguments,
        ),
        trial(
            "the access page is off unless it is switched on",
            access_page,
        ),
        trial(
            "the local access model is the repository's with the cluster's issuer",
            local_model,
        ),
    ]
}

/// The collector of metrics, as on AKS.
fn scraped() -> Vec<String> {
    let collector = "namespace[kubernetes.io/metadata.name=kube-system] pods[rsName=ama-metrics]";
    PODS.map(|pod| format!("{pod} <- {collector} 9090/TCP"))
        .to_vec()
}

fn on_azure(kustomize: &Kustomize) -> Result<(), Failed> {
    let text = kustomize.render(&Tree::copy()?, "azure")?;
    let objects = Objects::parse(&text)?;
    let mut problems = posture::problems(&objects);
    problems.extend(endings::problems(&objects));
    problems.extend(network::problems(&objects, &scraped()));
    for pod in objects.pods()? {
        let image = pod.spec.containers[0].image.clone().unwrap_or_default();
        if !image.contains("@sha256:") {
            problems.push(format!("{}: {image} is not named by its digest", pod.name));
        }
    }
    none(&problems)
}

fn components(kustomize: &Kustomize) -> Result<(), Failed> {
    let gateway = "namespace[kubernetes.io/metadata.name=todolist-gateway] \
                   pods[gateway.networking.k8s.io/gateway-name=public]";
    let direct = PODS.map(|pod| format!("{pod} -> {OUTSIDE} 10250/TCP"));
    let mut all = Vec::new();
    for (component, more) in [
        ("gateway", vec![format!("frontend <- {gateway} 8080/TCP")]),
        ("cosmos-direct", direct.to_vec()),
        ("keda", vec![]),
        ("workshop", vec![]),
    ] {
        let tree = Tree::copy()?.with(component)?;
        let objects = Objects::parse(&kustomize.render(&tree, "azure")?)?;
        let more = [scraped(), more].concat();
        let mut problems = network::problems(&objects, &more);
        problems.extend(posture::problems(&objects));
        problems.extend(endings::problems(&objects));
        all.extend(
            problems
                .into_iter()
                .map(|problem| format!("{component}: {problem}")),
        );
    }
    none(&all)
}

/// With `cilium-fqdn` the ways are names, and they are those of the example's values.
fn by_names(kustomize: &Kustomize) -> Result<(), Failed> {
    let tree = Tree::copy()?.with("cilium-fqdn")?;
    let objects = Objects::parse(&kustomize.render(&tree, "azure")?)?;
    let open = network::open(&objects)?;
    none(
        &open
            .into_iter()
            .filter(|way| way.contains(OUTSIDE) || way.contains("anybody"))
            .collect::<Vec<_>>(),
    )?;
    let policy = objects.bare("CiliumNetworkPolicy").next();
    let policy = policy.context("a policy of names")?;
    let rules = policy["spec"]["egress"].as_array().context("rules")?;
    let names = rules.iter().flat_map(|rule| {
        let ports = rule["toPorts"][0]["ports"][0]["port"].as_str();
        let names = rule["toFQDNs"].as_array().into_iter().flatten();
        names.map(move |name| {
            let name = name["matchName"].as_str().or(name["matchPattern"].as_str());
            format!("{} {}", name.unwrap_or_default(), ports.unwrap_or_default())
        })
    });
    let host = |key: &str| {
        let url = url::Url::parse(&Tree::value(key)?)?;
        Ok::<_, anyhow::Error>(url.host_str().unwrap_or_default().to_owned())
    };
    let cosmos = host("COSMOS_ENDPOINT")?.replacen('.', "*.", 1);
    let expected = BTreeSet::from([
        "login.microsoftonline.com 443".to_owned(),
        format!("{} 443", host("KEY_VAULT_URL")?),
        format!("{} 443", host("STORAGE_URL")?),
        format!("{} 443", host("CLUSTER_ISSUER")?),
        format!("{cosmos} 443"),
        format!("{} 5671", Tree::value("SERVICE_BUS_NAMESPACE")?),
    ]);
    let names: BTreeSet<String> = names.collect();
    if names != expected {
        return Err(format!("the names are {names:?}, and not {expected:?}").into());
    }
    let asked = rules.iter().flat_map(|rule| {
        let patterns = rule["toPorts"][0]["rules"]["dns"].as_array();
        patterns.into_iter().flatten()
    });
    let asked: Vec<_> = asked
        .filter_map(|rule| rule["matchPattern"].as_str())
        .collect();
    none(&unasked(&asked, &names))
}

/// The names, each with its port, whose addresses Cilium never learns, because no pattern
/// lets them be asked for. A star stands for one label.
fn unasked(patterns: &[&str], names: &BTreeSet<String>) -> Vec<String> {
    let fits = |pattern: &str, name: &str| {
        let (pattern, name) = (pattern.split('.'), name.split('.'));
        pattern.clone().count() == name.clone().count()
            && pattern
                .zip(name)
                .all(|(own, label)| own == "*" || own == label)
    };
    let hosts = names.iter().filter_map(|name| name.split(' ').next());
    hosts
        .filter(|host| !patterns.iter().any(|pattern| fits(pattern, host)))
        .map(|host| format!("no question for {host} passes: {patterns:?}"))
        .collect()
}

fn on_a_local_cluster(kustomize: &Kustomize) -> Result<(), Failed> {
    let objects = Objects::parse(&kustomize.render(&Tree::copy()?, "local")?)?;
    let mut problems = posture::problems(&objects);
    problems.extend(endings::problems(&objects));
    none(&problems)
}

/// By its policies no pod reaches an address but the local cloud's, and that of the API
/// server, whose port no other policy opens.
fn stays_local(kustomize: &Kustomize) -> Result<(), Failed> {
    let objects = Objects::parse(&kustomize.render(&Tree::copy()?, "local")?)?;
    let cloud = "namespace[kubernetes.io/metadata.name=local-cloud] \
                 pods[app.kubernetes.io/name=local-cloud]";
    let mut expected = BTreeSet::from([
        "backend <- frontend 8080/TCP".to_owned(),
        "frontend -> backend 8080/TCP".to_owned(),
        "backend -> anybody 6443/TCP".to_owned(),
    ]);
    for pod in PODS {
        expected.extend(["TCP", "UDP"].map(|protocol| format!("{pod} -> {DNS} 53/{protocol}")));
        expected.extend([443, 5671].map(|port| format!("{pod} -> {cloud} {port}/TCP")));
    }
    let open = network::open(&objects)?;
    if open == expected {
        return Ok(());
    }
    let other: Vec<&String> = open.symmetric_difference(&expected).collect();
    Err(format!("too much or missing: {other:#?}").into())
}

/// The command line of the local cloud, as its program reads it.
#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    _arguments: local_cloud::command::Arguments,
}

fn local_arguments(kustomize: &Kustomize) -> Result<(), Failed> {
    let tree = Tree::copy()?;
    // In the place of the CA that Kubernetes puts into every namespace.
    let ca = tree.path().join("ca.crt");
    fs::write(&ca, "a CA is read when an issuer is declared")?;
    let objects = Objects::parse(&kustomize.render(&tree, "local")?)?;
    let pods = objects.pods()?;
    let cloud = pods.iter().find(|pod| pod.name == "local-cloud");
    let cloud = cloud.context("the local cloud")?;
    let arguments = cloud.spec.containers[0].args.clone().unwrap_or_default();
    let arguments = arguments
        .iter()
        .map(|argument| argument.replace("/etc/cluster/ca.crt", &ca.display().to_string()));
    let line = std::iter::once("local-cloud".to_owned()).chain(arguments);
    CommandLine::try_parse_from(line).map_err(|error| error.to_string())?;
    Ok(())
}

fn access_page(kustomize: &Kustomize) -> Result<(), Failed> {
    let tells = |text: &str| {
        text.contains("ACCESS_PROBE:") || text.contains("name: access-model\n  namespace")
    };
    let off = kustomize.render(&Tree::copy()?, "azure")?;
    let on = kustomize.render(&Tree::copy()?.with("workshop")?, "azure")?;
    match (tells(&off), tells(&on)) {
        (false, true) => Ok(()),
        (true, _) => Err("the Access page is on without the component".into()),
        (false, false) => Err("with the component nothing switches the Access page on".into()),
    }
}

fn local_model(_: &Kustomize) -> Result<(), Failed> {
    let read =
        |path: &Path| -> Result<Value> { Ok(serde_json::from_str(&fs::read_to_string(path)?)?) };
    let mut expected = read(&e2e::default_model())?;
    for identity in expected["identities"]
        .as_object_mut()
        .ok_or("identities")?
        .values_mut()
    {
        let accounts = identity["serviceAccounts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let credentials = accounts.iter().map(|account| {
            let part = |name: &str| account[name].as_str().unwrap_or_default();
            json!({
                "issuer": LOCAL_ISSUER,
                "subject": format!("system:serviceaccount:{}:{}", part("namespace"), part("name")),
                "audience": "api://AzureADTokenExchange",
            })
        });
        identity["federatedCredentials"] = Value::Array(credentials.collect());
    }
    let file = e2e::repository().join("k8s/overlays/local/access.json");
    if Vars::from_process().get("UPDATE_DOCS").as_deref() == Some("1") {
        let text = serde_json::to_string_pretty(&expected)?;
        fs::write(&file, format!("{text}\n"))?;
    }
    if read(&file)? == expected {
        return Ok(());
    }
    Err(
        "k8s/overlays/local/access.json is not infra/access.json with the cluster's issuer: \
         UPDATE_DOCS=1 cargo test -p e2e --test manifests"
            .into(),
    )
}
