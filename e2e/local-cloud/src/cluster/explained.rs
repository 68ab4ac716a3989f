//! What the cluster knows of a pod that it did not admit, for the audit.

use k8s_openapi::api::core::v1::Pod;

use super::Cluster;
use crate::audit::{Decision, Entry};
use crate::explain::admission;
use crate::model;

impl Cluster {
    /// The record of a pod that was not admitted, for this reason.
    pub(crate) fn not_admitted(&self, pod: &Pod, refusal: &str) -> Entry {
        let spec = pod.spec.as_ref();
        let name = spec.and_then(|spec| spec.service_account_name.clone());
        let namespace = pod.metadata.namespace.clone();
        let account = model::ServiceAccount {
            namespace: namespace.unwrap_or_default().chars().take(253).collect(),
            name: name
                .unwrap_or_else(|| "default".to_owned())
                .chars()
                .take(253)
                .collect(),
        };
        let accounts: Vec<_> = {
            let accounts = self
                .accounts
                .read()
                .expect("no one panics while holding the accounts");
            let known = accounts
                .keys()
                .map(|(namespace, name)| model::ServiceAccount {
                    namespace: namespace.clone(),
                    name: name.clone(),
                });
            known.collect()
        };
        let explanation = admission::explain(refusal, &account, &accounts);
        Entry {
            by: "cluster".to_owned(),
            operation: "CreatePod".to_owned(),
            identity: None,
            subject: Some(account.subject()),
            action: "pods/create".to_owned(),
            scope: format!("namespaces/{}", account.namespace),
            decision: Decision::Denied,
            code: Some(explanation.code.clone()),
            why: refusal.chars().take(1024).collect(),
            explanation: Some(Box::new(explanation)),
        }
    }
}
