//! Who is trusted, in what Kustomize renders: service accounts are those of the access
//! model, each with the client id of the identity that trusts it; so are those of
//! components that bring an identity of their own (`infra/options/`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use e2e::trust::{self, ClientIds, Input, Manifests};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::kustomize::{Kustomize, Tree};
use crate::none;
use crate::objects::{NAMESPACE, Objects};

/// The service account of AKS' KEDA add-on, which no manifest of ours makes.
const KEDA: &str = "kube-system/keda-operator";

pub(crate) fn trials(kustomize: Option<&Kustomize>) -> Vec<Trial> {
    let trial = |name: &str, run| crate::with_kustomize("trust", name, kustomize, run);
    vec![
        trial("service accounts are those of the access model", accounts),
        trial("a client id of another identity is found", swapped),
        trial("a service account in another namespace is found", moved),
        trial(
            "the gateway has the service account that its identity trusts",
            gateway,
        ),
        trial("a gateway of another name is found", renamed_gateway),
        trial(
            "KEDA asks with the service account that its identity trusts, for the queues that it may read",
            keda,
        ),
    ]
}

/// What the trust check finds in a rendered overlay.
fn findings(
    text: String,
    access: &Path,
    options: Vec<PathBuf>,
    client_ids: ClientIds,
) -> Result<Vec<String>> {
    let report = trust::check(&Input {
        manifests: Manifests::Rendered {
            name: "rendered".to_owned(),
            text,
        },
        access: access.to_owned(),
        options,
        uses: None,
        client_ids,
    })?;
    let found = report.findings.iter();
    Ok(found
        .map(|finding| format!("{}: {}", finding.code.name(), finding.about))
        .collect())
}

/// The client ids as the example of .env has them.
fn example_ids() -> Result<ClientIds> {
    let identities = ["backend", "frontend", "gateway", "scaler", "worker"];
    let ids = identities.map(|identity| {
        let id = Tree::value(&format!("{}_CLIENT_ID", identity.to_uppercase()))?;
        Ok((identity.to_owned(), id))
    });
    let ids = ids.into_iter().collect::<Result<BTreeMap<_, _>>>()?;
    Ok(ClientIds::Known(ids))
}

/// The service accounts of the workload's namespace that a text has.
fn accounts_of(text: &str) -> Result<BTreeSet<String>> {
    let objects = Objects::parse(text)?;
    let accounts = objects.bare("ServiceAccount");
    let own = accounts.filter(|account| account["metadata"]["namespace"] == NAMESPACE);
    let names = own.map(|account| {
        account["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    Ok(names.collect())
}

fn accounts(kustomize: &Kustomize) -> Result<(), Failed> {
    let model: Value = serde_json::from_str(&fs::read_to_string(e2e::default_model())?)?;
    let identities = model["identities"]
        .as_object()
        .ok_or("identities")?
        .values();
    let trusted = identities
        .flat_map(|identity| identity["serviceAccounts"].as_array().into_iter().flatten());
    let trusted: BTreeSet<String> = trusted
        .map(|account| account["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    let tree = Tree::copy()?;
    let local = tree.path().join("k8s/overlays/local/access.json");
    for (overlay, access, ids) in [
        ("workshop", e2e::default_model(), ClientIds::Local),
        ("local", local, ClientIds::Local),
        ("azure", e2e::default_model(), example_ids()?),
    ] {
        let text = kustomize.render(&tree, overlay)?;
        if accounts_of(&text)? != trusted {
            return Err(format!("{overlay}: {:?}", accounts_of(&text)?).into());
        }
        none(&findings(text, &access, vec![], ids)?)?;
    }
    Ok(())
}

fn swapped(kustomize: &Kustomize) -> Result<(), Failed> {
    let tree = Tree::copy()?;
    let (frontend, backend) = (
        Tree::value("FRONTEND_CLIENT_ID")?,
        Tree::value("BACKEND_CLIENT_ID")?,
    );
    let env = "k8s/overlays/azure/.env";
    tree.replace(
        env,
        &format!("FRONTEND_CLIENT_ID={frontend}"),
        &format!("FRONTEND_CLIENT_ID={backend}"),
    )?;
    expect(&found_on_azure(kustomize, &tree)?, "foreign-client-id")
}

fn moved(kustomize: &Kustomize) -> Result<(), Failed> {
    let tree = Tree::copy()?;
    tree.replace(
        "k8s/base/kustomization.yaml",
        "namespace: todolist",
        "namespace: todo-list",
    )?;
    tree.replace(
        "k8s/components/managed-prometheus/kustomization.yaml",
        ", namespace: todolist",
        "",
    )?;
    let azure = tree.path().join("k8s/overlays/azure");
    for file in ["kustomization.yaml", "identities.yaml"] {
        let text = fs::read_to_string(azure.join(file))?;
        fs::write(
            azure.join(file),
            text.replace("namespace: todolist", "namespace: todo-list"),
        )?;
    }
    expect(&found_on_azure(kustomize, &tree)?, "wrong-namespace")
}

/// What the trust check finds in the overlay `azure` of a tree.
fn found_on_azure(kustomize: &Kustomize, tree: &Tree) -> Result<Vec<String>, Failed> {
    let rendered = kustomize.render(tree, "azure")?;
    let found = findings(rendered, &e2e::default_model(), vec![], example_ids()?)?;
    Ok(found)
}

fn expect(found: &[String], code: &str) -> Result<(), Failed> {
    if found.iter().any(|finding| finding.starts_with(code)) {
        return Ok(());
    }
    Err(format!("{code} is not among {found:?}").into())
}

/// An option's access file.
fn option(name: &str) -> PathBuf {
    e2e::repository().join(format!("infra/options/{name}.json"))
}

/// The service accounts that the identities of an option trust, `namespace/name`.
fn trusted_by(option: &Value) -> BTreeSet<String> {
    let identities = option["identities"].as_object().into_iter().flatten();
    let accounts = identities
        .flat_map(|(_, identity)| identity["serviceAccounts"].as_array().into_iter().flatten());
    accounts.map(named).collect()
}

fn named(account: &Value) -> String {
    let part = |name: &str| account[name].as_str().unwrap_or_default();
    format!("{}/{}", part("namespace"), part("name"))
}

fn read(path: &Path) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

fn gateway(kustomize: &Kustomize) -> Result<(), Failed> {
    none(&gateway_problems(kustomize, Tree::copy()?)?)
}

/// In each of these places the service account is named; all have to agree.
fn renamed_gateway(kustomize: &Kustomize) -> Result<(), Failed> {
    for (file, from, to) in [
        (
            "gateway/gateway.yaml",
            "name: gateway\n  namespace: todolist-gateway",
            "name: public-gateway\n  namespace: todolist-gateway",
        ),
        (
            "gateway/gateway.yaml",
            "tls-cert-service-account: gateway",
            "tls-cert-service-account: default",
        ),
        (
            "gateway/dns.yaml",
            "serviceAccount: gateway",
            "serviceAccount: default",
        ),
        (
            "gateway/kustomization.yaml",
            "fieldPath: data.GATEWAY_CLIENT_ID",
            "fieldPath: data.FRONTEND_CLIENT_ID",
        ),
    ] {
        let tree = Tree::copy()?;
        tree.replace(&format!("k8s/components/{file}"), from, to)?;
        // What does not render is found, too.
        if let Ok(problems) = gateway_problems(kustomize, tree)
            && problems.is_empty()
        {
            return Err(format!("`{to}` in {file} is not found").into());
        }
    }
    Ok(())
}

fn gateway_problems(kustomize: &Kustomize, tree: Tree) -> Result<Vec<String>> {
    let text = kustomize.render(&tree.with("gateway")?, "azure")?;
    let objects = Objects::parse(&text)?;
    let accounts = objects.bare("ServiceAccount");
    let own = accounts.filter(|account| account["metadata"]["namespace"] != NAMESPACE);
    let found: BTreeSet<String> = own.map(|account| named(&account["metadata"])).collect();
    let trusted = trusted_by(&read(&option("gateway"))?);
    let mut problems = Vec::new();
    if found != trusted {
        problems.push(format!("{found:?} is made, and {trusted:?} is trusted"));
    }
    let listener = objects.bare("Gateway").next().context("a Gateway")?;
    let dns = objects.bare("ClusterExternalDNS").next();
    let dns = dns.context("a ClusterExternalDNS")?;
    let tls = &listener["spec"]["listeners"][0]["tls"]["options"];
    for (what, namespace, name) in [
        (
            "the certificate is read",
            &listener["metadata"]["namespace"],
            &tls["kubernetes.azure.com/tls-cert-service-account"],
        ),
        (
            "the record is written",
            &dns["spec"]["resourceNamespace"],
            &dns["spec"]["identity"]["serviceAccount"],
        ),
    ] {
        let used = named(&json!({ "namespace": namespace, "name": name }));
        if !trusted.contains(&used) {
            problems.push(format!("{what} with {used}, and {trusted:?} is trusted"));
        }
    }
    problems.extend(findings(
        text,
        &e2e::default_model(),
        vec![option("gateway")],
        example_ids()?,
    )?);
    Ok(problems)
}

fn keda(kustomize: &Kustomize) -> Result<(), Failed> {
    let access = read(&option("keda"))?;
    let trusted = trusted_by(&access);
    if trusted != BTreeSet::from([KEDA.to_owned()]) {
        return Err(format!("{trusted:?} is trusted, and KEDA asks with {KEDA}").into());
    }
    let tree = Tree::copy()?.with("keda")?;
    let objects = Objects::parse(&kustomize.render(&tree, "azure")?)?;
    let authentication = objects.bare("TriggerAuthentication").next();
    let authentication = authentication.context("a TriggerAuthentication")?;
    let id = &authentication["spec"]["podIdentity"]["identityId"];
    if *id != Tree::value("SCALER_CLIENT_ID")? {
        return Err(format!("KEDA asks as {id}").into());
    }
    let scaled = objects.bare("ScaledObject").next();
    let scaled = scaled.context("a ScaledObject")?;
    let triggers = scaled["spec"]["triggers"].as_array().into_iter().flatten();
    let asked: BTreeSet<String> = triggers
        .filter_map(|trigger| trigger["metadata"]["queueName"].as_str())
        .map(|queue| format!("bus/queues/{queue}"))
        .collect();
    let grants = access["grants"].as_array().into_iter().flatten();
    let may_read: BTreeSet<String> = grants
        .filter_map(|grant| grant["scope"].as_str().map(str::to_owned))
        .collect();
    if asked != may_read {
        return Err(format!("KEDA asks for {asked:?} and may read {may_read:?}").into());
    }
    Ok(())
}
