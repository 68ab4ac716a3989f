//! What the API server says to a new pod, beside its webhooks: refusals in its
//! form, a missing service account, and the rules for names and volumes.
//!
//! Texts after Kubernetes: `plugin/pkg/admission/serviceaccount`,
//! `apiserver/pkg/admission/plugin/webhook/errors`, `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Volume};
use serde_json::{Value, json};

/// The webhook's name in its configuration.
const WEBHOOK: &str = "mutation.azure-workload-identity.io";

/// Why a pod is not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// The HTTP status.
    pub code: u16,
    /// The API's reason, such as `Forbidden`; a webhook's answer has none.
    pub reason: Option<&'static str>,
    /// The whole text.
    pub message: String,
    /// The fields that are not valid, each with what is wrong with it.
    pub fields: Vec<(String, String)>,
}

impl Denial {
    fn new(code: u16, reason: Option<&'static str>, message: String) -> Self {
        Self {
            code,
            reason,
            message,
            fields: Vec::new(),
        }
    }

    /// By an admission plugin of the API server.
    pub(crate) fn forbidden(pod: &Pod, why: &str) -> Self {
        let message = format!("pods {:?} is forbidden: {why}", name(pod));
        Self::new(403, Some("Forbidden"), message)
    }

    /// By the workload-identity webhook: 400 for every error of its own, and no
    /// reason beside the text.
    pub(crate) fn by_webhook(why: &str) -> Self {
        let message = format!("admission webhook {WEBHOOK:?} denied the request: {why}");
        Self::new(400, None, message)
    }

    /// The request is no pod that could be looked at.
    pub(crate) fn bad_request(why: &str) -> Self {
        Self::new(400, Some("BadRequest"), why.to_owned())
    }

    /// What the real thing does, and the local cloud does not.
    pub(crate) fn not_played(what: &str) -> Self {
        let message = format!("the local cloud does not implement {what}");
        Self::new(501, None, message)
    }

    /// The pod was admitted, and does not come up.
    pub(crate) fn internal(why: String) -> Self {
        Self::new(500, Some("InternalError"), why)
    }

    fn invalid(pod: &Pod, fields: Vec<(String, String)>) -> Self {
        let errors: Vec<_> = fields
            .iter()
            .map(|(field, problem)| format!("{field}: {problem}"))
            .collect();
        let errors = match &errors[..] {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        Self {
            fields,
            ..Self::new(
                422,
                Some("Invalid"),
                format!("Pod {:?} is invalid: {errors}", name(pod)),
            )
        }
    }

    /// The answer's body: the API's `Status`.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if let Some(reason) = self.reason {
            status["reason"] = reason.into();
        }
        if !self.fields.is_empty() {
            let causes = self.fields.iter().map(|(field, problem)| {
                let reason = if problem.starts_with("Not found") {
                    "FieldValueNotFound"
                } else {
                    "FieldValueInvalid"
                };
                json!({ "reason": reason, "message": problem, "field": field })
            });
            status["details"] = json!({ "kind": "Pod", "causes": causes.collect::<Vec<_>>() });
        }
        status
    }
}

fn name(pod: &Pod) -> &str {
    let metadata = &pod.metadata;
    let name = metadata.name.as_deref();
    name.or(metadata.generate_name.as_deref())
        .unwrap_or_default()
}

/// The service account that a pod runs as.
pub(crate) fn service_account(pod: &Pod) -> &str {
    let spec = pod.spec.as_ref();
    spec.and_then(|spec| spec.service_account_name.as_deref())
        .filter(|name| !name.is_empty())
        .unwrap_or("default")
}

/// A pod that was made from a prefix gets the rest of its name after admission.
pub(crate) fn generate_name(pod: &mut Pod) {
    // What Kubernetes takes: no vowels, and nothing that looks like something else.
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let metadata = &mut pod.metadata;
    let is_named = metadata.name.as_ref().is_some_and(|name| !name.is_empty());
    if let (false, Some(prefix)) = (is_named, &metadata.generate_name) {
        let random = uuid::Uuid::new_v4();
        let suffix = random.as_bytes().iter().take(5);
        let suffix = suffix.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        metadata.name = Some(prefix.chars().chain(suffix).collect());
    }
}

/// The API server's rules, as far as they are about names, mounts and tokens:
/// names of volumes and paths of tokens become paths on this machine.
pub(crate) fn validate(pod: &Pod) -> Result<(), Denial> {
    let mut problems = Vec::new();
    for (field, text) in [
        ("metadata.name", &pod.metadata.name),
        ("metadata.namespace", &pod.metadata.namespace),
    ] {
        let text = text.as_deref().unwrap_or_default();
        if !is_label(text) {
            problems.push((field.to_owned(), not_a_name(text)));
        }
    }
    if let Some(spec) = &pod.spec {
        for (number, volume) in spec.volumes.iter().flatten().enumerate() {
            check_volume(volume, &format!("spec.volumes[{number}]"), &mut problems);
        }
        check_mounts(spec, &mut problems);
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Denial::invalid(pod, problems))
}

type Problems = Vec<(String, String)>;

fn check_volume(volume: &Volume, field: &str, problems: &mut Problems) {
    if !is_label(&volume.name) {
        problems.push((format!("{field}.name"), not_a_name(&volume.name)));
    }
    let projected = volume.projected.iter();
    let sources = projected.flat_map(|projected| projected.sources.iter().flatten());
    for (number, source) in sources.enumerate() {
        let Some(token) = &source.service_account_token else {
            continue;
        };
        let seconds = token.expiration_seconds.unwrap_or(3600);
        let limit = if seconds < 600 {
            Some("less than 10 minutes")
        } else if seconds > 1 << 32 {
            Some("larger than 2^32 seconds")
        } else {
            None
        };
        if let Some(limit) = limit {
            problems.push((
                format!(
                    "{field}.projected.sources[{number}].serviceAccountToken.expirationSeconds"
                ),
                format!("Invalid value: {seconds}: may not specify a duration {limit}"),
            ));
        }
        if !is_within_volume(&token.path) {
            problems.push((
                format!("{field}.projected.path"),
                format!(
                    "Invalid value: {:?}: must be a relative path and must not contain '..'",
                    token.path
                ),
            ));
        }
    }
}

/// Every mount is of a volume that the pod has.
fn check_mounts(spec: &PodSpec, problems: &mut Problems) {
    let kinds: [(&str, &[Container]); 2] = [
        (
            "initContainers",
            spec.init_containers.as_deref().unwrap_or_default(),
        ),
        ("containers", &spec.containers),
    ];
    let has = |name: &str| {
        let mut volumes = spec.volumes.iter().flatten();
        volumes.any(|volume| volume.name == name)
    };
    for (kind, containers) in kinds {
        for (container, of) in containers.iter().enumerate() {
            for (number, mount) in of.volume_mounts.iter().flatten().enumerate() {
                if !has(&mount.name) {
                    problems.push((
                        format!("spec.{kind}[{container}].volumeMounts[{number}].name"),
                        format!("Not found: {:?}", mount.name),
                    ));
                }
            }
        }
    }
}

fn not_a_name(text: &str) -> String {
    format!(
        "Invalid value: {text:?}: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"
    )
}

/// A relative path without a part that begins with two dots, as Kubernetes wants
/// it too: those are the volume's own.
fn is_within_volume(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && !part.starts_with("..");
    path.split('/').all(plain)
}

/// A DNS label, as Kubernetes names are: also safe as a part of a path.
pub(crate) fn is_label(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 63 && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(value: Value) -> Pod {
        serde_json::from_value(value).expect("a pod")
    }

    fn with_token(token: &Value) -> Pod {
        pod(json!({
            "metadata": { "namespace": "ns", "name": "p" },
            "spec": { "containers": [], "volumes": [
                { "name": "v", "projected": { "sources": [{ "serviceAccountToken": token }] } } ] },
        }))
    }

    #[test]
    fn a_refusal_has_the_form_of_the_api() {
        let pod = with_token(&json!({ "path": "token", "expirationSeconds": 599 }));

        let status = validate(&pod).expect_err("too short").status();

        let field = "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds";
        let problem = "Invalid value: 599: may not specify a duration less than 10 minutes";
        assert_eq!(
            status,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": format!("Pod \"p\" is invalid: {field}: {problem}"),
                "reason": "Invalid", "code": 422,
                "details": { "kind": "Pod", "causes": [
                    { "reason": "FieldValueInvalid", "message": problem, "field": field } ] },
            })
        );
        let by_webhook = Denial::by_webhook("no").status();
        assert_eq!(by_webhook["code"], 400);
        assert_eq!(by_webhook.get("reason"), None);
    }

    #[test]
    fn a_token_lives_ten_minutes_or_longer() {
        for (seconds, is_valid) in [(599, false), (600, true), (1_i64 << 33, false)] {
            let pod = with_token(&json!({ "path": "token", "expirationSeconds": seconds }));
            assert_eq!(validate(&pod).is_ok(), is_valid, "{seconds}");
        }
    }

    #[test]
    fn a_token_path_that_leaves_its_volume_is_not_admitted() {
        for path in ["../token", "/token", "a/../../token", "..data", ""] {
            let denial = validate(&with_token(&json!({ "path": path }))).expect_err(path);
            assert!(
                denial.message.contains("must be a relative path"),
                "{denial}"
            );
        }
    }

    #[test]
    fn a_name_that_leaves_its_directory_is_not_admitted() {
        for (namespace, name, volume) in [
            ("ns", "../p", "v"),
            ("../ns", "p", "v"),
            ("ns", "p", "../v"),
            ("ns", "p", ""),
        ] {
            let pod = pod(json!({
                "metadata": { "namespace": namespace, "name": name },
                "spec": { "containers": [], "volumes": [{ "name": volume }] },
            }));
            let denial = validate(&pod).expect_err("no name");
            assert_eq!(denial.code, 422, "{denial}");
        }
    }

    #[test]
    fn a_mount_of_a_volume_that_is_not_there_is_not_admitted() {
        let pod = pod(json!({
            "metadata": { "namespace": "ns", "name": "p" },
            "spec": { "containers": [
                { "name": "c", "volumeMounts": [{ "name": "gone", "mountPath": "/x" }] } ] },
        }));

        assert_eq!(
            validate(&pod).expect_err("no volume").message,
            "Pod \"p\" is invalid: spec.containers[0].volumeMounts[0].name: Not found: \"gone\""
        );
    }

    #[test]
    fn a_prefix_becomes_a_name_with_five_letters_more() {
        let mut pod = pod(json!({ "metadata": { "generateName": "backend-" } }));

        generate_name(&mut pod);

        let name = pod.metadata.name.expect("a name");
        assert!(name.starts_with("backend-") && name.len() == 13, "{name}");
    }
}
