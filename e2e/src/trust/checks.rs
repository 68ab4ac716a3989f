//! The checks, a file for each kind of thing that is looked at.

mod accounts;
mod audiences;
mod grants;
mod identities;
mod issuers;
mod pods;

use super::World;
use super::finding::{Accepted, Code, Report};

/// Runs all checks, and takes out what is accepted.
pub(super) fn all(world: &World) -> Report {
    let mut report = Report::default();
    for check in [
        accounts::check,
        pods::check,
        audiences::check,
        issuers::check,
        identities::check,
        grants::check,
    ] {
        check(world, &mut report);
    }
    accept(world, &mut report);
    report
        .findings
        .sort_by(|a, b| (&a.place, a.code).cmp(&(&b.place, b.code)));
    report
}

fn accept(world: &World, report: &mut Report) {
    let exceptions = world.uses.iter().flat_map(|uses| &uses.exceptions);
    for exception in exceptions {
        let is_it = |finding: &super::Finding| {
            finding.code.name() == exception.code && finding.about == exception.about
        };
        let found = std::mem::take(&mut report.findings);
        let (accepted, left): (Vec<_>, Vec<_>) = found.into_iter().partition(is_it);
        report.findings = left;
        if accepted.is_empty() {
            let what = format!("`{}` of `{}`", exception.code, exception.about);
            report.add(
                Code::StaleException,
                &exception.place,
                &exception.about,
                format!("{what} is accepted here, and is not found"),
                "take the exception out".to_owned(),
            );
        }
        let because = &exception.because;
        report
            .accepted
            .extend(accepted.into_iter().map(|finding| Accepted {
                finding,
                because: because.clone(),
            }));
    }
}
