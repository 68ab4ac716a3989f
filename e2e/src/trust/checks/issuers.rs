//! Issuers: that of an AKS cluster ends with a slash, and is compared to the
//! character.

use crate::node::Place;
use crate::trust::World;
use crate::trust::finding::{Code, Report};

pub(super) fn check(world: &World, report: &mut Report) {
    for setting in &world.objects.settings {
        let what = format!("the setting {}", setting.name);
        issuer(&what, &setting.name, &setting.value, &setting.place, report);
    }
    for identity in &world.access.identities {
        for credential in &identity.credentials {
            if let Some(node) = credential.get("issuer") {
                let what = format!("a federated credential of `{}`", identity.name);
                let found = node.text().unwrap_or_default();
                issuer(&what, &identity.name, found, &node.place, report);
            }
        }
    }
}

fn issuer(what: &str, about: &str, found: &str, place: &Place, report: &mut Report) {
    if !is_of_aks(found) || found.ends_with('/') {
        return;
    }
    report.add(
        Code::IssuerSlash,
        place,
        about,
        format!("{what} names the issuer `{found}` without its trailing slash; tokens have it, and issuers are compared to the character"),
        format!("write {found}/"),
    );
}

/// `https://<region>.oic.<domain>/<tenant>/<id>`, which other issuers are not.
fn is_of_aks(text: &str) -> bool {
    let Some((host, path)) = text
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let path = path.trim_end_matches('/');
    host.split('.').nth(1) == Some("oic") && path.split('/').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_issuers_of_aks_have_to_end_with_a_slash() {
        for (text, expected) in [
            ("https://eastus.oic.prod-aks.azure.com/t/c", true),
            ("https://eastus.oic.prod-aks.azure.com/t/c/", true),
            ("https://oidc.eks.eu-west-1.amazonaws.com/id/X", false),
            ("https://token.actions.githubusercontent.com", false),
            (
                "https://eastus.oic.prod-aks.azure.com/t/c/openid/v1/jwks",
                false,
            ),
            ("eastus.oic.prod-aks.azure.com/t/c", false),
        ] {
            assert_eq!(is_of_aks(text), expected, "{text}");
        }
    }
}
