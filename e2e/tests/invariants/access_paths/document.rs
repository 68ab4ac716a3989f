//! The document: each grant and call with the functions that rely on it.

use std::fmt::Write as _;

use super::Model;
use super::note::{Note, Reliance};
use super::source::{Function, Source};

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
    let mut identities: Vec<&str> = Vec::new();
    for grant in &model.grants {
        if !identities.contains(&grant.identity.as_str()) {
            identities.push(&grant.identity);
        }
    }
    for identity in identities {
        write!(text, "\n## `{identity}`\n").expect("a string takes text");
        for grant in model
            .grants
            .iter()
            .filter(|grant| grant.identity == identity)
        {
            let title = format!("{} on {}", grant.role, resource(&grant.scope));
            if let Some(spare) = model.spare.iter().find(|spare| spare.is(grant)) {
                let scope = &grant.scope;
                write!(
                    text,
                    "\n### {title}\n\n`{scope}`\n\nNothing relies on it: {}.\n",
                    spare.why
                )
                .expect("a string takes text");
                continue;
            }
            let relying = |reliance: &Reliance| reliance.grant(identity, model) == Some(grant);
            section(
                &mut text,
                &title,
                &grant.scope,
                &rows(sources, identity, relying),
            );
        }
        for call in model.calls.iter().filter(|call| call.from == identity) {
            let title = format!("Call to `{}`, by Kubernetes' trust", call.to);
            let audience = format!("audience {}", call.audience);
            let relying = |reliance: &Reliance| reliance.call(identity, model) == Some(call);
            section(
                &mut text,
                &title,
                &audience,
                &rows(sources, identity, relying),
            );
        }
    }
    text.push_str("\n## Without an identity\n\n| Function | File | Why |\n|---|---|---|\n");
    for (source, function) in functions(sources) {
        for note in &function.notes {
            if let Note::Needs { none } = note {
                let (name, file) = (function.full_name(), &source.file);
                writeln!(text, "| `{name}` | `{file}` | {none}. |").expect("a string takes text");
            }
        }
    }
    text
}

fn section(text: &mut String, title: &str, scope: &str, rows: &str) {
    write!(
        text,
        "\n### {title}\n\n`{scope}`\n\n| Function | File | What it does |\n|---|---|---|\n{rows}"
    )
    .expect("a string takes text");
}

fn rows(sources: &[Source], identity: &str, relying: impl Fn(&Reliance) -> bool) -> String {
    let mut rows = String::new();
    for (source, function) in functions(sources) {
        let relies = function.notes.iter().any(|note| match note {
            Note::Relies { identities, on } => {
                identities.iter().any(|own| own == identity) && relying(on)
            }
            Note::Needs { .. } => false,
        });
        if relies {
            let (name, file, does) = (function.full_name(), &source.file, &function.does);
            writeln!(rows, "| `{name}` | `{file}` | {does} |").expect("a string takes text");
        }
    }
    rows
}

fn functions(sources: &[Source]) -> impl Iterator<Item = (&Source, &Function)> {
    sources.iter().flat_map(|source| {
        source
            .functions
            .iter()
            .map(move |function| (source, function))
    })
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
            "## Without an identity\n\n| Function | File | Why |\n|---|---|---|\n| `wait` | `backend/src/a.rs` | it waits. |\n",
        ] {
            assert!(document.contains(part), "{document}");
        }
    }
}
