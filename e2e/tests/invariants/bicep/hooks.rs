//! The hooks of `azure.yaml`, run with commands that write down how they were
//! called and answer as they are told: what would be done on Azure, in which order.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use e2e::doctor::live::Environment;
use tempfile::TempDir;

/// Writes down its arguments; what it answers is the first line of `answers` that
/// they begin with, and `fail` as an answer is a failure.
const PLAYED: &str = r#"#!/bin/sh
printf '%s\n' "$(printf '%s %s' "${0##*/}" "$*" | tr '\n' ' ')" >>"$CALLS"
while IFS='|' read -r start answer; do
  case "${0##*/} $*" in
    "$start"*)
      [ "$answer" != fail ] || exit 1
      [ -z "$answer" ] || printf '%b\n' "$answer"
      exit 0
      ;;
  esac
done <"$ANSWERS"
"#;

/// That of azd. The one that the Azure CLI has is another.
const SUBSCRIPTION: &str = "33333333-3333-4333-8333-333333333333";

const VALUES: [(&str, &str); 18] = [
    ("AZURE_ENV_NAME", "lab"),
    ("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION),
    ("AZURE_RESOURCE_GROUP", "rg-lab"),
    ("AZURE_AKS_CLUSTER_NAME", "aks-1"),
    ("AZURE_CONTAINER_REGISTRY_NAME", "cr1"),
    ("AZURE_CONTAINER_REGISTRY_ENDPOINT", "cr1.azurecr.io"),
    (
        "IDENTITY_NAMES",
        "frontend=id-frontend-1 worker=id-worker-1",
    ),
    ("RESOURCE_NAMES", "vault=kv-1 bus=sb-1"),
    ("AZURE_TENANT_ID", "11111111-1111-4111-8111-111111111111"),
    ("FRONTEND_CLIENT_ID", "f"),
    ("BACKEND_CLIENT_ID", "b"),
    ("WORKER_CLIENT_ID", "w"),
    ("KEY_VAULT_URL", "https://kv-1.vault.azure.net/"),
    ("COSMOS_ENDPOINT", "https://cosmos-1.documents.azure.com/"),
    ("COSMOS_REGION", "Sweden Central"),
    ("STORAGE_URL", "https://st1.blob.core.windows.net/"),
    ("SERVICE_BUS_NAMESPACE", "sb-1.servicebus.windows.net"),
    (
        "CLUSTER_ISSUER",
        "https://swedencentral.oic.prod-aks.azure.com/t/c/",
    ),
];

struct Stage {
    directory: TempDir,
    values: BTreeMap<&'static str, String>,
    answers: Vec<(&'static str, &'static str)>,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        for made in ["bin", "infra/hooks", "k8s/overlays/azure"] {
            fs::create_dir_all(root.join(made)).expect("made");
        }
        for hook in ["deploy.sh", "preflight.sh"] {
            let own = e2e::repository().join("infra/hooks").join(hook);
            fs::copy(own, root.join("infra/hooks").join(hook)).expect(hook);
        }
        for command in ["az", "azd", "docker", "kubectl", "kubelogin"] {
            let path = root.join("bin").join(command);
            fs::write(&path, PLAYED).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        }
        Self {
            directory,
            values: VALUES.map(|(name, value)| (name, value.to_owned())).into(),
            answers: vec![
                ("az acr repository show", "sha256:0123"),
                ("az account show", "22222222-2222-4222-8222-222222222222"),
                ("az rest", "1"),
                (
                    "az provider list",
                    concat!(
                        "Microsoft.ContainerRegistry\\nMicrosoft.ContainerService\\nMicrosoft.DocumentDB\\n",
                        "microsoft.insights\\nMicrosoft.KeyVault\\nMicrosoft.ManagedIdentity\\nMicrosoft.Monitor\\n",
                        "Microsoft.Network\\nMicrosoft.OperationalInsights\\nMicrosoft.ServiceBus\\nMicrosoft.Storage",
                    ),
                ),
            ],
        }
    }

    /// Answers so, before anything else.
    fn answering(mut self, start: &'static str, answer: &'static str) -> Self {
        self.answers.insert(0, (start, answer));
        self
    }

    fn run(&self, hook: &str, variables: &[(&str, &str)]) -> Output {
        let root = self.directory.path();
        let values = self
            .values
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\"\\n"));
        let values = format!("azd env get-values|{}", values.collect::<String>());
        let answers = self
            .answers
            .iter()
            .map(|(start, answer)| format!("{start}|{answer}"));
        // The first that fits is given.
        let answers: Vec<String> = answers.chain([values]).collect();
        let answers = answers.join("\n") + "\n";
        fs::write(root.join("answers"), answers).expect("written");
        Command::new("sh")
            .arg(root.join("infra/hooks").join(hook))
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", root.join("bin").display()),
            )
            .env("CALLS", root.join("calls"))
            .env("ANSWERS", root.join("answers"))
            .envs(variables.iter().copied())
            .output()
            .expect("sh is here")
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What the overlay reads.
    fn written(&self) -> Option<String> {
        fs::read_to_string(self.directory.path().join("k8s/overlays/azure/.env")).ok()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether the calls are there in this order, others between them.
fn in_order(calls: &[String], expected: &[&str]) {
    let mut left = calls.iter();
    for start in expected {
        assert!(
            left.any(|call| call.starts_with(start)),
            "`{start}` in its place in {calls:#?}"
        );
    }
}

#[test]
fn a_deployment_builds_writes_what_the_overlay_reads_applies_and_waits() {
    let stage = Stage::new();
    let output = stage.run("deploy.sh", &[]);
    assert!(output.status.success(), "{}", told(&output));

    let written = stage.written().expect("the overlay's .env");
    let overlay: Vec<&str> = written.lines().collect();
    let values = VALUES[8..]
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let image = |name: &str| {
        format!(
            "{}_IMAGE=cr1.azurecr.io/todolist-{name}@sha256:0123",
            name.to_uppercase()
        )
    };
    let expected: Vec<String> = values
        .chain([image("frontend"), image("backend")])
        .collect();
    assert_eq!(overlay, expected);

    in_order(
        &stage.calls(),
        &[
            "az acr login --subscription 33333333-3333-4333-8333-333333333333 --name cr1",
            "docker buildx build --platform linux/amd64 --push --tag cr1.azurecr.io/todolist-frontend:",
            "docker buildx build --platform linux/amd64 --push --tag cr1.azurecr.io/todolist-backend:",
            "az acr repository show --subscription 33333333-3333-4333-8333-333333333333 --name cr1 --image todolist-frontend:",
            "az aks get-credentials --subscription 33333333-3333-4333-8333-333333333333 --resource-group rg-lab --name aks-1 --file ",
            "kubelogin convert-kubeconfig --login azurecli",
            "kubectl auth can-i create namespaces",
            "kubectl apply --kustomize k8s/overlays/azure",
            "kubectl --namespace todolist rollout status deployment/backend",
            "kubectl --namespace todolist rollout status deployment/worker",
            "kubectl --namespace todolist rollout status deployment/frontend",
        ],
    );
    of_azds_subscription(&stage.calls());
    // The doctor reads what was written for it.
    let home = stage.directory.path().join(".azure/lab/environment.json");
    let live = Environment::read(&home).expect("an environment");
    assert_eq!((&*live.resource_group, &*live.cluster), ("rg-lab", "aks-1"));
    assert_eq!(live.identities["worker"], "id-worker-1");
    assert_eq!(live.resources["bus"], "sb-1");

    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let shown = format!(
        "KUBECONFIG={}/.azure/lab/kubeconfig kubectl --namespace todolist port-forward service/frontend 8080",
        real(&stage)
    );
    assert!(said.contains(&shown), "{said}");
}

/// Every command of the Azure CLI names azd's subscription.
fn of_azds_subscription(calls: &[String]) {
    let named = format!(" --subscription {SUBSCRIPTION} ");
    let of_azure = calls.iter().filter(|call| call.starts_with("az "));
    let elsewhere: Vec<_> = of_azure.filter(|call| !call.contains(&named)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

fn real(stage: &Stage) -> String {
    let path: &Path = stage.directory.path();
    path.canonicalize()
        .expect("it is there")
        .display()
        .to_string()
}

#[test]
fn options_add_what_they_put_out_and_the_registry_builds_where_it_is_asked_to() {
    let mut stage = Stage::new();
    stage.values.insert("SCALER_CLIENT_ID", "s".to_owned());
    stage.values.insert("GATEWAY_CLIENT_ID", String::new());
    stage
        .values
        .insert("PUBLIC_HOST", "todo.example.com".to_owned());
    let output = stage.run("deploy.sh", &[("IMAGE_BUILD", "acr")]);
    assert!(output.status.success(), "{}", told(&output));

    let written = stage.written().expect("the overlay's .env");
    assert!(written.contains("\nSCALER_CLIENT_ID=s\nPUBLIC_HOST=todo.example.com\nPUBLIC_ORIGIN=https://todo.example.com\n"), "{written}");
    assert!(
        !written.contains("GATEWAY"),
        "an option that is off: {written}"
    );
    in_order(
        &stage.calls(),
        &[
            "az acr run --subscription 33333333-3333-4333-8333-333333333333 --registry cr1 --file infra/hooks/images.yaml --set tag=",
            "az acr repository show",
        ],
    );
    of_azds_subscription(&stage.calls());
}

/// Pods read their `ConfigMap`s when they start, and start anew by themselves only
/// where the Deployment is another.
#[test]
fn pods_start_anew_where_only_what_they_read_is_another() {
    for (applied, expected) in [
        (
            "configmap/access-probe created\\nconfigmap/estate unchanged\\ndeployment.apps/worker unchanged",
            true,
        ),
        (
            "configmap/estate configured\\ndeployment.apps/worker configured",
            true,
        ),
        (
            "configmap/estate unchanged\\ndeployment.apps/worker configured",
            false,
        ),
        // For the first time.
        (
            "configmap/estate created\\ndeployment.apps/worker created",
            false,
        ),
    ] {
        let stage = Stage::new().answering("kubectl apply", applied);
        let output = stage.run("deploy.sh", &[]);
        assert!(output.status.success(), "{}", told(&output));
        let calls = stage.calls();
        let restart = "kubectl --namespace todolist rollout restart deployment";
        let restarted = calls.iter().any(|call| call.starts_with(restart));
        assert_eq!(restarted, expected, "{applied}: {calls:#?}");
        if expected {
            in_order(
                &calls,
                &[
                    "kubectl apply",
                    restart,
                    "kubectl --namespace todolist rollout status",
                ],
            );
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("configmap/estate "), "{said}");
    }
    let stage = Stage::new().answering("kubectl apply", "fail");
    assert!(!stage.run("deploy.sh", &[]).status.success());
}

#[test]
fn nothing_is_written_or_applied_when_something_is_missing() {
    for (what, stage) in [
        ("the deployment did not put out CLUSTER_ISSUER", {
            let mut stage = Stage::new();
            stage.values.remove("CLUSTER_ISSUER");
            stage
        }),
        (
            "azd knows no environment here",
            Stage::new().answering("azd env get-values", "fail"),
        ),
        ("", Stage::new().answering("docker buildx", "fail")),
    ] {
        let output = stage.run("deploy.sh", &[]);
        assert!(!output.status.success(), "{what}");
        assert!(told(&output).contains(what), "{what}: {}", told(&output));
        assert_eq!(stage.written(), None, "{what}");
        let calls = stage.calls();
        assert!(
            !calls.iter().any(|call| call.starts_with("kubectl")),
            "{calls:#?}"
        );
        let left =
            fs::read_dir(stage.directory.path().join("k8s/overlays/azure")).expect("a directory");
        assert_eq!(left.count(), 0, "{what}: nothing is left behind");
    }
}

#[test]
fn preflight_tells_everything_that_is_missing_and_changes_nothing() {
    let output = Stage::new().run("preflight.sh", &[]);
    assert!(output.status.success(), "{}", told(&output));

    let stage = Stage::new()
        .answering("az rest", "0")
        .answering("az provider list", "Microsoft.ContainerService")
        .answering("docker", "fail");
    let variables = [("GATEWAY", "true"), ("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION)];
    let output = stage.run("preflight.sh", &variables);
    assert!(!output.status.success());
    let said = told(&output);
    for expected in [
        "docker buildx, which is not here",
        "azd env set PUBLIC_HOST todo.example.com",
        "azd env set DNS_ZONE_ID ..., one of: az network dns zone list ",
        "you may not assign roles in the subscription 33333333-3333-4333-8333-333333333333",
        "az provider register --wait --namespace Microsoft.KeyVault --subscription 33333333-3333-4333-8333-333333333333",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("Microsoft.ContainerService"), "{said}");
    let asked = [
        "az rest --method get ",
        "az provider list ",
        "az keyvault list-deleted ",
        "docker buildx version",
    ];
    for call in stage.calls() {
        assert!(
            asked.iter().any(|start| call.starts_with(start)),
            "it changes nothing: {call}"
        );
    }

    let stage = Stage::new();
    fs::remove_file(stage.directory.path().join("bin/kubelogin")).expect("removed");
    let output = stage.run("preflight.sh", &[]);
    assert!(
        told(&output).contains("kubelogin is not here\n  az aks install-cli"),
        "{}",
        told(&output)
    );
    assert_eq!(stage.calls(), Vec::<String>::new(), "and nobody is asked");
}

/// Without either, the component could not be rendered, once all images are pushed.
#[test]
fn preflight_wants_name_and_zone_of_a_gateway() {
    let (host, zone) = (
        ("PUBLIC_HOST", "todo.example.com"),
        (
            "DNS_ZONE_ID",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/dnsZones/example.com",
        ),
    );
    let on = ("GATEWAY", "true");
    for (variables, expected) in [
        (vec![on, zone], "azd env set PUBLIC_HOST "),
        (vec![on, host], "azd env set DNS_ZONE_ID "),
        (vec![on, host, zone], ""),
        (vec![], ""),
    ] {
        let output = Stage::new().run("preflight.sh", &variables);
        let said = told(&output);
        assert_eq!(output.status.success(), expected.is_empty(), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn preflight_refuses_what_cannot_be_changed() {
    let deployed = [
        ("DEPLOYED_PROFILE", "workshop"),
        ("DEPLOYED_PRIVATE_ENDPOINTS", "false"),
        ("DEPLOYED_NODE_SIZE", "Standard_D2ds_v5"),
    ];
    for (asked, expected) in [
        (
            ("PROFILE", "production"),
            "PROFILE is workshop where this environment runs, and cannot become production\n  azd env set PROFILE workshop;",
        ),
        (
            ("PRIVATE_ENDPOINTS", "true"),
            "azd env set PRIVATE_ENDPOINTS false;",
        ),
        (
            ("NODE_SIZE", "Standard_D4ds_v5"),
            "azd env set NODE_SIZE Standard_D2ds_v5;",
        ),
        // What may be.
        (("PROFILE", "workshop"), ""),
        (("KEDA", "true"), ""),
    ] {
        let again: Vec<_> = deployed.into_iter().chain([asked]).collect();
        let output = Stage::new().run("preflight.sh", &again);
        let said = told(&output);
        assert_eq!(output.status.success(), expected.is_empty(), "{said}");
        assert!(said.contains(expected), "{said}");

        let first = Stage::new().run("preflight.sh", &[asked]);
        assert!(
            first.status.success(),
            "for the first time: {}",
            told(&first)
        );
    }
}

#[test]
fn preflight_tells_of_a_deleted_vault_that_keeps_the_name() {
    let variables = [
        ("AZURE_ENV_NAME", "lab"),
        ("AZURE_LOCATION", "swedencentral"),
        ("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION),
    ];
    for (answer, expected) in [
        (
            "kv-1\\t",
            Some(
                "az keyvault purge --subscription 33333333-3333-4333-8333-333333333333 --name kv-1\n",
            ),
        ),
        ("kv-1\\ttrue", Some("azd env new")),
        ("", None),
        // Who may not look is not kept from going on.
        ("fail", None),
    ] {
        let stage = Stage::new().answering("az keyvault list-deleted", answer);
        let output = stage.run("preflight.sh", &variables);
        let said = told(&output);
        assert_eq!(output.status.success(), expected.is_none(), "{said}");
        assert!(said.contains(expected.unwrap_or_default()), "{said}");
        let asked = stage.calls().pop().unwrap_or_default();
        let of_this_one = format!(
            "--subscription {SUBSCRIPTION} --resource-type vault --query [?properties.tags.\"azd-env-name\"=='lab' && properties.location=='swedencentral']."
        );
        assert!(asked.contains(&of_this_one), "{asked}");
    }
}

#[test]
fn preflight_wants_more_of_whoever_switches_keda_on() {
    let definitions = "az rest --method get --query value[?(contains(actions, 'Microsoft.Authorization/roleDefinitions/write')";
    for (keda, answer, expected) in [
        (
            "true",
            "0",
            "or for User Access Administrator beside Contributor",
        ),
        ("true", "1", ""),
        ("false", "0", ""),
    ] {
        let stage = Stage::new().answering(definitions, answer);
        let output = stage.run("preflight.sh", &[("KEDA", keda)]);
        let said = told(&output);
        assert_eq!(output.status.success(), expected.is_empty(), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
