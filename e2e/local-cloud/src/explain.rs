//! Why something was refused: the difference between what was presented and
//! what is trusted or granted, field by field and down to the character, and
//! how to mend it.
//!
//! An [`Explanation`] is made at the moment of a refusal, when both sides are
//! known, and lies in the audit beside the decision. The command `explain` makes
//! the same from a text that somebody kept. There is one text of it: [`text`].
//! Nothing here decides, and nothing of a token's signature ever comes here.

use serde::{Deserialize, Serialize};

pub mod admission;
mod az;
mod clues;
pub mod codes;
mod differences;
pub mod exchange;
mod explainer;
mod reading;
mod report;
pub mod role;
pub mod text;
mod times;
pub mod token;

pub use differences::{Against, Difference, Parting};
pub use explainer::{Explainer, Finding};
pub use report::{Claim, Granted, TokenReport, Verdict};

/// The five steps of every access, as `docs/access-paths.md` counts them.
pub const STEPS: [&str; 5] = [
    "Kubernetes issues a token to the pod",
    "the pod asks Entra ID with it",
    "Entra ID checks the trust",
    "Entra ID issues an access token",
    "the resource checks token and role",
];

/// Longer texts from outside are cut before they are kept or shown: issuer,
/// subject and audience of a credential have no more characters.
const LONGEST: usize = 600;

/// Why something was refused, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The code, as the service says it: `AADSTS700213`, `ForbiddenByRbac`, `403/5302`.
    pub code: String,
    /// At which of the five steps, from 1.
    pub step: u8,
    /// What happened, in a sentence.
    pub summary: String,
    /// Where what was presented and what is trusted or granted part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The fields that are the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same: Vec<String>,
    /// The usual causes, where no difference tells the cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// How to see which cause it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// What mends it; the likeliest first.
    pub fixes: Vec<Fix>,
}

/// One thing that mends a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// What to do.
    pub what: String,
    /// The file in which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The command that does it on Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub az: Option<String>,
    /// What of the manifests it is about, for who knows where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<Spot>,
}

/// A place in Kubernetes manifests, by what stands there. The cloud does not
/// know the files; [`Explanation::located`] puts them in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spot {
    /// What it is.
    pub kind: SpotKind,
    /// The namespace of the service account.
    pub namespace: String,
    /// The service account that the pod or the annotation is of.
    pub service_account: String,
}

/// What stands at a [`Spot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SpotKind {
    /// `serviceAccountName` of the pods.
    ServiceAccountName,
    /// The label `azure.workload.identity/use` of the pods.
    UseLabel,
    /// The annotation `azure.workload.identity/client-id` of the service account.
    ClientId,
    /// The annotation `azure.workload.identity/tenant-id` of the service account.
    TenantId,
    /// The annotation `azure.workload.identity/service-account-token-expiration`.
    TokenExpiration,
    /// The service account itself.
    ServiceAccount,
}

impl Fix {
    /// Something to do that stands in no file.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            file: None,
            line: None,
            az: None,
            spot: None,
        }
    }

    /// The fix, at a line of a file; without one nothing is added.
    #[must_use]
    pub fn at(mut self, file: &str, line: Option<usize>) -> Self {
        if line.is_some() {
            self.file = Some(file.to_owned());
            self.line = line;
        }
        self
    }

    fn with_az(mut self, az: Option<String>) -> Self {
        self.az = az;
        self
    }

    fn with_spot(mut self, kind: SpotKind, account: &crate::model::ServiceAccount) -> Self {
        self.spot = Some(Spot {
            kind,
            namespace: account.namespace.clone(),
            service_account: account.name.clone(),
        });
        self
    }
}

impl Explanation {
    /// What is known of a code alone, without what led to it.
    pub(crate) fn of_code(code: &str) -> Self {
        let Some(known) = codes::find(code) else {
            return Self {
                code: code.to_owned(),
                step: 5,
                summary: format!("`{code}` is no code that is known here."),
                differences: Vec::new(),
                same: Vec::new(),
                causes: Vec::new(),
                checks: Vec::new(),
                fixes: Vec::new(),
            };
        };
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Self {
            code: code.to_owned(),
            step: known.step,
            summary: known.means.to_owned(),
            differences: Vec::new(),
            same: Vec::new(),
            causes: owned(known.causes),
            checks: owned(known.check),
            fixes: known.mend.iter().map(|&what| Fix::new(what)).collect(),
        }
    }

    /// Puts file and line to every fix that is about the manifests.
    #[must_use]
    pub fn located(mut self, find: impl Fn(&Spot) -> Option<(String, usize)>) -> Self {
        for fix in &mut self.fixes {
            if let Some((file, line)) = fix.spot.as_ref().and_then(&find) {
                fix.file = Some(file);
                fix.line = Some(line);
            }
        }
        self
    }

    /// Sets fields against one another: what differs, and the names of what does not.
    fn compare(&mut self, field: &str, presented: &str, trusted: &str, against: Against) {
        match Difference::between(field, presented, trusted, against) {
            Some(difference) => self.differences.push(difference),
            None => self.same.push(field.to_owned()),
        }
    }

    /// With a cause found, the usual ones are of no use.
    fn cause_is_known(&mut self, summary: String) {
        self.summary = summary;
        self.causes.clear();
        self.checks.clear();
        self.fixes.clear();
    }
}

/// A text from outside, no longer than it is of use. A token has no place in any
/// field that is explained, whoever put it there.
fn cut(text: &str) -> String {
    if text.contains("eyJ") {
        return "(a token)".to_owned();
    }
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
