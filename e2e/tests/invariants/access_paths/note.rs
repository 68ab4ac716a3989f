//! The line above a function, read strictly.

use super::{Call, Grant, Model};

/// What a line above a function says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    /// `Identity <one>[ or <other>], <reliance>.`
    Relies {
        identities: Vec<String>,
        on: Reliance,
    },
    /// `No identity: <why>.`
    Needs { none: String },
}

/// What is relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reliance {
    /// `<role> on <kind> <name>`, such as `... on queue todo-events`.
    Role {
        role: String,
        /// The end of the scope, such as `queues/todo-events`.
        place: String,
    },
    /// `call to <service>`.
    Call { to: String },
}

/// What a scope's name may be of, and stands below.
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
        Ok(Self::Relies {
            identities: identities.split(" or ").map(str::to_owned).collect(),
            on: Reliance::parse(on)?,
        })
    }
}

impl Reliance {
    fn parse(said: &str) -> Result<Self, String> {
        let is_name = |text: &&str| !text.contains(' ');
        if let Some(to) = said.strip_prefix("call to ").filter(is_name) {
            return Ok(Self::Call { to: to.to_owned() });
        }
        let role = said.split_once(" on ").and_then(|(role, scope)| {
            let (kind, name) = scope.split_once(' ')?;
            let (_, below) = KINDS.into_iter().find(|(known, _)| *known == kind)?;
            is_name(&name).then(|| Self::Role {
                role: role.to_owned(),
                place: format!("{below}/{name}"),
            })
        });
        role.ok_or_else(|| {
            format!("`{said}` is neither `<role> on <kind> <name>` nor `call to <service>`")
        })
    }

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

    #[test]
    fn a_line_names_identities_and_what_they_rely_on() {
        let role = Note::parse("Identity backend or worker, Data Reader on container todos.");
        let call = Note::parse("Identity frontend, call to backend.");
        let none = Note::parse("No identity: it only waits.");

        let [backend, frontend] = ["backend or worker", "frontend"]
            .map(|names| names.split(" or ").map(str::to_owned).collect());
        let expected = Note::Relies {
            identities: backend,
            on: Reliance::Role {
                role: "Data Reader".to_owned(),
                place: "containers/todos".to_owned(),
            },
        };
        assert_eq!(role, Ok(expected));
        let expected = Note::Relies {
            identities: frontend,
            on: Reliance::Call {
                to: "backend".to_owned(),
            },
        };
        assert_eq!(call, Ok(expected));
        let why = "it only waits".to_owned();
        assert_eq!(none, Ok(Note::Needs { none: why }));
    }

    #[test]
    fn a_line_that_says_something_else_is_refused() {
        for (line, why) in [
            ("Identity worker, Reader on container todos", "full stop"),
            ("Identity worker.", "is not `Identity <name>, "),
            ("Identity worker, Reader on the queue.", "is neither"),
            (
                "Identity worker, Reader on queue a; then more.",
                "is neither",
            ),
            ("Identity worker, Reader.", "is neither"),
            ("Identity worker, call to a and b.", "is neither"),
        ] {
            let refusal = Note::parse(line).expect_err(line);
            assert!(refusal.contains(why), "{refusal}");
        }
    }
}
