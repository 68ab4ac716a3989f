//! What is in the cluster: namespaces, service accounts, pods.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;

use super::super::Wanted;
use super::super::facts::{Account, Pod, Seen, Verified};
use super::{Command, Live, Runner};

const CLIENT_ID: &str = "azure.workload.identity/client-id";
const LABEL: &str = "azure.workload.identity/use";

/// What the webhook adds, and no pod works without.
const INJECTED: [&str; 2] = ["AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"];

pub(super) struct Cluster {
    pub(super) namespaces: Seen<BTreeSet<String>>,
    pub(super) accounts: Vec<Account>,
    pub(super) pods: Vec<Pod>,
}

impl Cluster {
    pub(super) fn read<R: Runner>(live: &Live<R>, wanted: &Wanted) -> Result<Self> {
        let context = &live.environment.context;
        let listed = Command::Namespaces {
            context: context.clone(),
        };
        let namespaces: BTreeSet<String> = items(&live.json(&listed)?)
            .filter_map(|item| text(item, "/metadata/name").map(str::to_owned))
            .collect();
        let mut cluster = Self {
            namespaces: Seen::new(namespaces, listed.to_string()),
            accounts: Vec::new(),
            pods: Vec::new(),
        };
        let accounts = wanted.0.identities.iter().flat_map(|own| &own.accounts);
        let of_interest: BTreeSet<&String> = accounts.map(|account| &account.namespace).collect();
        for namespace in of_interest {
            if cluster.namespaces.value.contains(namespace) {
                cluster.add(live, namespace)?;
            }
        }
        Ok(cluster)
    }

    fn add<R: Runner>(&mut self, live: &Live<R>, namespace: &str) -> Result<()> {
        let listed = Command::Objects {
            context: live.environment.context.clone(),
            namespace: namespace.to_owned(),
        };
        let objects = live.json(&listed)?;
        let from = listed.to_string();
        let of_kind = |kind: &'static str| items(&objects).filter(move |item| item["kind"] == kind);
        for item in of_kind("ServiceAccount") {
            let name = text(item, "/metadata/name").unwrap_or_default();
            let pods: Vec<&Value> = of_kind("Pod")
                .filter(|pod| text(pod, "/spec/serviceAccountName").unwrap_or("default") == name)
                .collect();
            let client_id = item["metadata"]["annotations"][CLIENT_ID].as_str();
            self.accounts.push(Account {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                client_id: client_id.map(|id| Seen::new(id.to_owned(), from.clone())),
                from: from.clone(),
                verified: verified(live, namespace, &pods, &from)?,
            });
        }
        self.pods
            .extend(of_kind("Pod").map(|pod| found(pod, namespace, &from)));
        Ok(())
    }
}

fn found(pod: &Value, namespace: &str, from: &str) -> Pod {
    let name = text(pod, "/metadata/name").unwrap_or_default();
    let containers = pod["spec"]["containers"].as_array();
    let mut containers = containers.into_iter().flatten();
    let has = |container: &Value, variable: &str| {
        let variables = container["env"].as_array();
        variables.is_some_and(|list| list.iter().any(|own| own["name"] == variable))
    };
    // A sidecar may be skipped.
    let injected = containers.any(|container| INJECTED.iter().all(|name| has(container, name)));
    Pod {
        name: format!("pod {namespace}/{name}"),
        namespace: namespace.to_owned(),
        account: text(pod, "/spec/serviceAccountName")
            .unwrap_or("default")
            .to_owned(),
        labelled: pod["metadata"]["labels"][LABEL] == "true",
        injected: Some(injected),
        from: from.to_owned(),
    }
}

/// Whether all pods of a service account are ready; of one that is not, what its
/// log says of Entra ID.
fn verified<R: Runner>(
    live: &Live<R>,
    namespace: &str,
    pods: &[&Value],
    from: &str,
) -> Result<Verified> {
    let Some(unready) = pods.iter().find(|pod| !is_ready(pod)) else {
        let how = format!("has {} pods, all ready", pods.len());
        return Ok(Verified::Yes(Seen::new(how, from)));
    };
    let name = text(unready, "/metadata/name").unwrap_or_default();
    let command = Command::Logs {
        context: live.environment.context.clone(),
        namespace: namespace.to_owned(),
        pod: name.to_owned(),
    };
    let answer = live.runner.run(&command)?;
    let said = answer.stdout.lines().rev().find_map(refusal);
    let why = match said {
        Some(said) => format!("pod `{name}` is not ready; its log says {said}"),
        None => format!("pod `{name}` is not ready, and its log has no AADSTS code"),
    };
    Ok(Verified::No(Seen::new(why, format!("{from}; {command}"))))
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|own| own["type"] == "Ready" && own["status"] == "True")
}

/// The refusal of Entra ID in a line: from its code to the end of its sentence,
/// and never what else the line may have.
fn refusal(line: &str) -> Option<String> {
    let said = &line[line.find("AADSTS")?..];
    let end = said.find(['"', '\\', '{']).unwrap_or(said.len());
    let sentence = said[..end].split(". ").next().unwrap_or_default();
    Some(sentence.chars().take(300).collect())
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_gives_the_refusal_and_nothing_behind_it() {
        let line = r#"{"message":"no token: AADSTS700213: No matching record found for 'x'. Check it. Trace ID: 1","token":"eyJ"}"#;
        assert_eq!(
            refusal(line).as_deref(),
            Some("AADSTS700213: No matching record found for 'x'")
        );
        let short = r#"{"error":"AADSTS50013: it failed","token":"eyJ"}"#;
        assert_eq!(refusal(short).as_deref(), Some("AADSTS50013: it failed"));
        assert_eq!(refusal("all is well"), None);
    }
}
