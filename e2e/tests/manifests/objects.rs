//! Manifests as a list of objects, whatever their kind.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use e2e::kustomization::Kustomized;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The namespace of the workload; what is written without one is put there.
pub(crate) const NAMESPACE: &str = "todolist";

pub(crate) struct Objects(Vec<Value>);

/// The pods that a Deployment makes.
pub(crate) struct Pods {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) spec: PodSpec,
}

/// The base as it is written, as one text.
pub(crate) fn base() -> Result<String> {
    let base = Kustomized::read(&e2e::manifests::base_directory())?;
    let texts: Vec<String> = base.resources.into_iter().map(|file| file.text).collect();
    Ok(texts.join("\n---\n"))
}

impl Objects {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
        Ok(Self(documents))
    }

    /// The objects of a kind, each as its type.
    pub(crate) fn of<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>> {
        let Self(objects) = self;
        let of_kind = objects.iter().filter(|object| object["kind"] == kind);
        of_kind
            .map(|object| {
                let name = &object["metadata"]["name"];
                serde_json::from_value(object.clone()).with_context(|| format!("{kind} {name}"))
            })
            .collect()
    }

    /// The objects of a kind as they are.
    pub(crate) fn bare(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let Self(objects) = self;
        objects.iter().filter(move |object| object["kind"] == kind)
    }

    pub(crate) fn pods(&self) -> Result<Vec<Pods>> {
        let deployments: Vec<Deployment> = self.of("Deployment")?;
        let pods = deployments.into_iter().map(|deployment| {
            let template = deployment.spec.context("a spec")?.template;
            Ok(Pods {
                name: deployment.metadata.name.context("a name")?,
                namespace: in_namespace(deployment.metadata.namespace),
                labels: template
                    .metadata
                    .unwrap_or_default()
                    .labels
                    .unwrap_or_default(),
                spec: template.spec.context("a pod's spec")?,
            })
        });
        pods.collect()
    }
}

/// The namespace that an object is put into.
pub(crate) fn in_namespace(own: Option<String>) -> String {
    own.unwrap_or_else(|| NAMESPACE.to_owned())
}

/// Whether a selector takes what has these labels.
pub(crate) fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut equal = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    equal.all(|(name, value)| labels.get(name) == Some(value))
        && expressions.all(|expression| {
            let label = labels.get(&expression.key);
            let values = expression.values.as_deref().unwrap_or_default();
            match expression.operator.as_str() {
                "In" => label.is_some_and(|label| values.contains(label)),
                "NotIn" => label.is_none_or(|label| !values.contains(label)),
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                other => panic!("no selector has the operator {other}"),
            }
        })
}
