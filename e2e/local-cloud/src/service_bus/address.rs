//! Addresses of links and audiences of tokens: which entity they mean.
//!
//! Clients write `queue`, `amqps://host/queue` or `sb://host:port/queue`, in any
//! case, with `/$DeadLetterQueue` and `/$management` behind it (observed).

use super::queue::Part;

/// What a link is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// `$cbs`, which takes tokens.
    Cbs,
    /// A queue or its dead-letter sub-queue.
    Queue(Entity),
    /// `$management` of a queue or of its dead-letter sub-queue.
    Management(Entity),
}

/// A queue by name, or its dead-letter sub-queue. It may not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entity {
    /// As the client wrote it.
    pub(super) queue: String,
    pub(super) part: Part,
}

impl Node {
    pub(super) fn parse(address: &str) -> Self {
        let path = path_of(address);
        if path.eq_ignore_ascii_case("$cbs") {
            return Self::Cbs;
        }
        match strip_suffix(path, "$management") {
            Some(entity) => Self::Management(Entity::parse(entity)),
            None => Self::Queue(Entity::parse(path)),
        }
    }

    /// The path that a token's audience has to cover; lower case.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Cbs => "$cbs".to_owned(),
            Self::Queue(entity) => entity.path().to_ascii_lowercase(),
            Self::Management(entity) => {
                format!("{}/$management", entity.path()).to_ascii_lowercase()
            }
        }
    }

    /// The path as refusals show it.
    pub(super) fn display_path(&self) -> String {
        match self {
            Self::Cbs => "$cbs".to_owned(),
            Self::Queue(entity) => entity.path(),
            Self::Management(entity) => format!("{}/$management", entity.path()),
        }
    }
}

impl Entity {
    fn parse(path: &str) -> Self {
        match strip_suffix(path, "$DeadLetterQueue") {
            Some(queue) => Self {
                queue: queue.to_owned(),
                part: Part::DeadLetter,
            },
            None => Self {
                queue: path.to_owned(),
                part: Part::Main,
            },
        }
    }

    fn path(&self) -> String {
        match self.part {
            Part::Main => self.queue.clone(),
            Part::DeadLetter => format!("{}/$DeadLetterQueue", self.queue),
        }
    }
}

/// Host (without port) and lower-case path of a token's audience, such as
/// `sb://localbus.servicebus.windows.net/queue`.
pub(super) fn audience(name: &str) -> Option<(&str, String)> {
    let (_, rest) = name.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = authority.split(':').next()?;
    Some((host, path_of(name).to_ascii_lowercase()))
}

/// Whether a token put for `audience` is good for `path`: for the entity itself
/// and all below it. Needed: the official Python client puts one token for the
/// queue and then opens `queue/$management` as well. Assumed: a token for the
/// namespace covers every entity.
pub(super) fn covers(audience: &str, path: &str) -> bool {
    audience.is_empty()
        || path
            .strip_prefix(audience)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn path_of(address: &str) -> &str {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address,
    };
    path.trim_matches('/')
}

/// `path` without a last segment equal to `suffix`, in any case.
fn strip_suffix<'path>(path: &'path str, suffix: &str) -> Option<&'path str> {
    let (rest, last) = path.rsplit_once('/')?;
    last.eq_ignore_ascii_case(suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_clients_are_understood() {
        let main = |queue: &str| Entity {
            queue: queue.to_owned(),
            part: Part::Main,
        };
        let dead = |queue: &str| Entity {
            queue: queue.to_owned(),
            part: Part::DeadLetter,
        };
        for (address, node) in [
            ("$cbs", Node::Cbs),
            ("amqps://host/$cbs", Node::Cbs),
            ("q1", Node::Queue(main("q1"))),
            ("amqps://host:5671/q1", Node::Queue(main("q1"))),
            ("q1/$deadletterqueue", Node::Queue(dead("q1"))),
            ("sb://host/a/b/", Node::Queue(main("a/b"))),
            ("Q1/$Management", Node::Management(main("Q1"))),
            (
                "q1/$DeadLetterQueue/$management",
                Node::Management(dead("q1")),
            ),
            ("$management", Node::Queue(main("$management"))),
        ] {
            assert_eq!(Node::parse(address), node, "{address}");
        }
    }

    #[test]
    fn a_token_covers_its_entity_and_what_is_below() {
        for (name, path, covered) in [
            ("sb://h/q1", "q1", true),
            ("amqps://h:5671/Q1/", "q1/$management", true),
            ("sb://h/q1", "q10", false),
            ("sb://h/q1/$management", "q1", false),
            ("sb://h/", "q1", true),
        ] {
            let (host, audience) = audience(name).unwrap();
            assert_eq!((host, covers(&audience, path)), ("h", covered), "{name}");
        }
        assert_eq!(audience("q1"), None);
    }
}
