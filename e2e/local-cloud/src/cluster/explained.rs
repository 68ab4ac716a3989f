//! What the cluster knows of a pod that it did not admit, for the audit.

use k8s_openapi::api::core::v1::Pod;

use super::{Cluster, Denial};
use crate::audit::{Decision, Entry};
use crate::explain::admission;
use crate::model;

impl Cluster {
    /// The record of a pod that was not admitted, for this reason.
    pub(crate) fn not_admitted(&self, pod: &Pod, denial: &Denial) -> Entry {
        let metadata = &pod.metadata;
        let namespace = metadata.namespace.clone();
        let pod_name = metadata.name.as_ref().or(metadata.generate_name.as_ref());
        let account = model::ServiceAccount {
            namespace: namespace.unwrap_or_default().chars().take(253).collect(),
            name: super::service_account(pod).chars().take(253).collect(),
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
        let explanation = admission::explain(&denial.message, &account, &accounts);
        Entry {
            by: "admission".to_owned(),
            operation: "CreatePod".to_owned(),
            identity: None,
            subject: Some(account.subject()),
            action: "create".to_owned(),
            scope: format!(
                "namespaces/{}/pods/{}",
                account.namespace,
                pod_name.map(String::as_str).unwrap_or_default()
            ),
            decision: Decision::Denied,
            code: Some(denial.code.to_string()),
            why: denial.message.chars().take(1024).collect(),
            token: None,
            explanation: Some(Box::new(explanation)),
        }
    }
}
