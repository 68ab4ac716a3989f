//! A token request that Entra ID refused: what the assertion says, against what
//! the identity trusts.

use time::OffsetDateTime;

use super::differences::likeness;
use super::times::{from_now, length, moment};
use super::{Against, Difference, Explanation, Fix, SpotKind, az, cut};
use crate::entra::EXCHANGE_AUDIENCE;
use crate::model::{Model, ServiceAccount};
use crate::names;

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
    let mut story = Story {
        explanation: Explanation::of_code(code),
        attempt,
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

    /// The credential that comes nearest to the assertion: of the identity that
    /// was asked for, or, if that is not known, of any.
    fn nearest(&self) -> Option<&Trust> {
        let presented = &self.attempt.assertion;
        let own = |trust: &&Trust| {
            let identity = self.attempt.identity.as_deref();
            identity.is_none_or(|identity| identity == trust.identity)
        };
        let alike = |field: &Option<String>, trusted: &str| {
            field.as_deref().map_or(0, |field| {
                // A field that is right counts for more than any likeness.
                usize::from(field == trusted) * 10_000 + likeness(&cut(field), trusted)
            })
        };
        self.known.trusts.iter().filter(own).max_by_key(|trust| {
            alike(&presented.issuer, &trust.issuer)
                + alike(&presented.subject, &trust.subject)
                + alike(&presented.audience, &trust.audience)
        })
    }

    fn mismatch(&mut self) {
        let Some(trust) = self.nearest().cloned() else {
            return self.nothing_trusted();
        };
        let presented = self.attempt.assertion.clone();
        let fields = [
            ("issuer", &presented.issuer, &trust.issuer),
            ("subject", &presented.subject, &trust.subject),
            ("audience", &presented.audience, &trust.audience),
        ];
        for (field, presented, trusted) in fields {
            if let Some(presented) = presented {
                self.explanation
                    .compare(field, presented, trusted, Against::Trusted);
            }
        }
        let Some(first) = self.explanation.differences.first() else {
            return;
        };
        let summary = format!(
            "No federated credential of identity `{}` trusts this token: its {} is not the one in `{}`, the credential that comes nearest.",
            trust.identity, first.field, trust.name
        );
        let differs: Vec<_> = self
            .explanation
            .differences
            .iter()
            .map(|d| d.field.clone())
            .collect();
        self.explanation.cause_is_known(summary);
        for field in differs {
            match field.as_str() {
                "issuer" => self.mend_issuer(&trust),
                "subject" => self.mend_subject(&trust),
                _ => self.mend_audience(&trust),
            }
        }
    }

    fn mend_issuer(&mut self, trust: &Trust) {
        let issuer = self.attempt.assertion.issuer.as_deref().unwrap_or_default();
        let subject = self.attempt.assertion.subject.as_deref();
        let az = az::update_credential(
            &trust.name,
            &trust.identity,
            issuer,
            subject.unwrap_or(&trust.subject),
            EXCHANGE_AUDIENCE,
        );
        let line = line_of(self.known.model, trust);
        let fix = Fix::new("If this is your cluster's issuer, make the credential's the same, to the character; here is who it trusts")
            .at(self.file(), line)
            .with_az(az);
        self.explanation.fixes.push(fix);
        self.explanation.fixes.push(
            Fix::new("See what your cluster calls itself; on AKS the slash at the end is a part of it")
                .with_az(Some("az aks show --resource-group GROUP --name CLUSTER --query oidcIssuerProfile.issuerUrl --output tsv".to_owned())),
        );
    }

    fn mend_subject(&mut self, trust: &Trust) {
        let subject = self.attempt.assertion.subject.clone().unwrap_or_default();
        let Some(presented) = account(&subject) else {
            let what = "Present the token of a Kubernetes service account: its subject is system:serviceaccount:NAMESPACE:NAME";
            self.explanation.fixes.push(Fix::new(what));
            return;
        };
        let owner = self
            .known
            .trusts
            .iter()
            .find(|other| other.subject == subject && other.identity != trust.identity);
        if let Some(owner) = owner.cloned() {
            self.mend_another_ones_subject(trust, &owner, &presented);
        } else if let Some(trusted) = account(&trust.subject) {
            let fix = Fix::new(format!(
                "Run the pod as the service account that is trusted: serviceAccountName: {} in namespace {}",
                trusted.name, trusted.namespace
            ));
            self.explanation
                .fixes
                .push(fix.with_spot(SpotKind::ServiceAccountName, &trusted));
        }
        let file = self.file().to_owned();
        let line = line_of(self.known.model, trust);
        let issuer = self
            .attempt
            .assertion
            .issuer
            .as_deref()
            .unwrap_or(&trust.issuer);
        let fix = Fix::new(format!(
            "Or let identity `{}` trust it too: {{ \"namespace\": \"{}\", \"name\": \"{}\" }} in its serviceAccounts",
            trust.identity, presented.namespace, presented.name
        ));
        let fix =
            fix.at(&file, line)
                .with_az(az::create_credential(&trust.identity, issuer, &subject));
        self.explanation.fixes.push(fix);
    }

    /// The subject is right, but of another identity: then the client id is not.
    fn mend_another_ones_subject(
        &mut self,
        trust: &Trust,
        owner: &Trust,
        presented: &ServiceAccount,
    ) {
        self.explanation.summary = format!(
            "{} It is identity `{}` that trusts this service account.",
            self.explanation.summary, owner.identity
        );
        let client_id = self.client_id(&owner.identity).unwrap_or_default();
        let fix = Fix::new(format!(
            "Ask with the client id of `{}`: azure.workload.identity/client-id: {client_id} on service account {}",
            owner.identity, presented.name
        ));
        self.explanation.fixes.push(
            fix.with_spot(SpotKind::ClientId, presented)
                .with_az(az::show_client_id(&owner.identity)),
        );
        if let Some(trusted) = account(&trust.subject) {
            let fix = Fix::new(format!(
                "Or run the pod as the service account that `{}` trusts: serviceAccountName: {}",
                trust.identity, trusted.name
            ));
            self.explanation
                .fixes
                .push(fix.with_spot(SpotKind::ServiceAccountName, presented));
        }
    }

    fn mend_audience(&mut self, trust: &Trust) {
        let what = "Present the token of the file that AZURE_FEDERATED_TOKEN_FILE names: another projected token is for another service";
        let line = line_of(self.known.model, trust);
        let az = (trust.audience != EXCHANGE_AUDIENCE).then(|| {
            az::update_credential(
                &trust.name,
                &trust.identity,
                &trust.issuer,
                &trust.subject,
                EXCHANGE_AUDIENCE,
            )
        });
        let fix = Fix::new(what).at(self.file(), line).with_az(az.flatten());
        self.explanation.fixes.push(fix);
    }

    fn nothing_trusted(&mut self) {
        let identity = self.attempt.identity.clone();
        let identity = identity.or_else(|| {
            let client = self.attempt.client_id.as_deref()?;
            self.identity_of(client).map(str::to_owned)
        });
        let Some(identity) = identity else {
            return;
        };
        let assertion = &self.attempt.assertion;
        let subject = assertion.subject.clone();
        let difference = Difference::whole(
            "federated credential",
            subject.clone(),
            None,
            Against::Trusted,
            format!("identity `{identity}` has no federated credential"),
        );
        self.explanation.cause_is_known(format!(
            "Identity `{identity}` has no federated credential, so it trusts no token at all."
        ));
        self.explanation.differences.push(difference);
        let example = "system:serviceaccount:NAMESPACE:NAME".to_owned();
        let what = match subject.as_deref().and_then(account) {
            Some(account) => format!(
                "Let `{identity}` trust it: {{ \"namespace\": \"{}\", \"name\": \"{}\" }} in its serviceAccounts",
                account.namespace, account.name
            ),
            None => {
                format!("Let `{identity}` trust the pod's service account, in its serviceAccounts")
            }
        };
        let line = self.known.model.places.identity(&identity);
        let issuer = assertion.issuer.clone();
        let issuer = issuer.unwrap_or_else(names::cluster_issuer);
        let fix = Fix::new(what)
            .at(self.file(), line)
            .with_az(az::create_credential(
                &identity,
                &issuer,
                &subject.unwrap_or(example),
            ));
        self.explanation.fixes.push(fix);
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
                (of_subject, likeness(&cut(&client), &principal.client_id))
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
        let nearest = nearest.max_by_key(|known| likeness(&cut(asked), known));
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
        self.explanation.fixes = vec![Fix::new(format!("Ask for {}", cut(&expected)))];
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
