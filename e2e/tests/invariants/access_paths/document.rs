//! The document: each grant and call with the functions that rely on it.

use std::fmt::{Arguments, Write as _};

use super::note::{Note, Reliance};
use super::source::{Function, Source};
use super::{Call, Model};

const HEAD: &str = "\
# Access paths

Who relies on which role, and where in the code. Made from the lines `// Identity ..` above handlers, jobs and the
functions beneath them, and compared with `infra/access.json` by `e2e/tests/invariants/access_paths.rs`. Do not edit:

```sh
UPDATE_DOCS=1 cargo test -p e2e --test invariants access_paths
```
";

/// The whole document.
pub(super) fn markdown(sources: &[Source], model: &Model) -> String {
    let mut text = HEAD.to_owned();
    for identity in identities(model) {
        put(&mut text, format_args!("\n## `{identity}`\n"));
        for grant in model.grants.iter().filter(|g| g.identity == identity) {
            let title = format!("{} on {}", grant.role, resource(&grant.scope));
            put(
                &mut text,
                format_args!("\n### {title}\n\n`{}`\n\n", grant.scope),
            );
            match model.spare.iter().find(|spare| spare.is(grant)) {
                Some(spare) => put(
                    &mut text,
                    format_args!("Nothing relies on it: {}.\n", spare.why),
                ),
                None => table(
                    &mut text,
                    "What it does",
                    relying(sources, identity, |reliance| {
                        reliance.grant(identity, model) == Some(grant)
                    }),
                ),
            }
        }
        for call in model.calls.iter().filter(|call| call.from == identity) {
            let Call { to, audience, .. } = call;
            put(
                &mut text,
                format_args!(
                    "\n### Call to `{to}`, by Kubernetes' trust\n\nA token of the pod's service account, \
                 for the audience `{audience}`.\n\n"
                ),
            );
            table(
                &mut text,
                "What it does",
                relying(sources, identity, |reliance| {
                    reliance.call(identity, model) == Some(call)
                }),
            );
        }
    }
    text.push_str("\n## Without an identity\n\n");
    table(&mut text, "Why", without(sources));
    text
}

/// A row of a table: file, function, words about it.
type Row<'a> = (&'a Source, &'a Function, &'a str);

fn table<'a>(text: &mut String, about: &str, rows: impl Iterator<Item = Row<'a>>) {
    put(
        text,
        format_args!("| Function | File | {about} |\n|---|---|---|\n"),
    );
    for (source, function, words) in rows {
        let (name, file) = (function.full_name(), &source.file);
        put(text, format_args!("| `{name}` | `{file}` | {words} |\n"));
    }
}

/// The functions in which an identity relies on something, and what they do.
fn relying<'a>(
    sources: &'a [Source],
    identity: &'a str,
    is_it: impl Fn(&Reliance) -> bool + 'a,
) -> impl Iterator<Item = Row<'a>> {
    let relying = functions(sources).filter(move |(_, function)| {
        function.notes.iter().any(|note| match note {
            Note::Relies { identities, on } => {
                identities.iter().any(|own| own == identity) && is_it(on)
            }
            Note::Needs { .. } => false,
        })
    });
    relying.map(|(source, function)| (source, function, function.does.as_str()))
}

/// The functions that rely on nothing, and why.
fn without(sources: &[Source]) -> impl Iterator<Item = Row<'_>> {
    functions(sources).flat_map(|(source, function)| {
        let notes = function.notes.iter();
        notes.filter_map(move |note| match note {
            Note::Needs { none } => Some((source, function, none.as_str())),
            Note::Relies { .. } => None,
        })
    })
}

fn functions(sources: &[Source]) -> impl Iterator<Item = (&Source, &Function)> {
    sources.iter().flat_map(|source| {
        let functions = source.functions.iter();
        functions.map(move |function| (source, function))
    })
}

/// The identities in the order of their grants.
fn identities(model: &Model) -> Vec<&str> {
    let mut identities: Vec<_> = model.grants.iter().map(|g| g.identity.as_str()).collect();
    identities.dedup();
    identities
}

fn put(text: &mut String, more: Arguments<'_>) {
    text.write_fmt(more).expect("a string takes text");
}

/// A scope in words: `bus/queues/todo-events` is the queue `todo-events` of
/// Service Bus.
fn resource(scope: &str) -> String {
    let parts: Vec<_> = scope.split('/').collect();
    let service = match parts[0] {
        "vault" => "Key Vault",
        "cosmos" => "Cosmos DB",
        "storage" => "Blob Storage",
        "bus" => "Service Bus",
        other => other,
    };
    match parts[..] {
        [.., kind, name] => format!("{service} {} `{name}`", kind.trim_end_matches('s')),
        _ => service.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_grant_has_the_functions_that_rely_on_it() {
        let model = json!({
            "grants": [{ "identity": "worker", "role": "Receiver", "scope": "bus/queues/jobs" }],
            "calls": [],
        });
        let model = serde_json::from_value(model).expect("a model");
        let code = "/// Takes a job. It may wait.\n// Identity worker, Receiver on queue jobs.\nfn take() {}\n\n\
                    // No identity: it waits.\nfn wait() {}\n";

        let document = markdown(&[Source::read("backend/src/a.rs", code)], &model);

        for part in [
            "## `worker`\n\n### Receiver on Service Bus queue `jobs`\n\n`bus/queues/jobs`\n",
            "| `take` | `backend/src/a.rs` | Takes a job. |\n",
            "## Without an identity\n\n| Function | File | Why |\n|---|---|---|\n| `wait` | `backend/src/a.rs` | it waits |\n",
        ] {
            assert!(document.contains(part), "{document}");
        }
    }
}
