//! Six lines from facts, one for each prerequisite.

use super::difference;
use super::facts::{Account, Credential, Facts, Pod, Verified, fill};
use crate::trust::EXCHANGE_AUDIENCE;
use crate::trust::access::{Access, Identity, Trusted};

/// How a prerequisite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there.
    Met,
    /// Something of it is missing or wrong.
    Failed,
    /// What it is about is missing itself, so there is nothing to look at.
    NotChecked,
}

/// A prerequisite.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: u8,
    /// What it is.
    pub title: &'static str,
    /// How it stands.
    pub state: State,
    /// The value found.
    pub found: String,
    /// Where it was found.
    pub from: String,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Something that is missing or wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What it is.
    pub what: String,
    /// Where that was found.
    pub from: String,
    /// What to do.
    pub fix: String,
}

fn problem(what: impl Into<String>, from: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem {
        what: what.into(),
        from: from.into(),
        fix: fix.into(),
    }
}

/// What one prerequisite comes to.
#[derive(Default)]
struct Findings {
    found: Vec<String>,
    from: Vec<String>,
    problems: Vec<Problem>,
}

impl Findings {
    fn good(&mut self, found: impl Into<String>, from: impl Into<String>) {
        let from = from.into();
        self.found.push(found.into());
        if !self.from.contains(&from) {
            self.from.push(from);
        }
    }

    fn line(self, number: u8, title: &'static str) -> Line {
        let state = match (self.problems.is_empty(), self.found.is_empty()) {
            (false, _) => State::Failed,
            (true, false) => State::Met,
            (true, true) => State::NotChecked,
        };
        Line {
            number,
            title,
            state,
            found: self.found.join(", "),
            from: self.from.join(", "),
            problems: self.problems,
        }
    }
}

/// The six lines.
pub(super) fn lines(wanted: &Access, facts: &Facts) -> Vec<Line> {
    vec![
        cluster(facts).line(1, "cluster with OIDC issuer and workload identity"),
        accounts(wanted, facts).line(2, "namespace and service account"),
        identities(wanted, facts).line(3, "identity"),
        credentials(wanted, facts).line(4, "federated credential"),
        roles(wanted, facts).line(5, "roles"),
        workload(wanted, facts).line(6, "workload deployed, authentication verified"),
    ]
}

fn cluster(facts: &Facts) -> Findings {
    let mut findings = Findings::default();
    let fix = facts.fixes.cluster;
    let from = &facts.issuer.from;
    let Some(issuer) = &facts.issuer.value else {
        let what = "the cluster has no OIDC issuer";
        findings.problems.push(problem(what, from, fix));
        return findings;
    };
    findings.good(issuer, from);
    let published_from = &facts.published.from;
    match &facts.published.value {
        Ok(published) if published == issuer => findings.good("published", published_from),
        Ok(published) => findings.problems.push(problem(
            difference::told("issuer", issuer, published),
            format!("{from}; {published_from}"),
            format!("write {published} wherever the issuer is named"),
        )),
        Err(why) => findings.problems.push(problem(
            format!("its discovery document cannot be read: {why}"),
            published_from,
            fix,
        )),
    }
    let webhook = &facts.workload_identity;
    if webhook.value {
        findings.good("workload identity on", &webhook.from);
    } else {
        let what = "workload identity is off, so no pod is changed";
        findings.problems.push(problem(what, &webhook.from, fix));
    }
    findings
}

fn accounts(wanted: &Access, facts: &Facts) -> Findings {
    let mut findings = Findings::default();
    for (_, trusted) in trusted(wanted) {
        let Trusted {
            namespace, name, ..
        } = trusted;
        if !facts.namespaces.value.contains(namespace) {
            findings.problems.push(problem(
                format!(
                    "there is no namespace `{namespace}`, of which {} speaks",
                    trusted.place
                ),
                &facts.namespaces.from,
                fill(facts.fixes.namespace, &[namespace]),
            ));
        } else if let Some(account) = account(facts, trusted) {
            findings.good(format!("{namespace}/{name}"), &account.from);
        } else {
            findings.problems.push(problem(
                format!(
                    "there is no service account `{namespace}/{name}`, which {} trusts",
                    trusted.place
                ),
                &facts.namespaces.from,
                fill(facts.fixes.account, &[namespace, name]),
            ));
        }
    }
    findings
}

fn identities(wanted: &Access, facts: &Facts) -> Findings {
    let mut findings = Findings::default();
    for identity in needed(wanted) {
        let name = &identity.name;
        let Some(known) = facts.identities.get(name) else {
            findings.problems.push(problem(
                format!("there is no identity `{name}`"),
                identity.place.to_string(),
                fill(facts.fixes.identity, &[name]),
            ));
            continue;
        };
        findings.good(format!("{name} {}", known.client_id), &known.from);
        for account in identity
            .accounts
            .iter()
            .filter_map(|own| account(facts, own))
        {
            let about = format!("{}/{}", account.namespace, account.name);
            let fix = fill(
                facts.fixes.client_id,
                &[&account.namespace, &account.name, &known.client_id],
            );
            match &account.client_id {
                Some(id) if id.value.eq_ignore_ascii_case(&known.client_id) => {}
                Some(id) => findings.problems.push(problem(
                    format!(
                        "service account `{about}` has the client id `{}`, and not `{}` of `{name}`",
                        id.value, known.client_id
                    ),
                    &id.from,
                    fix,
                )),
                None => findings.problems.push(problem(
                    format!("service account `{about}` has no client id"),
                    &account.from,
                    fix,
                )),
            }
        }
    }
    findings
}

fn credentials(wanted: &Access, facts: &Facts) -> Findings {
    let mut findings = Findings::default();
    // The issuer that tokens will have.
    let Ok(issuer) = &facts.published.value else {
        return findings;
    };
    for (identity, trusted) in trusted(wanted) {
        let Some(known) = facts.identities.get(&identity.name) else {
            continue;
        };
        let subject = subject(trusted);
        let good = known.credentials.iter().any(|credential| {
            credential.issuer == *issuer
                && credential.subject == subject
                && credential
                    .audiences
                    .iter()
                    .any(|own| own == EXCHANGE_AUDIENCE)
        });
        if good {
            findings.good(format!("{} trusts {subject}", identity.name), &known.from);
            continue;
        }
        findings.problems.push(problem(
            mistrust(&identity.name, &known.credentials, issuer, &subject),
            format!("{}; {}", known.from, trusted.place),
            fill(facts.fixes.credential, &[&identity.name, issuer, &subject]),
        ));
    }
    findings
}

/// What is wrong with the credential that comes closest.
fn mistrust(identity: &str, credentials: &[Credential], issuer: &str, subject: &str) -> String {
    let likeness = |credential: &&Credential| {
        let audience = credential
            .audiences
            .iter()
            .any(|own| own == EXCHANGE_AUDIENCE);
        // A credential of the right subject is the one that was meant.
        2 * u8::from(credential.subject == subject)
            + u8::from(credential.issuer == issuer)
            + u8::from(audience)
    };
    let Some(closest) = credentials.iter().max_by_key(likeness) else {
        return format!(
            "identity `{identity}` has no federated credential, and `{subject}` needs one"
        );
    };
    let mut wrong = Vec::new();
    if closest.issuer != issuer {
        wrong.push(difference::told("issuer", &closest.issuer, issuer));
    }
    if closest.subject != subject {
        wrong.push(difference::told("subject", &closest.subject, subject));
    }
    if !closest.audiences.iter().any(|own| own == EXCHANGE_AUDIENCE) {
        let found = closest.audiences.join(", ");
        wrong.push(difference::told("audience", &found, EXCHANGE_AUDIENCE));
    }
    format!(
        "no federated credential of `{identity}` trusts `{subject}`; of `{}` {}",
        closest.name,
        wrong.join("; ")
    )
}

fn roles(wanted: &Access, facts: &Facts) -> Findings {
    let mut findings = Findings::default();
    let mut there = 0;
    let mut from = String::new();
    for (grant, seen) in wanted.grants.iter().zip(&facts.grants) {
        if !facts.identities.contains_key(&grant.identity) {
            continue;
        }
        if seen.value {
            there += 1;
            from.clone_from(&seen.from);
            continue;
        }
        let (role, scope) = (&grant.role.name, &grant.scope.name);
        findings.problems.push(problem(
            format!(
                "`{}` has no `{role}` on `{scope}`, which {} grants",
                grant.identity, grant.role.place
            ),
            &seen.from,
            fill(facts.fixes.grant, &[&grant.identity, role, scope]),
        ));
    }
    for more in &facts.surplus {
        let (identity, role, scope) = (&more.identity, &more.role, &more.scope);
        findings.problems.push(problem(
            format!("`{identity}` has `{role}` on `{scope}`, which no grant gives it"),
            &more.from,
            fill(facts.fixes.surplus, &[identity, role, scope]),
        ));
    }
    if there > 0 {
        findings.good(format!("{there} role assignments"), from);
    }
    findings
}

fn workload(wanted: &Access, facts: &Facts) -> Findings {
    let mut findings = Findings::default();
    for (_, trusted) in trusted(wanted) {
        let Some(account) = account(facts, trusted) else {
            continue;
        };
        let about = format!("{}/{}", account.namespace, account.name);
        let pods: Vec<&Pod> = facts
            .pods
            .iter()
            .filter(|pod| pod.account == account.name && pod.namespace == account.namespace)
            .collect();
        if pods.is_empty() {
            findings.problems.push(problem(
                format!("no pod runs as service account `{about}`"),
                &account.from,
                fill(facts.fixes.pod, &[&account.namespace, &account.name]),
            ));
            continue;
        }
        let before = findings.problems.len();
        for pod in pods {
            findings.problems.extend(unready(pod, facts));
        }
        match &account.verified {
            // Whoever has no token because of the pod is told that alone.
            _ if findings.problems.len() > before => {}
            Verified::Yes(how) => findings.good(format!("{about} {}", how.value), &how.from),
            Verified::No(why) => findings.problems.push(problem(
                format!(
                    "authentication of `{about}` was not seen to work: {}",
                    why.value
                ),
                &why.from,
                fill(
                    facts.fixes.authentication,
                    &[&account.namespace, &account.name],
                ),
            )),
        }
    }
    findings
}

/// What keeps a pod from having a token.
fn unready(pod: &Pod, facts: &Facts) -> Option<Problem> {
    let Pod {
        name, namespace, ..
    } = pod;
    if !pod.labelled {
        return Some(problem(
            format!("{name} lacks the label azure.workload.identity/use: \"true\""),
            &pod.from,
            fill(facts.fixes.label, &[namespace, name]),
        ));
    }
    (pod.injected == Some(false)).then(|| {
        problem(
            format!("{name} has not been changed by the webhook: AZURE_CLIENT_ID or AZURE_FEDERATED_TOKEN_FILE is missing"),
            &pod.from,
            fill(facts.fixes.injection, &[namespace, name]),
        )
    })
}

/// The identities that have service accounts.
fn needed(wanted: &Access) -> impl Iterator<Item = &Identity> {
    let identities = wanted.identities.iter();
    identities.filter(|identity| !identity.accounts.is_empty())
}

fn trusted(wanted: &Access) -> impl Iterator<Item = (&Identity, &Trusted)> {
    needed(wanted).flat_map(|identity| identity.accounts.iter().map(move |own| (identity, own)))
}

fn account<'f>(facts: &'f Facts, trusted: &Trusted) -> Option<&'f Account> {
    facts
        .accounts
        .iter()
        .find(|account| account.namespace == trusted.namespace && account.name == trusted.name)
}

fn subject(trusted: &Trusted) -> String {
    format!(
        "system:serviceaccount:{}:{}",
        trusted.namespace, trusted.name
    )
}
