//! A token whose issuer, subject or audience no credential trusts: against the
//! credential that comes nearest.

use super::super::differences::likeness;
use super::super::{Against, Difference, Fix, SpotKind, az};
use super::{Story, Trust, account, line_of};
use crate::entra::EXCHANGE_AUDIENCE;
use crate::model::ServiceAccount;
use crate::names;

impl Story<'_> {
    /// The credential that comes nearest to the assertion: of the identity that
    /// was asked for, or, if that is not known, of any.
    pub(super) fn nearest(&self) -> Option<&Trust> {
        let presented = &self.attempt.assertion;
        let own = |trust: &&Trust| {
            let identity = self.attempt.identity.as_deref();
            identity.is_none_or(|identity| identity == trust.identity)
        };
        let alike = |field: &Option<String>, trusted: &str| {
            field.as_deref().map_or(0, |field| {
                // A field that is right counts for more than any likeness.
                usize::from(field == trusted) * 10_000 + likeness(field, trusted)
            })
        };
        self.known.trusts.iter().filter(own).max_by_key(|trust| {
            alike(&presented.issuer, &trust.issuer)
                + alike(&presented.subject, &trust.subject)
                + alike(&presented.audience, &trust.audience)
        })
    }

    pub(super) fn mismatch(&mut self) {
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
        let Trust { identity, name, .. } = &trust;
        let field = &first.field;
        let summary = if self.attempt.identity.is_some() {
            format!(
                "No federated credential of identity `{identity}` trusts this token: its {field} is not the one in `{name}`, the credential that comes nearest."
            )
        } else {
            format!(
                "No federated credential trusts this token: its {field} is not the one in `{name}` of identity `{identity}`, the credential that comes nearest."
            )
        };
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
        if self
            .known
            .model
            .accounts_of(&trust.identity)
            .contains(&presented)
        {
            return self.restore_subject(trust, &subject);
        }
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

    /// The access model trusts the subject, but the credential says another: it
    /// was changed since, or made by hand.
    fn restore_subject(&mut self, trust: &Trust, subject: &str) {
        self.explanation.summary.push_str(
            " The access model trusts this service account, so it is the credential that is wrong.",
        );
        let what = format!(
            "Set the subject of credential `{}` to what the access model says here",
            trust.name
        );
        let account = account(subject);
        let line = account.and_then(|account| self.known.model.places.account(&account));
        let issuer = self.attempt.assertion.issuer.as_deref();
        let fix = Fix::new(what)
            .at(self.file(), line)
            .with_az(az::update_credential(
                &trust.name,
                &trust.identity,
                issuer.unwrap_or(&trust.issuer),
                subject,
                EXCHANGE_AUDIENCE,
            ));
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

    pub(super) fn nothing_trusted(&mut self) {
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
        self.explanation.cause_is_known(format!(
            "Identity `{identity}` has no federated credential, so it trusts no token at all."
        ));
        if subject.is_some() {
            self.explanation.differences.push(Difference::whole(
                "federated credential",
                subject.clone(),
                None,
                Against::Trusted,
                format!("identity `{identity}` has no federated credential"),
            ));
        }
        let model = self.known.model;
        let account = subject.as_deref().and_then(account);
        let in_model = account
            .as_ref()
            .filter(|account| model.accounts_of(&identity).contains(account));
        let (what, line) = match (&account, in_model) {
            (_, Some(account)) => (
                "Create the credential that the access model has here; it was deleted, or never made".to_owned(),
                model.places.account(account),
            ),
            (Some(account), None) => (
                format!(
                    "Let `{identity}` trust it: {{ \"namespace\": \"{}\", \"name\": \"{}\" }} in its serviceAccounts",
                    account.namespace, account.name
                ),
                model.places.identity(&identity),
            ),
            (None, None) => (
                format!("Let `{identity}` trust the pod's service account, in its serviceAccounts"),
                model.places.identity(&identity),
            ),
        };
        let issuer = assertion
            .issuer
            .clone()
            .unwrap_or_else(names::cluster_issuer);
        let example = "system:serviceaccount:NAMESPACE:NAME".to_owned();
        let fix = Fix::new(what)
            .at(self.file(), line)
            .with_az(az::create_credential(
                &identity,
                &issuer,
                &subject.unwrap_or(example),
            ));
        self.explanation.fixes.push(fix);
    }
}
