//! The mode of a projected token's file, after Kubernetes
//! `pkg/volume/projected/projected.go` and `pkg/volume/volume_linux.go`.

use k8s_openapi::api::core::v1::{Container, PodSpec};

/// What a volume says about its files when it says nothing.
const DEFAULT: u32 = 0o644;

/// The volume's `defaultMode`; but for its owner alone, as soon as kubelet knows
/// an owner: one user of all containers, or a group of the pod. For a group,
/// kubelet then lets the group read.
pub(crate) fn of_token(spec: &PodSpec, default_mode: Option<i32>) -> u32 {
    let context = spec.security_context.as_ref();
    let group = context.and_then(|context| context.fs_group);
    match (group, one_user(spec)) {
        (Some(_), _) => 0o640,
        (None, Some(_)) => 0o600,
        (None, None) => default_mode
            .and_then(|mode| u32::try_from(mode).ok())
            .unwrap_or(DEFAULT),
    }
}

/// The user that every container runs as, if each says so and all are one.
fn one_user(spec: &PodSpec) -> Option<i64> {
    let context = spec.security_context.as_ref();
    let of_pod = context.and_then(|context| context.run_as_user);
    let user = |container: &Container| {
        let own = container.security_context.as_ref();
        own.and_then(|own| own.run_as_user).or(of_pod)
    };
    let first = spec.init_containers.iter().flatten();
    let mut users = first.chain(&spec.containers).map(user);
    let one = users.next()??;
    users.all(|user| user == Some(one)).then_some(one)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn mode(pod: &Value, containers: &Value, default_mode: Option<i32>) -> u32 {
        let spec = json!({ "securityContext": pod, "containers": containers });
        of_token(&serde_json::from_value(spec).expect("a spec"), default_mode)
    }

    fn running_as(user: Option<i64>) -> Value {
        json!({ "name": "c", "securityContext": { "runAsUser": user } })
    }

    #[test]
    fn a_pod_that_names_no_owner_has_the_mode_of_the_volume() {
        let one = json!([{ "name": "c" }]);
        assert_eq!(mode(&json!({}), &one, None), 0o644);
        assert_eq!(mode(&json!({}), &one, Some(0o440)), 0o440);
    }

    #[test]
    fn one_user_of_all_containers_reads_alone() {
        let user = json!({ "runAsUser": 10001 });
        assert_eq!(mode(&user, &json!([{ "name": "c" }]), Some(0o444)), 0o600);
        let two = json!([running_as(Some(7)), running_as(Some(7))]);
        assert_eq!(mode(&json!({}), &two, None), 0o600);
    }

    #[test]
    fn two_users_or_one_that_is_not_named_leave_the_mode_of_the_volume() {
        for second in [Some(8), None] {
            let two = json!([running_as(Some(7)), running_as(second)]);
            assert_eq!(mode(&json!({}), &two, None), 0o644, "{second:?}");
        }
    }

    #[test]
    fn a_group_of_the_pod_may_read() {
        let group = json!({ "fsGroup": 10001 });
        assert_eq!(mode(&group, &json!([{ "name": "c" }]), Some(0o400)), 0o640);
    }
}
