//! The restricted rules of Pod Security, and what goes further: a root that cannot be
//! written to, and no token for the API server.

use k8s_openapi::api::core::v1::{Container, Namespace, ServiceAccount};
use libtest_mimic::Trial;

use crate::objects::{self, NAMESPACE, Objects, Pods, in_namespace};
use crate::{Mistake, each_is_found, mistake, none, trial};

const MISTAKES: [Mistake; 21] = [
    mistake(
        "runAsNonRoot: true",
        "runAsNonRoot: false",
        "frontend: may be root",
    ),
    mistake(
        "        runAsUser: 10001\n",
        "        runAsUser: 0\n",
        "frontend: runs as user 0",
    ),
    mistake("        runAsUser: 10001\n", "", "frontend: says no user"),
    mistake(
        "          type: RuntimeDefault",
        "          type: Unconfined",
        "frontend: has no seccomp profile",
    ),
    mistake(
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        "frontend: can write to its root",
    ),
    mistake(
        "            readOnlyRootFilesystem: true\n",
        "",
        "frontend: can write to its root",
    ),
    mistake(
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: true",
        "frontend: may gain privileges",
    ),
    mistake(
        "drop: [\"ALL\"]",
        "drop: [\"NET_RAW\"]",
        "frontend: keeps capabilities",
    ),
    mistake(
        "drop: [\"ALL\"]",
        "drop: [\"ALL\"]\n              add: [\"NET_BIND_SERVICE\"]",
        "frontend: adds capabilities",
    ),
    mistake(
        "            readOnlyRootFilesystem: true\n",
        "            readOnlyRootFilesystem: true\n            privileged: true\n",
        "frontend: is privileged",
    ),
    mistake(
        "      automountServiceAccountToken: false\n",
        "",
        "frontend: is given a token for the API server",
    ),
    mistake(
        "\nautomountServiceAccountToken: false\n---",
        "\n---",
        "frontend: its service account is given a token",
    ),
    mistake(
        "      enableServiceLinks: false\n",
        "      enableServiceLinks: false\n      hostNetwork: true\n",
        "frontend: is in a namespace of the node",
    ),
    mistake(
        "      enableServiceLinks: false\n",
        "      enableServiceLinks: false\n      hostPID: true\n",
        "frontend: is in a namespace of the node",
    ),
    mistake(
        "      enableServiceLinks: false\n",
        "      enableServiceLinks: false\n      hostIPC: true\n",
        "frontend: is in a namespace of the node",
    ),
    mistake(
        "          configMap:\n            name: access-model\n            optional: true",
        "          hostPath:\n            path: /",
        "frontend: has a volume of another kind",
    ),
    mistake(
        "              memory: 256Mi\n",
        "              cpu: \"1\"\n",
        "frontend: has no limit of memory",
    ),
    mistake("              cpu: 100m\n", "", "frontend: asks for no CPU"),
    mistake(
        "              memory: 64Mi\n",
        "",
        "frontend: asks for no memory",
    ),
    mistake(
        "pod-security.kubernetes.io/enforce: restricted",
        "pod-security.kubernetes.io/enforce: baseline",
        "pod-security.kubernetes.io/enforce is not restricted",
    ),
    mistake(
        "    pod-security.kubernetes.io/audit: restricted\n",
        "",
        "pod-security.kubernetes.io/audit is not restricted",
    ),
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("posture", "every pod is restricted", || {
            none(&problems(&Objects::parse(&objects::base()?)?))
        }),
        trial("posture", "a pod that may more is found", || {
            each_is_found(&objects::base()?, &MISTAKES, problems)
        }),
    ]
}

pub(crate) fn problems(objects: &Objects) -> Vec<String> {
    look(objects).unwrap_or_else(|error| vec![format!("{error:#}")])
}

fn look(objects: &Objects) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for pod in objects.pods()? {
        let mut say = |is_wrong: bool, what: &str| {
            if is_wrong {
                problems.push(format!("{}: {what}", pod.name));
            }
        };
        look_at_pod(&pod, &mut say);
        for container in pod
            .spec
            .init_containers
            .iter()
            .flatten()
            .chain(&pod.spec.containers)
        {
            look_at_container(container, &mut say);
        }
    }
    let accounts: Vec<ServiceAccount> = objects.of("ServiceAccount")?;
    for account in accounts {
        let name = account.metadata.name.unwrap_or_default();
        let is_own = in_namespace(account.metadata.namespace) == NAMESPACE;
        if is_own && account.automount_service_account_token != Some(false) {
            problems.push(format!("{name}: its service account is given a token"));
        }
    }
    let namespaces: Vec<Namespace> = objects.of("Namespace")?;
    let own = namespaces
        .into_iter()
        .filter(|one| one.metadata.name.as_deref() == Some(NAMESPACE));
    for labels in own.map(|namespace| namespace.metadata.labels.unwrap_or_default()) {
        for mode in ["enforce", "warn", "audit"] {
            let label = format!("pod-security.kubernetes.io/{mode}");
            if labels.get(&label).map(String::as_str) != Some("restricted") {
                problems.push(format!("{label} is not restricted"));
            }
        }
    }
    Ok(problems)
}

fn look_at_pod(pod: &Pods, say: &mut impl FnMut(bool, &str)) {
    let spec = &pod.spec;
    let security = spec.security_context.clone().unwrap_or_default();
    let seccomp = security.seccomp_profile.map(|profile| profile.type_);
    say(security.run_as_non_root != Some(true), "may be root");
    say(security.run_as_user == Some(0), "runs as user 0");
    say(
        security.run_as_user.is_none(),
        "says no user, and an image may say root",
    );
    say(
        seccomp.as_deref() != Some("RuntimeDefault"),
        "has no seccomp profile",
    );
    say(
        spec.automount_service_account_token != Some(false),
        "is given a token for the API server",
    );
    let host = [spec.host_network, spec.host_pid, spec.host_ipc];
    say(host.contains(&Some(true)), "is in a namespace of the node");
    let others = spec.volumes.iter().flatten().filter(|volume| {
        volume.config_map.is_none() && volume.projected.is_none() && volume.empty_dir.is_none()
    });
    say(
        others.count() > 0,
        "has a volume of another kind than ConfigMap, token or emptyDir",
    );
}

fn look_at_container(container: &Container, say: &mut impl FnMut(bool, &str)) {
    let security = container.security_context.clone().unwrap_or_default();
    let capabilities = security.capabilities.unwrap_or_default();
    say(
        security.read_only_root_filesystem != Some(true),
        "can write to its root",
    );
    say(
        security.allow_privilege_escalation != Some(false),
        "may gain privileges",
    );
    say(security.privileged == Some(true), "is privileged");
    say(security.run_as_non_root == Some(false), "may be root");
    say(security.run_as_user == Some(0), "runs as user 0");
    say(
        capabilities.drop != Some(vec!["ALL".to_owned()]),
        "keeps capabilities",
    );
    say(capabilities.add.is_some(), "adds capabilities");
    let resources = container.resources.clone().unwrap_or_default();
    let has = |of: &Option<std::collections::BTreeMap<_, _>>, what: &str| {
        of.as_ref().is_some_and(|of| of.contains_key(what))
    };
    say(!has(&resources.limits, "memory"), "has no limit of memory");
    say(!has(&resources.requests, "memory"), "asks for no memory");
    say(!has(&resources.requests, "cpu"), "asks for no CPU");
}
