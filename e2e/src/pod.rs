//! From an admitted pod to a process: what a container runtime does, as far as a
//! process on one machine can have it.
//!
//! The process gets an empty environment plus exactly what manifests, webhook
//! and proxy feature give the container. Three things stand in for what only a
//! container has: a path below a mount becomes the volume's directory, a
//! container port becomes a port on loopback, and a Service's name becomes the
//! address of the pod behind it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};
use local_cloud::RunningPod;

use crate::manifests::Manifests;
use crate::process::Program;

/// What the environment of a pod is made with, beside its manifest.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The addresses of Services, by name.
    pub services: BTreeMap<String, SocketAddr>,
    /// The loopback port of each container port; 0 where any will do.
    pub ports: BTreeMap<i32, u16>,
    /// What a scenario sets on top.
    pub overrides: BTreeMap<String, String>,
    /// Where volumes from `ConfigMap`s are written.
    pub volumes: PathBuf,
    /// The file of the private CA.
    pub ca: PathBuf,
}

/// The program that plays a container of this pod.
pub fn program(
    name: &str,
    pod: &RunningPod,
    manifests: &Manifests,
    surroundings: &Surroundings,
) -> Result<Program> {
    let spec = pod.pod.spec.as_ref().context("the pod has no spec")?;
    let container = only_container(spec)?;
    let directories = volumes(pod, spec, manifests, &surroundings.volumes)?;
    let mut environment = environment(container, manifests)?;
    for value in environment.values_mut() {
        if let Some(path) = on_this_machine(value, container, &directories) {
            *value = path;
        } else if let Some(listen) = listen(value, container, &surroundings.ports) {
            *value = listen;
        } else if let Some(url) = service(value, &surroundings.services) {
            *value = url;
        }
    }
    environment.extend(surroundings.overrides.clone());
    let image = container
        .image
        .as_deref()
        .context("the container has no image")?;
    let (executable, mut arguments) = command(image)?;
    arguments.extend(container.args.clone().unwrap_or_default());
    Ok(Program {
        executable: executable.display().to_string(),
        arguments,
        environment,
        ..Program::named(name)
    })
}

/// The container of a pod.
pub fn only_container(spec: &PodSpec) -> Result<&Container> {
    match &spec.containers[..] {
        [container] => Ok(container),
        several => bail!(
            "the pod has {} containers; the harness runs one",
            several.len()
        ),
    }
}

/// The program of an image: this very executable, which is both; or, with
/// `E2E_BIN_DIR`, the separately built one, under a guard that ends it when the
/// harness goes away.
fn command(image: &str) -> Result<(PathBuf, Vec<String>)> {
    let program = image
        .split(':')
        .next()
        .and_then(|name| name.strip_prefix("todolist-"))
        .with_context(|| format!("the harness has no program for the image `{image}`"))?;
    let own = crate::executable()?;
    let arguments = match crate::binary_directory() {
        Some(directory) => vec![
            "guard".to_owned(),
            directory.join(program).display().to_string(),
        ],
        None => vec!["pod".to_owned(), program.to_owned()],
    };
    Ok((
        own,
        arguments.into_iter().chain(["--".to_owned()]).collect(),
    ))
}

/// The variables of a container, as the manifests say.
pub fn environment(
    container: &Container,
    manifests: &Manifests,
) -> Result<BTreeMap<String, String>> {
    let mut environment = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        let map = source
            .config_map_ref
            .as_ref()
            .context("envFrom is read from ConfigMaps only")?;
        let data = config_map(manifests, &map.name, map.optional)?;
        environment.extend(data.clone());
    }
    for EnvVar {
        name,
        value,
        value_from,
    } in container.env.iter().flatten()
    {
        if value_from.is_some() {
            bail!("the variable {name} is set with valueFrom, which the harness does not know");
        }
        environment.insert(name.clone(), value.clone().unwrap_or_default());
    }
    Ok(environment)
}

/// The data of a `ConfigMap`; none of one that is not there and need not be.
fn config_map<'m>(
    manifests: &'m Manifests,
    name: &str,
    optional: Option<bool>,
) -> Result<&'m BTreeMap<String, String>> {
    static NOTHING: BTreeMap<String, String> = BTreeMap::new();
    match manifests.config_maps.get(name) {
        Some(data) => Ok(data),
        None if optional == Some(true) => Ok(&NOTHING),
        None => bail!("there is no ConfigMap `{name}`"),
    }
}

/// Where each volume is: projected ones where kubelet put them, those from
/// `ConfigMap`s written here.
pub fn volumes(
    pod: &RunningPod,
    spec: &PodSpec,
    manifests: &Manifests,
    root: &Path,
) -> Result<BTreeMap<String, PathBuf>> {
    let mut directories = pod.volumes.clone();
    for volume in spec.volumes.iter().flatten() {
        let Some(source) = &volume.config_map else {
            continue;
        };
        let data = config_map(manifests, &source.name, source.optional)?;
        let directory = root.join(&volume.name);
        std::fs::create_dir_all(&directory)?;
        for (file, content) in data {
            std::fs::write(directory.join(file), content)?;
        }
        directories.insert(volume.name.clone(), directory);
    }
    Ok(directories)
}

fn on_this_machine(
    value: &str,
    container: &Container,
    directories: &BTreeMap<String, PathBuf>,
) -> Option<String> {
    container.volume_mounts.iter().flatten().find_map(|mount| {
        let below = value.strip_prefix(&mount.mount_path)?.strip_prefix('/')?;
        Some(
            directories
                .get(&mount.name)?
                .join(below)
                .display()
                .to_string(),
        )
    })
}

fn listen(value: &str, container: &Container, ports: &BTreeMap<i32, u16>) -> Option<String> {
    let port: i32 = value.strip_prefix("0.0.0.0:")?.parse().ok()?;
    let declared = container
        .ports
        .iter()
        .flatten()
        .any(|own| own.container_port == port);
    let local = ports.get(&port).copied().unwrap_or(0);
    declared.then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, local)).to_string())
}

fn service(value: &str, services: &BTreeMap<String, SocketAddr>) -> Option<String> {
    let url = reqwest::Url::parse(value).ok()?;
    let address = services.get(url.host_str()?)?;
    Some(format!("{}://{address}{}", url.scheme(), url.path()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_is_told_where_things_are_on_this_machine() {
        let manifests =
            Manifests::load(&crate::manifests::default_directory()).expect("valid manifests");
        let root = tempfile::tempdir().expect("a directory");
        let pod = RunningPod {
            pod: manifests.pod("frontend", "frontend-0").expect("a pod"),
            volumes: BTreeMap::from([(
                "backend-token".to_owned(),
                PathBuf::from("/state/backend-token"),
            )]),
        };
        let surroundings = Surroundings {
            services: BTreeMap::from([(
                "backend".to_owned(),
                SocketAddr::from((Ipv4Addr::LOCALHOST, 4321)),
            )]),
            ports: BTreeMap::from([(8080, 8081)]),
            overrides: BTreeMap::new(),
            volumes: root.path().to_owned(),
            ca: PathBuf::new(),
        };

        let program = program("frontend-0", &pod, &manifests, &surroundings).expect("a program");

        let env = |name: &str| program.environment[name].as_str();
        assert_eq!(env("BACKEND_TOKEN_FILE"), "/state/backend-token/token");
        assert_eq!(env("BACKEND_URL"), "http://127.0.0.1:4321/");
        assert_eq!(env("LISTEN"), "127.0.0.1:8081");
        assert_eq!(env("MANAGEMENT_LISTEN"), "127.0.0.1:0");
        assert!(Path::new(env("ACCESS_MODEL_FILE")).exists());
        assert_eq!(env("COSMOS_DATABASE"), "todolist");
        assert_eq!(
            program.environment.get("PATH"),
            None,
            "nothing of ours leaks into a pod"
        );
    }

    #[test]
    fn a_variable_that_cannot_be_resolved_is_an_error() {
        let container = serde_json::from_value(json!({
            "name": "c", "env": [{ "name": "X", "valueFrom": { "fieldRef": { "fieldPath": "a" } } }]
        }));
        let refusal = environment(&container.expect("a container"), &Manifests::default())
            .expect_err("valueFrom");
        assert!(
            refusal
                .to_string()
                .contains("the variable X is set with valueFrom"),
            "{refusal}"
        );
    }
}
