//! Resource bodies against Azure's own types, as `infra/schemas/refresh` took them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::template::{Declaration, Kind, Template, Value};

/// Every resource type that is known, with the types that its members have.
pub(super) struct Schemas(BTreeMap<String, Resource>);

struct Resource {
    body: Definition,
    types: BTreeMap<String, Definition>,
}

/// An object: its members with their types, an exclamation mark behind those that
/// have to be there; `*` is any name.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Definition {
    Variants {
        #[serde(rename = "$on")]
        on: String,
        #[serde(rename = "$base")]
        base: BTreeMap<String, String>,
        #[serde(rename = "$variants")]
        variants: BTreeMap<String, BTreeMap<String, String>>,
    },
    Members(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "source")]
    _source: String,
    resources: BTreeMap<String, Definition>,
    types: BTreeMap<String, Definition>,
    #[serde(default)]
    extends: BTreeMap<String, Extension>,
}

/// A newer version of a type, by what it has more than an older one.
#[derive(Deserialize)]
struct Extension {
    from: String,
    #[serde(rename = "because")]
    _because: String,
    types: BTreeMap<String, BTreeMap<String, String>>,
}

/// What Bicep itself takes of any resource.
const OF_BICEP: [&str; 3] = ["parent", "scope", "dependsOn"];

impl Schemas {
    pub(super) fn read<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut known = BTreeMap::new();
        let mut extensions = Vec::new();
        for (name, text) in files {
            let file: File =
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            for (resource, body) in file.resources {
                let types = file.types.clone();
                let twice = known.insert(resource.clone(), Resource { body, types });
                assert!(twice.is_none(), "{resource} is in two files");
            }
            extensions.extend(
                file.extends
                    .into_iter()
                    .map(|(newer, extension)| (newer, extension, file.types.clone())),
            );
        }
        for (newer, extension, own) in extensions {
            let older = known
                .get(&extension.from)
                .unwrap_or_else(|| panic!("no {}", extension.from));
            let mut types = older.types.clone();
            types.extend(own);
            for (name, more) in extension.types {
                match types.get_mut(&name) {
                    Some(Definition::Members(members)) => members.extend(more),
                    _ => panic!("no type {name} to add to"),
                }
            }
            let body = older.body.clone();
            known.insert(newer, Resource { body, types });
        }
        Self(known)
    }

    /// What is wrong with the resources of a template.
    pub(super) fn mistakes(&self, template: &Template) -> Vec<String> {
        let mut wrong = Vec::new();
        for resource in template.of_kind(Kind::Resource) {
            let place = format!("{}:{}", template.file, resource.line);
            let Some(schema) = self.0.get(&resource.of) else {
                wrong.push(format!(
                    "{place}: `{}` is in no schema: infra/schemas/refresh",
                    resource.of
                ));
                continue;
            };
            let mut check = Check {
                file: &template.file,
                types: &schema.types,
                wrong: &mut wrong,
            };
            if resource.existing {
                continue;
            }
            check.body(resource, &schema.body);
        }
        wrong
    }

    /// What a member of a type may be, such as `lockDuration` of a queue.
    pub(super) fn member(&self, resource: &str, name: &str, member: &str) -> Option<&str> {
        match self.0.get(resource)?.types.get(name)? {
            Definition::Members(members) => members.get(member).map(String::as_str),
            Definition::Variants { .. } => None,
        }
    }

    /// The version of a resource type.
    pub(super) fn version(&self, resource: &str) -> Option<&str> {
        let mut own = self
            .0
            .keys()
            .filter(|known| known.split('@').next() == Some(resource));
        own.next().map(String::as_str)
    }
}

struct Check<'a> {
    file: &'a str,
    types: &'a BTreeMap<String, Definition>,
    wrong: &'a mut Vec<String>,
}

impl Check<'_> {
    fn body(&mut self, resource: &Declaration, definition: &Definition) {
        let mut body = resource.value.clone();
        if let Value::Object(members) = &mut body {
            let of_bicep =
                |name: &Option<String>| name.as_deref().is_some_and(|own| OF_BICEP.contains(&own));
            members.retain(|member| !of_bicep(&member.name));
        }
        self.object(&body, definition, resource.line, resource.resource_type());
    }

    fn value(&mut self, value: &Value, of: &str, line: usize, path: &str) {
        match value {
            Value::Either(one, other) => {
                self.value(one, of, line, path);
                self.value(other, of, line, path);
                return;
            }
            Value::Expression(_) | Value::Null | Value::Nothing => return,
            _ => {}
        }
        if let Some(items) = of.strip_suffix("[]") {
            match value {
                Value::List(list) => list
                    .iter()
                    .for_each(|one| self.value(one, items, line, path)),
                _ => self.tell(line, path, "has to be a list"),
            }
        } else if let Some(definition) = self.types.get(of) {
            self.object(value, definition, line, path);
        } else {
            self.plain(value, of, line, path);
        }
    }

    /// A text, a number, or one of several words.
    fn plain(&mut self, value: &Value, of: &str, line: usize, path: &str) {
        let choices: Vec<&str> = of.split(" | ").collect();
        let fits = match value {
            Value::Text(text) => choices.contains(&"string") || choices.contains(&text.as_str()),
            Value::Number(_) => choices.contains(&"int"),
            Value::Bool(value) => {
                choices.contains(&"bool")
                    || choices.contains(&if *value { "true" } else { "false" })
            }
            _ => false,
        };
        if !fits && !choices.contains(&"any") {
            self.tell(line, path, &format!("has to be {of}"));
        }
    }

    fn object(&mut self, value: &Value, definition: &Definition, line: usize, path: &str) {
        let Value::Object(members) = value else {
            return self.tell(line, path, "has to be an object");
        };
        let mut known = match definition {
            Definition::Members(known) => known.clone(),
            Definition::Variants { on, base, variants } => {
                let chosen = value.get(on).and_then(Value::text).unwrap_or_default();
                let Some(variant) = variants.get(chosen) else {
                    return self.tell(
                        line,
                        path,
                        &format!("`{on}` has to be one of {:?}", variants.keys()),
                    );
                };
                base.iter()
                    .chain(variant)
                    .map(|(name, of)| (name.clone(), of.clone()))
                    .collect()
            }
        };
        let any = known.remove("*");
        for member in members {
            // A name that is put together is known later.
            let Some(name) = &member.name else { continue };
            let inner = format!("{path}.{name}");
            match known.get(name).or(any.as_ref()) {
                Some(of) => {
                    self.value(&member.value, of.trim_end_matches('!'), member.line, &inner);
                }
                None => self.tell(member.line, &inner, "is unknown, or only read"),
            }
        }
        for (name, _) in known.iter().filter(|(_, of)| of.ends_with('!')) {
            if value.get(name).is_none() {
                self.tell(line, path, &format!("needs `{name}`"));
            }
        }
    }

    fn tell(&mut self, line: usize, path: &str, what: &str) {
        self.wrong
            .push(format!("{}:{line}: {path} {what}", self.file));
    }
}
