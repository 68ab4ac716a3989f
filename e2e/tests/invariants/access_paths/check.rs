//! Code and access model against each other, in both directions.

use super::note::{Note, Reliance};
use super::source::{Function, Source};
use super::{Grant, Model};

/// What is wrong, a sentence each.
pub(super) fn problems(sources: &[Source], model: &Model) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        problems.extend(source.problems.iter().cloned());
        problems.extend(without_a_line(source, sources));
        for function in &source.functions {
            problems.extend(not_granted(source, function, model));
            problems.extend(undocumented(source, function));
        }
    }
    problems.extend(not_relied_on(sources, model));
    problems
}

/// Handlers and jobs that do not say what they rely on.
fn without_a_line(source: &Source, sources: &[Source]) -> Vec<String> {
    let silent = |file: &str, function: &Function, what: &str| {
        function.notes.is_empty().then(|| {
            format!(
                "{file}: `{}` is {what} and says neither `// Identity ..` nor `// No identity: ..`",
                function.full_name()
            )
        })
    };
    let jobs = source.functions.iter().filter(|function| function.is_job);
    let mut problems: Vec<_> = jobs
        .filter_map(|function| silent(&source.file, function, "a job"))
        .collect();
    for handler in &source.handlers {
        match &find(handler, source, sources)[..] {
            [(file, function)] => problems.extend(silent(file, function, "a handler")),
            found => problems.push(format!(
                "{}: the handler `{handler}` is {} functions; it has to be one that is found by \
                 its module and name",
                source.file,
                found.len()
            )),
        }
    }
    problems
}

/// The functions that a path in a file may mean, each with its file.
fn find<'s>(
    handler: &str,
    source: &'s Source,
    sources: &'s [Source],
) -> Vec<(&'s str, &'s Function)> {
    let (module, name) = match handler.rsplit_once("::") {
        Some((path, name)) => (path.rsplit("::").next(), name),
        None => (None, handler),
    };
    let crate_of = |file: &str| file.split('/').next().map(str::to_owned);
    let candidates = sources.iter().filter(|other| match module {
        None => other.file == source.file,
        Some(module) => {
            crate_of(&other.file) == crate_of(&source.file)
                && other.file.ends_with(&format!("/{module}.rs"))
        }
    });
    let functions = candidates.flat_map(|source| {
        let functions = source.functions.iter();
        functions.map(|function| (source.file.as_str(), function))
    });
    functions
        .filter(|(_, function)| function.of.is_none() && function.name == name)
        .collect()
}

/// A function of the document has to say what it does.
fn undocumented(source: &Source, function: &Function) -> Option<String> {
    let silent = function.does.is_empty() && reliances(function).next().is_some();
    let name = function.full_name();
    silent.then(|| format!("{}: `{name}` does not say what it does", source.file))
}

/// What a function says to rely on, and nobody gave.
fn not_granted(source: &Source, function: &Function, model: &Model) -> Vec<String> {
    let missing = reliances(function).filter(|(identity, reliance)| {
        reliance.grant(identity, model).is_none() && reliance.call(identity, model).is_none()
    });
    let problems = missing.map(|(identity, reliance)| {
        format!(
            "{}: `{}` relies on {reliance:?} of `{identity}`, which infra/access.json does not give",
            source.file,
            function.full_name()
        )
    });
    problems.collect()
}

/// What the model gives, and no function says to rely on.
fn not_relied_on(sources: &[Source], model: &Model) -> Vec<String> {
    let functions = sources.iter().flat_map(|source| &source.functions);
    let reliances: Vec<_> = functions.flat_map(reliances).collect();
    let is_relied_on = |grant: &Grant| {
        let mut relied = reliances.iter();
        relied.any(|(identity, reliance)| reliance.grant(identity, model) == Some(grant))
    };
    let is_spare = |grant: &Grant| model.spare.iter().any(|spare| spare.is(grant));
    let grants = model.grants.iter();
    let grants = grants.filter(|grant| !is_relied_on(grant) && !is_spare(grant));
    let spare = model.spare.iter().filter(|spare| {
        let mut grants = model.grants.iter();
        !grants.any(|grant| spare.is(grant) && !is_relied_on(grant))
    });
    let calls = model.calls.iter().filter(|call| {
        let mut relied = reliances.iter();
        !relied.any(|(identity, reliance)| reliance.call(identity, model) == Some(call))
    });
    let unused = "is in infra/access.json and no function relies on it";
    grants
        .map(|grant| format!("{grant:?} {unused}"))
        .chain(calls.map(|call| format!("{call:?} {unused}")))
        .chain(spare.map(|spare| format!("{spare:?} is no grant, or a function relies on it")))
        .collect()
}

/// What a function relies on, for each identity.
fn reliances(function: &Function) -> impl Iterator<Item = (&str, &Reliance)> {
    let relying = function.notes.iter().filter_map(|note| match note {
        Note::Relies { identities, on } => Some((identities, on)),
        Note::Needs { .. } => None,
    });
    relying.flat_map(|(identities, on)| identities.iter().map(move |own| (own.as_str(), on)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access_paths::Spare;

    const API: &str = "\
fn routes() { Router::new().route(\"/todos\", get(todos::show)) }
";
    const TODOS: &str = "\
/// Shows.
// Identity backend, Reader on container todos.
pub(super) async fn show() {}
";
    const CLIENT: &str = "\
/// Asks.
// Identity frontend, call to backend.
async fn ask() {}
";

    fn model() -> Model {
        let scope = "cosmos/databases/todolist/containers/todos";
        let model = json!({
            "grants": [{ "identity": "backend", "role": "Reader", "scope": scope }],
            "calls": [{ "from": "frontend", "to": "backend", "audience": "a" }],
        });
        serde_json::from_value(model).expect("a model")
    }

    #[test]
    fn a_spare_grant_is_one_that_no_function_relies_on() {
        let code = |text| [Source::read("backend/src/api.rs", text)];
        let mut model = model();
        model.calls.clear();
        model.spare = vec![Spare {
            identity: "backend".to_owned(),
            scope: "cosmos/databases/todolist/containers/todos".to_owned(),
            why: "it may be used one day".to_owned(),
        }];

        assert_eq!(problems(&code(""), &model), Vec::<String>::new());
        let used = problems(&code(TODOS), &model).join("");
        assert!(used.contains("or a function relies on it"), "{used}");
        model.grants.clear();
        let gone = problems(&code(""), &model).join("");
        assert!(gone.contains("is no grant"), "{gone}");
    }

    /// The problems of a tree in which one text is replaced by another.
    fn planted(from: &str, to: &str) -> String {
        let changed = |text: &str| text.replace(from, to);
        let sources = [
            Source::read("backend/src/api.rs", &changed(API)),
            Source::read("backend/src/api/todos.rs", &changed(TODOS)),
            Source::read("frontend/src/backend.rs", &changed(CLIENT)),
        ];
        problems(&sources, &model()).join("\n")
    }

    #[test]
    fn a_tree_that_agrees_with_the_model_has_no_problem() {
        assert_eq!(planted("", ""), "");
    }

    #[test]
    fn each_disagreement_between_code_and_model_is_a_problem() {
        for (from, to, expected) in [
            (
                "Reader on",
                "Writer on",
                "which infra/access.json does not give",
            ),
            (
                "container todos",
                "container other",
                "which infra/access.json does not give",
            ),
            (
                "Identity backend",
                "Identity worker",
                "which infra/access.json does not give",
            ),
            (
                "call to backend",
                "call to worker",
                "which infra/access.json does not give",
            ),
            (
                "// Identity backend, Reader on container todos.",
                "// No identity: it says so.",
                "Grant { identity: \"backend\", role: \"Reader\"",
            ),
            (
                "// Identity frontend, call to backend.",
                "",
                "Call { from: \"frontend\"",
            ),
            (
                "// Identity backend, Reader on container todos.",
                "",
                "`show` is a handler and says neither",
            ),
            ("/// Shows.", "", "`show` does not say what it does"),
            (
                "todos::show",
                "todos::shown",
                "the handler `todos::shown` is 0 functions",
            ),
            (
                "async fn ask() {}",
                "async fn ask() {}\n\nimpl Handler for Recorder {\n    async fn handle() {}\n}",
                "`Recorder::handle` is a job and says neither",
            ),
        ] {
            let problems = planted(from, to);
            assert!(problems.contains(expected), "{from} -> {to}: {problems:?}");
        }
    }
}
