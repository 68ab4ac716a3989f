//! A token request that Entra ID refused: what the assertion says, against what
//! the identity trusts.

use time::OffsetDateTime;

use super::differences::likeness;
use super::times::{from_now, length, moment};
use super::{Against, Difference, Explanation, Fix, SpotKind, az, cut};
use crate::entra::EXCHANGE_AUDIENCE;
use crate::model::{Model, ServiceAccount};
use crate::names;

mod trust;

/// The longest life of an assertion that Entra ID accepts.
const LONGEST_LIFE: i64 = 25 * 60 * 60;

/// A token request, as far as it got or is known.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// The tenant of the path.
    pub tenant: Option<String>,
    /// The client id.
    pub client_id: Option<String>,
    /// The identity of that client id, by its name in the access model.
    pub identity: Option<String>,
    /// What was asked for.
    pub scope: Option<String>,
    /// What the assertion says.
    pub assertion: Assertion,
}

/// The claims of an assertion, as far as they are known; none is verified.
#[derive(Clone, Debug, Default)]
pub struct Assertion {
    /// `iss`
    pub issuer: Option<String>,
    /// `sub`
    pub subject: Option<String>,
    /// `aud`
    pub audience: Option<String>,
    /// `nbf`, or else `iat`
    pub from: Option<i64>,
    /// `exp`
    pub until: Option<i64>,
    /// The key's id.
    pub kid: Option<String>,
}

impl Attempt {
    /// The same, with every text from outside as short as it is of use.
    fn bounded(&self) -> Self {
        let short = |text: &Option<String>| text.as_deref().map(cut);
        Self {
            tenant: short(&self.tenant),
            client_id: short(&self.client_id),
            identity: self.identity.clone(),
            scope: short(&self.scope),
            assertion: Assertion {
                issuer: short(&self.assertion.issuer),
                subject: short(&self.assertion.subject),
                audience: short(&self.assertion.audience),
                kid: short(&self.assertion.kid),
                ..self.assertion
            },
        }
    }
}

/// One federated credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The identity that has it.
    pub identity: String,
    /// The credential's name.
    pub name: String,
    /// The issuer that it trusts.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The audience.
    pub audience: String,
}

impl Trust {
    /// The trust of an identity in a service account of the cluster.
    pub fn in_account(identity: &str, account: &ServiceAccount, issuer: &str) -> Self {
        Self {
            identity: identity.to_owned(),
            name: format!("{}-{}", account.namespace, account.name),
            issuer: issuer.to_owned(),
            subject: account.subject(),
            audience: EXCHANGE_AUDIENCE.to_owned(),
        }
    }
}

/// An identity's ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The identity's name in the access model.
    pub name: String,
    /// What a token request names.
    pub client_id: String,
    /// What role assignments name.
    pub object_id: String,
}

/// What an exchange is measured against.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The access model.
    pub model: &'a Model,
    /// Every federated credential that there is.
    pub trusts: &'a [Trust],
    /// The identities with their ids.
    pub principals: &'a [Principal],
    /// The tenant.
    pub tenant: &'a str,
    /// The resources that tokens can be had for.
    pub resources: &'a [String],
    /// The time.
    pub now: OffsetDateTime,
}

/// Explains a refusal of the token endpoint; `code` is such as `AADSTS700213`.
pub fn explain(code: &str, attempt: &Attempt, known: &Known<'_>) -> Explanation {
    let attempt = attempt.bounded();
    let mut story = Story {
        explanation: Explanation::of_code(code),
        attempt: &attempt,
        known,
    };
    match code.trim_start_matches("AADSTS") {
        "700211" | "700212" | "700213" | "7002138" | "70021" => story.mismatch(),
        "70025" => story.nothing_trusted(),
        "700016" => story.unknown_client(),
        "90002" | "900023" | "900021" => story.tenant(),
        "700024" => story.times(),
        "70023" => story.lifetime(),
        "700222" => story.not_an_assertion(),
        "7000272" => story.unknown_key(),
        "500011" => story.resource(),
        "1002012" => story.without_default(),
        _ => {}
    }
    story.explanation
}

struct Story<'a> {
    explanation: Explanation,
    attempt: &'a Attempt,
    known: &'a Known<'a>,
}

impl Story<'_> {
    fn file(&self) -> &str {
        &self.known.model.places.file
    }

    fn unknown_client(&mut self) {
        let Some(client) = self.attempt.client_id.clone() else {
            return;
        };
        // The service account of the token says whose client id it should be.
        let subject = self.attempt.assertion.subject.as_deref();
        let by_subject = subject.and_then(|subject| {
            let trust = self
                .known
                .trusts
                .iter()
                .find(|trust| trust.subject == subject)?;
            Some(trust.identity.clone())
        });
        let principals = self.known.principals.iter();
        let by_object = principals
            .clone()
            .find(|principal| principal.object_id.eq_ignore_ascii_case(&client));
        let nearest = by_object.or_else(|| {
            principals.max_by_key(|principal| {
                let of_subject = Some(&principal.name) == by_subject.as_ref();
                (of_subject, likeness(&client, &principal.client_id))
            })
        });
        let Some(Principal {
            name: identity,
            client_id: expected,
            ..
        }) = nearest.cloned()
        else {
            return;
        };
        let mut summary = format!(
            "No identity has the client id that the request names; the nearest is that of `{identity}`."
        );
        if by_object.is_some() {
            summary = format!(
                "The request names the object id of `{identity}` in place of its client id."
            );
        }
        self.explanation.cause_is_known(summary);
        self.explanation
            .compare("client id", &client, &expected, Against::Trusted);
        let account = self.known.model.accounts_of(&identity).first().cloned();
        let mut fix = Fix::new(format!(
            "Set azure.workload.identity/client-id: {expected} on the service account, and start the pod anew"
        ))
        .with_az(az::show_client_id(&identity));
        if let Some(account) = account {
            fix = fix.with_spot(SpotKind::ClientId, &account);
        }
        self.explanation.fixes.push(fix);
        let line = self.known.model.places.identity(&identity);
        let declared = Fix::new("Or declare the identity that is meant").at(self.file(), line);
        self.explanation.fixes.push(declared);
    }

    fn tenant(&mut self) {
        let Some(tenant) = self.attempt.tenant.clone() else {
            return;
        };
        self.explanation
            .compare("tenant", &tenant, self.known.tenant, Against::Expected);
        if self.explanation.differences.is_empty() {
            return;
        }
        let summary = self.explanation.summary.clone();
        self.explanation.cause_is_known(summary);
        let mut fix = Fix::new(format!(
            "Set azure.workload.identity/tenant-id: {} on the service account, or remove it so that the webhook's tenant counts",
            self.known.tenant
        ))
        .with_az(Some("az account show --query tenantId --output tsv".to_owned()));
        let subject = self.attempt.assertion.subject.as_deref();
        if let Some(account) = subject.and_then(account) {
            fix = fix.with_spot(SpotKind::TenantId, &account);
        }
        self.explanation.fixes.push(fix);
    }

    fn times(&mut self) {
        let Assertion { from, until, .. } = self.attempt.assertion;
        let time = |seconds: Option<i64>| OffsetDateTime::from_unix_timestamp(seconds?).ok();
        let now = self.known.now;
        let (field, at, words) = match (time(from), time(until)) {
            (_, Some(until)) if now >= until => {
                let late = length((now - until).whole_seconds());
                (
                    "expiry",
                    until,
                    format!("it expired {late} before it was presented"),
                )
            }
            (Some(from), _) if now < from => {
                let early = length((from - now).whole_seconds());
                ("start", from, format!("it was presented {early} too early"))
            }
            _ => return,
        };
        let mends: Vec<_> = std::mem::take(&mut self.explanation.fixes);
        self.explanation.cause_is_known(
            "The service account's token was not valid when it was presented.".to_owned(),
        );
        self.explanation.fixes = mends;
        self.explanation.differences.push(Difference::whole(
            field,
            Some(moment(at)),
            Some(format!("{} (the time then)", moment(now))),
            Against::Expected,
            words,
        ));
        if field == "start" {
            let what = "Set the clocks: that of the cluster's node is ahead of the time, or Entra ID's is behind";
            self.explanation.fixes = vec![Fix::new(what)];
        }
    }

    fn lifetime(&mut self) {
        let Assertion { from, until, .. } = self.attempt.assertion;
        let (Some(from), Some(until)) = (from, until) else {
            return;
        };
        self.explanation.differences.push(Difference::whole(
            "lifetime",
            Some(length(until - from)),
            Some(format!("{} at most", length(LONGEST_LIFE))),
            Against::Expected,
            format!("it is {} too long", length(until - from - LONGEST_LIFE)),
        ));
    }

    fn not_an_assertion(&mut self) {
        let Some(issuer) = self.attempt.assertion.issuer.clone() else {
            return;
        };
        let trusted = self.nearest().map(|trust| trust.issuer.clone());
        let trusted = trusted.unwrap_or_else(names::cluster_issuer);
        self.explanation
            .compare("issuer", &issuer, &trusted, Against::Trusted);
    }

    fn unknown_key(&mut self) {
        let Some(kid) = self.attempt.assertion.kid.clone() else {
            return;
        };
        self.explanation.differences.push(Difference::whole(
            "key id",
            Some(kid),
            None,
            Against::Trusted,
            "the issuer publishes no key of this id",
        ));
    }

    fn resource(&mut self) {
        let Some(scope) = self.attempt.scope.clone() else {
            return;
        };
        let asked = scope.strip_suffix("/.default").unwrap_or(&scope);
        let nearest = self.known.resources.iter();
        let nearest = nearest.max_by_key(|known| likeness(asked, known));
        let Some(nearest) = nearest.cloned() else {
            return;
        };
        self.explanation
            .compare("resource", asked, &nearest, Against::Expected);
        self.explanation.fixes.insert(
            0,
            Fix::new(format!(
                "If this resource is meant, ask for {nearest}/.default"
            )),
        );
    }

    fn without_default(&mut self) {
        let Some(scope) = self.attempt.scope.clone() else {
            return;
        };
        let expected = format!("{}/.default", scope.trim_end_matches('/'));
        self.explanation
            .compare("scope", &scope, &expected, Against::Expected);
        self.explanation.causes.clear();
        self.explanation.fixes = vec![Fix::new(format!("Ask for {expected}"))];
    }

    fn client_id(&self, identity: &str) -> Option<&str> {
        let found = self
            .known
            .principals
            .iter()
            .find(|one| one.name == identity);
        found.map(|one| one.client_id.as_str())
    }

    fn identity_of(&self, client_id: &str) -> Option<&str> {
        let same = |one: &&Principal| one.client_id.eq_ignore_ascii_case(client_id);
        let found = self.known.principals.iter().find(same);
        found.map(|one| one.name.as_str())
    }
}

/// Where the access model says what a credential trusts, or else its identity.
pub(super) fn line_of(model: &Model, trust: &Trust) -> Option<usize> {
    let places = &model.places;
    let line = account(&trust.subject).and_then(|account| places.account(&account));
    line.or_else(|| places.identity(&trust.identity))
}

/// The service account of a subject such as `system:serviceaccount:ns:name`.
pub(super) fn account(subject: &str) -> Option<ServiceAccount> {
    let (namespace, name) = subject
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    let is_name = |text: &str| !text.is_empty() && text.len() <= 253 && !text.contains(':');
    (is_name(namespace) && is_name(name)).then(|| ServiceAccount {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

/// How a time stands to now, for the text of a token.
pub(super) fn told(seconds: i64, now: OffsetDateTime) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_or_else(|_| format!("{seconds}"), |at| from_now(at, now))
}
