//! The line above a function, read strictly.

use super::{Call, Grant, Model};

/// What the line above a function says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    /// `Identity <one>[ or <other>], <reliance>[; then <reliance> ..].`
    Relies {
        identities: Vec<String>,
        on: Vec<Reliance>,
    },
    /// `No identity: <why>.`
    Needs { none: String },
}

/// What is relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reliance {
    /// `<role> on <kind> <name>`, such as `... on queue todo-events`; or
    /// `on <kind>s <name> and <name>`.
    Role {
        role: String,
        /// The end of the scope, such as `queues/todo-events`.
        place: String,
    },
    /// `call to <service>`.
    Call { to: String },
}

/// What a scope's kind is called in `infra/access.json`.
const KINDS: [(&str, &str); 3] = [
    ("secret", "secrets"),
    ("container", "containers"),
    ("queue", "queues"),
];

impl Note {
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let said = line
            .strip_suffix('.')
            .ok_or_else(|| format!("`{line}` does not end with a full stop"))?;
        if let Some(why) = said.strip_prefix("No identity: ") {
            return Ok(Self::Needs {
                none: why.to_owned(),
            });
        }
        let (identities, on) = said
            .strip_prefix("Identity ")
            .and_then(|said| said.split_once(", "))
            .ok_or_else(|| format!("`{line}` is not `Identity <name>, <role> on <scope>.`"))?;
        let mut reliances = Vec::new();
        for part in on.split("; ") {
            let part = part.strip_prefix("then ").unwrap_or(part);
            reliances.extend(reliance(part)?);
        }
        Ok(Self::Relies {
            identities: identities.split(" or ").map(str::to_owned).collect(),
            on: reliances,
        })
    }
}

fn reliance(said: &str) -> Result<Vec<Reliance>, String> {
    if let Some(to) = said.strip_prefix("call to ") {
        return Ok(vec![Reliance::Call { to: to.to_owned() }]);
    }
    let wrong = || format!("`{said}` is neither `<role> on <kind> <name>` nor `call to <service>`");
    let (role, scope) = said.split_once(" on ").ok_or_else(wrong)?;
    let (kind, names) = scope.split_once(' ').ok_or_else(wrong)?;
    let (_, plural) = KINDS
        .into_iter()
        .find(|(one, several)| [*one, *several].contains(&kind))
        .ok_or_else(wrong)?;
    let names = names.split(" and ").map(|name| Reliance::Role {
        role: role.to_owned(),
        place: format!("{plural}/{name}"),
    });
    Ok(names.collect())
}

impl Reliance {
    /// The grant of the model that an identity relies on here, if there is one.
    pub(super) fn grant<'m>(&self, identity: &str, model: &'m Model) -> Option<&'m Grant> {
        let Self::Role { role, place } = self else {
            return None;
        };
        model.grants.iter().find(|grant| {
            grant.identity == identity
                && grant.role == *role
                && grant.scope.ends_with(&format!("/{place}"))
        })
    }

    /// The call of the model that an identity relies on here, if there is one.
    pub(super) fn call<'m>(&self, identity: &str, model: &'m Model) -> Option<&'m Call> {
        let Self::Call { to } = self else {
            return None;
        };
        let mut calls = model.calls.iter();
        calls.find(|call| call.from == identity && call.to == *to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(role: &str, place: &str) -> Reliance {
        Reliance::Role {
            role: role.to_owned(),
            place: place.to_owned(),
        }
    }

    #[test]
    fn a_line_names_identities_roles_and_scopes() {
        let line = "Identity backend or worker, Cosmos DB Built-in Data Contributor on container \
                    todos; then Azure Service Bus Data Receiver on queues a and b; then call to x.";

        let note = Note::parse(line).expect("a line");

        let expected = Note::Relies {
            identities: vec!["backend".to_owned(), "worker".to_owned()],
            on: vec![
                role("Cosmos DB Built-in Data Contributor", "containers/todos"),
                role("Azure Service Bus Data Receiver", "queues/a"),
                role("Azure Service Bus Data Receiver", "queues/b"),
                Reliance::Call { to: "x".to_owned() },
            ],
        };
        assert_eq!(note, expected);
    }

    #[test]
    fn a_line_that_says_something_else_is_refused() {
        for (line, why) in [
            ("Identity worker, Reader on container todos", "full stop"),
            ("Identity worker.", "is not `Identity <name>, "),
            ("Identity worker, Reader on the queue.", "is neither"),
            ("Identity worker, Reader.", "is neither"),
        ] {
            let refusal = Note::parse(line).expect_err(line);
            assert!(refusal.contains(why), "{refusal}");
        }
    }
}
