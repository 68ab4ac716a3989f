//! What the manifests promise: which way each pod may go, that no pod can be root or
//! write to its image, that each has the time to end that it needs, and that every
//! overlay's service accounts are those of the access model.
//!
//! The base is read as it is written. The overlays are rendered by Kustomize, which
//! `bash .ci/lint` brings; without it their trials are ignored, and say so, and with
//! `E2E_STRICT=1` they fail. Each check is tried on planted mistakes, too.

mod endings;
mod kustomize;
mod network;
mod objects;
mod overlays;
mod posture;
mod trust;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use kustomize::Kustomize;
use objects::Objects;

/// A text of the manifests, what is written in its place, and what is found then.
struct Mistake {
    from: &'static str,
    to: &'static str,
    found: &'static str,
}

const fn mistake(from: &'static str, to: &'static str, found: &'static str) -> Mistake {
    Mistake { from, to, found }
}

/// A trial by the name of what holds, after the part that it is of.
fn trial(
    part: &str,
    name: &str,
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    Trial::test(format!("{part}: {name}"), run)
}

/// A trial of what Kustomize renders.
fn with_kustomize(
    part: &str,
    name: &str,
    kustomize: Option<&Kustomize>,
    run: fn(&Kustomize) -> Result<(), Failed>,
) -> Trial {
    let kustomize = kustomize.cloned();
    trial(part, name, move || {
        run(&kustomize.ok_or("there is no kubectl: bash .ci/lint brings one")?)
    })
}

/// Fails with the problems, if there are any.
fn none(problems: &[String]) -> Result<(), Failed> {
    match problems {
        [] => Ok(()),
        problems => Err(Failed::from(problems.join("\n"))),
    }
}

/// Plants each mistake in the text, the first time that it occurs, and looks for what
/// has to be found.
fn each_is_found(
    text: &str,
    mistakes: &[Mistake],
    check: impl Fn(&Objects) -> Vec<String>,
) -> Result<(), Failed> {
    for Mistake { from, to, found } in mistakes {
        if !text.contains(from) {
            return Err(format!("`{from}` is not in the manifests").into());
        }
        let objects = Objects::parse(&text.replacen(from, to, 1))?;
        let problems = check(&objects);
        if !problems.iter().any(|problem| problem.contains(found)) {
            let how = format!("`{from}` -> `{to}`: `{found}` is not among {problems:#?}");
            return Err(how.into());
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_strict = e2e::is_strict();
    let kustomize = Kustomize::find();
    let mut trials = network::trials();
    trials.extend(posture::trials());
    trials.extend(endings::trials());
    let mut with_kustomize = overlays::trials(kustomize.as_ref());
    with_kustomize.extend(trust::trials(kustomize.as_ref()));
    if kustomize.is_none() && !is_strict {
        let ignored = |trial: Trial| {
            trial
                .with_kind("needs kubectl: bash .ci/lint brings one")
                .with_ignored_flag(true)
        };
        trials.extend(with_kustomize.into_iter().map(ignored));
    } else {
        trials.extend(with_kustomize);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
