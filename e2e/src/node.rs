//! A document as it is written: every value with the place where it stands.
//!
//! YAML and JSON alike, because JSON is YAML. Reading is lenient: what a check
//! does not look at may be of any shape.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_saphyr::{Location, Spanned};

/// Where something stands: a file, and a line and column from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as it was named; `<stdin>` for standard input.
    #[serde(serialize_with = "text")]
    pub file: Arc<str>,
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

fn text<S: Serializer>(file: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(file)
}

impl Place {
    /// The beginning of a file.
    pub fn start_of(file: &Arc<str>) -> Self {
        Self {
            file: Arc::clone(file),
            line: 1,
            column: 1,
        }
    }

    fn at(file: &Arc<str>, location: Location) -> Self {
        Self {
            file: Arc::clone(file),
            line: location.line(),
            column: location.column(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A path without detours, and from the current directory if it is below.
pub(crate) fn named(path: &Path) -> Arc<str> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let short = here
        .ok()
        .and_then(|here| whole.strip_prefix(here).ok().map(Path::to_owned));
    short.unwrap_or(whole).display().to_string().into()
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What stands there.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A member of a map; its key's place is where a reader looks for it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) key: String,
    pub(crate) value: Node,
}

impl Node {
    /// The documents of a text, without the empty ones.
    pub(crate) fn documents(file: &Arc<str>, text: &str) -> Result<Vec<Self>, serde_saphyr::Error> {
        let documents: Vec<Spanned<Bare>> = serde_saphyr::from_multiple(text)?;
        let nodes = documents.into_iter().map(|bare| Self::of(file, bare));
        Ok(nodes
            .filter(|node| !matches!(node.value, Value::Null))
            .collect())
    }

    fn of(file: &Arc<str>, bare: Spanned<Bare>) -> Self {
        let entry = |(key, value): (Spanned<String>, Spanned<Bare>)| Entry {
            place: Place::at(file, key.referenced),
            key: key.value,
            value: Self::of(file, value),
        };
        Self {
            place: Place::at(file, bare.referenced),
            value: match bare.value {
                Bare::Null => Value::Null,
                Bare::Bool(value) => Value::Bool(value),
                Bare::Number(value) => Value::Number(value),
                Bare::Text(text) => Value::Text(text),
                Bare::List(items) => {
                    Value::List(items.into_iter().map(|item| Self::of(file, item)).collect())
                }
                Bare::Map(entries) => Value::Map(entries.into_iter().map(entry).collect()),
            },
        }
    }

    /// The member of this name, with its key's place.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == name)
    }

    /// The value of the member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// The value at the end of a path of members.
    pub(crate) fn path(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The members, if it is a map.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items, if it is a list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one or is written as one.
    pub(crate) fn number(&self) -> Option<i64> {
        match &self.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Whether it is exactly this truth value.
    pub(crate) fn is(&self, expected: bool) -> bool {
        matches!(self.value, Value::Bool(value) if value == expected)
    }

    /// The text of the member of this name.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Self::text)
    }
}

/// A value as serde gives it, before the file's name is known to it.
enum Bare {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BareVisitor)
    }
}

struct BareVisitor;

impl<'de> Visitor<'de> for BareVisitor {
    type Value = Bare;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Bare, E> {
        Ok(Bare::Null)
    }

    fn visit_none<E>(self) -> Result<Bare, E> {
        Ok(Bare::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bare, D::Error> {
        Bare::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Bare, E> {
        Ok(Bare::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Bare, E> {
        Ok(Bare::Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Bare, E> {
        Ok(i64::try_from(value).map_or_else(|_| Bare::Text(value.to_string()), Bare::Number))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Bare, E> {
        Ok(Bare::Text(value.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Bare, E> {
        Ok(Bare::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bare, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Bare::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Bare, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Bare::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Vec<Node> {
        Node::documents(&"a.yaml".into(), text).expect("valid")
    }

    #[test]
    fn every_value_of_every_document_knows_its_place() {
        let text = "kind: A\n---\n# why\nkind: B\nspec:\n  list:\n    - name: x\n      on: true\n";
        let [first, second] = &documents(text)[..] else {
            panic!("two documents");
        };

        let place = |node: Option<&Node>| node.expect("it is there").place.to_string();
        assert_eq!(place(first.get("kind")), "a.yaml:1:7");
        assert_eq!(place(second.get("kind")), "a.yaml:4:7");
        let spec = second.entry("spec").expect("a spec");
        assert_eq!(spec.place.to_string(), "a.yaml:5:1");
        let item = &second.path(&["spec", "list"]).expect("a list").items()[0];
        assert_eq!(place(item.get("on")), "a.yaml:8:11");
        assert!(item.get("on").is_some_and(|on| on.is(true)));
    }

    #[test]
    fn json_is_read_alike_whatever_it_is_indented_with() {
        let text = "{\n\t\"grants\": [\n\t\t{ \"role\": \"R\" }\n\t]\n}\n";
        let [document] = &documents(text)[..] else {
            panic!("one document");
        };
        let role = document.get("grants").expect("grants").items()[0].get("role");
        let role = role.expect("a role");
        assert_eq!((role.text(), role.place.line), (Some("R"), 3));
    }

    #[test]
    fn an_empty_document_is_none() {
        assert!(documents("---\n# nothing\n---\n").is_empty());
    }
}
