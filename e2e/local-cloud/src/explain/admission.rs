//! A pod that was not admitted: what its manifest says, against what there is.

use super::differences::likeness;
use super::{Against, Difference, Explanation, Fix, SpotKind, cut};
use crate::model::ServiceAccount;

/// Explains the text with which a pod was refused. `accounts` are the service
/// accounts of the cluster.
pub fn explain(
    refusal: &str,
    account: &ServiceAccount,
    accounts: &[ServiceAccount],
) -> Explanation {
    let account = &ServiceAccount {
        namespace: cut(&account.namespace),
        name: cut(&account.name),
    };
    if let Some(rest) = refusal.split("token expiration ").nth(1) {
        return expiration(rest, account);
    }
    if refusal.contains("error looking up service account") {
        return no_account(account, accounts);
    }
    Explanation {
        code: "AdmissionRefused".to_owned(),
        step: 1,
        summary: format!("The pod was not admitted: {}.", cut(refusal)),
        differences: Vec::new(),
        same: Vec::new(),
        causes: Vec::new(),
        checks: Vec::new(),
        fixes: vec![
            Fix::new("Correct in the pod's manifest what the text names")
                .with_spot(SpotKind::ServiceAccountName, account),
        ],
    }
}

fn expiration(rest: &str, account: &ServiceAccount) -> Explanation {
    let mut explanation = Explanation::of_code("AdmissionTokenExpiration");
    let presented = rest.split(" not valid").next().unwrap_or_default();
    let words = match presented.parse::<i64>() {
        Ok(seconds) if seconds < 3600 => format!("it is {} too small", 3600 - seconds),
        Ok(seconds) => format!("it is {} too large", seconds.saturating_sub(86400)),
        Err(_) => "it is no whole number of seconds".to_owned(),
    };
    explanation.differences.push(Difference::whole(
        "service-account-token-expiration",
        Some(presented.to_owned()),
        Some("3600 to 86400".to_owned()),
        Against::Expected,
        words,
    ));
    explanation.causes.clear();
    explanation.checks.clear();
    explanation.fixes = vec![
        Fix::new("Set azure.workload.identity/service-account-token-expiration to a number of 3600 to 86400, or remove it: 3600 is the default")
            .with_spot(SpotKind::TokenExpiration, account),
    ];
    explanation
}

fn no_account(account: &ServiceAccount, accounts: &[ServiceAccount]) -> Explanation {
    let mut explanation = Explanation::of_code("AdmissionServiceAccount");
    let path = |account: &ServiceAccount| format!("{}/{}", account.namespace, account.name);
    let wanted = path(account);
    let nearest = accounts
        .iter()
        .max_by_key(|other| likeness(&wanted, &path(other)));
    explanation.cause_is_known(format!(
        "The pod was not admitted: there is no service account `{}` in namespace `{}`.",
        account.name, account.namespace
    ));
    match nearest {
        Some(nearest) => {
            explanation.compare(
                "service account",
                &wanted,
                &path(nearest),
                Against::Expected,
            );
            let what = format!(
                "If `{}` is meant, write serviceAccountName: {} in namespace {}",
                nearest.name, nearest.name, nearest.namespace
            );
            explanation
                .fixes
                .push(Fix::new(what).with_spot(SpotKind::ServiceAccountName, account));
        }
        None => explanation.differences.push(Difference::whole(
            "service account",
            Some(wanted),
            None,
            Against::Expected,
            "the cluster has no service account at all",
        )),
    }
    let what = "Or apply the service account before the pod";
    explanation
        .fixes
        .push(Fix::new(what).with_spot(SpotKind::ServiceAccount, account));
    explanation
}
