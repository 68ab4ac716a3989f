//! What the templates come to: a deployment that is worked out without Azure, from
//! parameters to the bodies of all resources. Of Bicep it knows what the templates
//! use, and tells the rest. What only Azure knows, such as the object ID of an
//! identity, stands as `<id.properties.principalId>`.

mod functions;
mod values;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tree_sitter::Node;

use super::Files;
use super::template::{Template, children};
pub(super) use functions::UNIQUE;
use functions::{Known, LATER, list, plain, text, truth};

/// A resource of a deployment.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) file: String,
    /// The type, without its version.
    pub(super) of: String,
    pub(super) id: String,
    /// What it is assigned at, such as a role.
    pub(super) scope: Option<String>,
    pub(super) body: Json,
    /// Whether its condition holds. Azure looks at names of the others, too.
    pub(super) holds: bool,
}

/// A template with its parameters.
struct Scope<'a> {
    template: &'a Template,
    given: BTreeMap<String, Json>,
    /// What its names come to, once somebody asked.
    known: RefCell<BTreeMap<String, Json>>,
}

type Locals = BTreeMap<String, Json>;

pub(super) struct Deployment<'a> {
    files: &'a Files,
    templates: &'a [Template],
    root: Scope<'a>,
}

impl<'a> Deployment<'a> {
    pub(super) fn new(
        files: &'a Files,
        templates: &'a [Template],
        file: &str,
        parameters: &[(&str, Json)],
    ) -> Self {
        let given = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Self {
            files,
            templates,
            root: Scope {
                template: template(templates, file).expect("a template"),
                given: given.collect(),
                known: RefCell::default(),
            },
        }
    }

    /// All resources, those of modules too.
    pub(super) fn resources(&self) -> Known<Vec<Made>> {
        let mut made = Vec::new();
        self.deploy(&self.root, true, &mut made)?;
        Ok(made)
    }

    pub(super) fn put_out(&self) -> Known<Json> {
        self.outputs(&self.root)
    }

    pub(super) fn output(&self, name: &str) -> Known<Json> {
        let value = self.named(&self.root, name, "output_declaration")?;
        Ok(plain(&value))
    }

    fn deploy(&self, scope: &Scope<'_>, wanted: bool, made: &mut Vec<Made>) -> Known<()> {
        for node in scope.template.statements() {
            let existing = scope.template.said(node).contains("' existing =");
            match node.kind() {
                "resource_declaration" => {
                    for (locals, holds, body) in self.instances(scope, node)? {
                        let own = self.reference(scope, node, body, &locals)?;
                        let members = self.members(scope, body, &locals, wanted && holds)?;
                        if !existing {
                            made.push(Made {
                                file: scope.template.file.clone(),
                                of: resource_type(scope.template, node).to_owned(),
                                id: text(&own["id"]),
                                scope: members.get("scope").map(|at| text(&at["id"])),
                                body: plain(&Json::Object(members)),
                                holds: wanted && holds,
                            });
                        }
                    }
                }
                "module_declaration" => {
                    for (locals, holds, body) in self.instances(scope, node)? {
                        if wanted && holds {
                            let inner = self.inner(scope, node, body, &locals)?;
                            self.deploy(&inner, true, made)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The members of a resource; of one that is not made, only what Azure looks at.
    fn members(
        &self,
        scope: &Scope<'_>,
        body: Node<'_>,
        locals: &Locals,
        whole: bool,
    ) -> Known<serde_json::Map<String, Json>> {
        let mut members = serde_json::Map::new();
        for (name, value) in properties(scope.template, body) {
            let looked_at = ["name", "scope", "parent"].contains(&name);
            if name != "dependsOn" && (whole || looked_at) {
                members.insert(name.to_owned(), self.value(scope, value, locals)?);
            }
        }
        Ok(members)
    }

    /// Each turn of the loop around a resource or module, or the one that there is,
    /// with whether its condition holds.
    fn instances<'n>(
        &self,
        scope: &Scope<'_>,
        declaration: Node<'n>,
    ) -> Known<Vec<(Locals, bool, Node<'n>)>> {
        let body = children(declaration).last().expect("a body");
        let (turns, body) = if body.kind() == "for_statement" {
            self.turns(scope, body, &Locals::new())?
        } else {
            (vec![Locals::new()], body)
        };
        let mut instances = Vec::new();
        for locals in turns {
            if body.kind() == "if_statement" {
                let mut parts = children(body);
                let condition = parts.next().expect("a condition");
                let holds = truth(&self.value(scope, condition, &locals)?)?;
                instances.push((locals, holds, parts.next().expect("a body")));
            } else {
                instances.push((locals, true, body));
            }
        }
        Ok(instances)
    }

    /// What a loop's names are in each turn, and its body.
    fn turns<'n>(
        &self,
        scope: &Scope<'_>,
        node: Node<'n>,
        locals: &Locals,
    ) -> Known<(Vec<Locals>, Node<'n>)> {
        let parts: Vec<_> = children(node).collect();
        let [names, over, body] = parts[..] else {
            return Err(format!("a loop: {}", scope.template.said(node)));
        };
        let names: Vec<_> = if names.kind() == "for_loop_parameters" {
            children(names).collect()
        } else {
            vec![names]
        };
        let mut turns = Vec::new();
        for (at, each) in list(&self.value(scope, over, locals)?)?.iter().enumerate() {
            let mut inner = locals.clone();
            inner.insert(scope.template.said(names[0]).to_owned(), each.clone());
            if let Some(counter) = names.get(1) {
                inner.insert(scope.template.said(*counter).to_owned(), json!(at));
            }
            turns.push(inner);
        }
        Ok((turns, body))
    }

    /// A resource as an expression sees it.
    fn reference(
        &self,
        scope: &Scope<'_>,
        declaration: Node<'_>,
        body: Node<'_>,
        locals: &Locals,
    ) -> Known<Json> {
        let of = resource_type(scope.template, declaration);
        let member = |name: &str| {
            let found = properties(scope.template, body).find(|(own, _)| *own == name);
            found
                .map(|(_, value)| self.value(scope, value, locals))
                .transpose()
        };
        // Applications have a unique name, and their service principals that of the application.
        let name = member("name")?
            .or(member("uniqueName")?)
            .or(member("appId")?);
        let name = text(&name.ok_or_else(|| format!("a {of} without a name"))?);
        let id = match member("parent")? {
            Some(parent) => format!(
                "{}/{}/{name}",
                text(&parent["id"]),
                of.rsplit('/').next().unwrap_or_default()
            ),
            None => format!("/{of}/{name}"),
        };
        Ok(json!({ "id": id, "name": name, LATER: id }))
    }

    /// A module's template with what it is given.
    fn inner(
        &self,
        scope: &Scope<'_>,
        declaration: Node<'_>,
        body: Node<'_>,
        locals: &Locals,
    ) -> Known<Scope<'a>> {
        let path = children(declaration).nth(1).expect("a file");
        let file = beside(
            &scope.template.file,
            scope.template.said(path).trim_matches('\''),
        );
        let mut given = BTreeMap::new();
        let parameters = properties(scope.template, body).find(|(name, _)| *name == "params");
        if let Some((_, parameters)) = parameters {
            for (name, value) in properties(scope.template, parameters) {
                given.insert(name.to_owned(), self.value(scope, value, locals)?);
            }
        }
        let template =
            template(self.templates, &file).ok_or_else(|| format!("there is no {file}"))?;
        let declares = |name: &String| declared(template, name, "parameter_declaration").is_some();
        match given.keys().find(|name| !declares(name)) {
            Some(name) => Err(format!("{file} has no parameter `{name}`")),
            None => Ok(Scope {
                template,
                given,
                known: RefCell::default(),
            }),
        }
    }

    /// The value of a declaration of this kind.
    fn named(&self, scope: &Scope<'_>, name: &str, kind: &str) -> Known<Json> {
        let node = declared(scope.template, name, kind)
            .ok_or_else(|| format!("{}: there is no `{name}`", scope.template.file))?;
        let value = children(node).last().expect("a value");
        self.value(scope, value, &Locals::new())
    }

    fn name(&self, scope: &Scope<'_>, name: &str, locals: &Locals) -> Known<Json> {
        if let Some(value) = locals.get(name).or(scope.given.get(name)) {
            return Ok(value.clone());
        }
        if let Some(value) = scope.known.borrow().get(name) {
            return Ok(value.clone());
        }
        let value = self.declaration(scope, name)?;
        scope
            .known
            .borrow_mut()
            .insert(name.to_owned(), value.clone());
        Ok(value)
    }

    /// What a declaration comes to as an expression sees it.
    fn declaration(&self, scope: &Scope<'_>, name: &str) -> Known<Json> {
        let mut kinds = scope.template.statements().filter_map(|node| {
            let own = children(node).next()?;
            (scope.template.said(own) == name && node.kind() != "output_declaration")
                .then_some(node)
        });
        let Some(node) = kinds.next() else {
            return Err(format!("{}: there is no `{name}`", scope.template.file));
        };
        let is_loop = children(node)
            .last()
            .is_some_and(|body| body.kind() == "for_statement");
        let mut each = Vec::new();
        match node.kind() {
            "variable_declaration" => return self.named(scope, name, node.kind()),
            "parameter_declaration" if children(node).count() > 2 => {
                return self.named(scope, name, node.kind());
            }
            "resource_declaration" => {
                for (locals, _, body) in self.instances(scope, node)? {
                    each.push(self.reference(scope, node, body, &locals)?);
                }
            }
            "module_declaration" => {
                for (locals, holds, body) in self.instances(scope, node)? {
                    if !holds {
                        return Err(format!(
                            "`{name}` is not made, and something is asked of it"
                        ));
                    }
                    let inner = self.inner(scope, node, body, &locals)?;
                    each.push(json!({ "outputs": self.outputs(&inner)? }));
                }
            }
            _ => return Err(format!("{}: `{name}` is not given", scope.template.file)),
        }
        Ok(if is_loop {
            Json::Array(each)
        } else {
            each.remove(0)
        })
    }

    fn outputs(&self, scope: &Scope<'_>) -> Known<Json> {
        let mut outputs = serde_json::Map::new();
        let all = scope.template.statements();
        for node in all.filter(|node| node.kind() == "output_declaration") {
            let name = scope.template.said(children(node).next().expect("a name"));
            outputs.insert(name.to_owned(), self.named(scope, name, node.kind())?);
        }
        Ok(Json::Object(outputs))
    }
}

fn template<'a>(templates: &'a [Template], file: &str) -> Option<&'a Template> {
    templates.iter().find(|one| one.file == file)
}

fn declared<'a>(template: &'a Template, name: &str, kind: &str) -> Option<Node<'a>> {
    let mut all = template.statements().filter(|node| node.kind() == kind);
    all.find(|node| {
        let own = children(*node).next();
        own.is_some_and(|own| template.said(own) == name)
    })
}

/// The members of an object whose names are not put together.
fn properties<'a>(
    template: &'a Template,
    object: Node<'a>,
) -> impl Iterator<Item = (&'a str, Node<'a>)> {
    children(object).filter_map(|member| {
        let mut parts = children(member);
        let name = template.said(parts.next()?).trim_matches('\'');
        Some((name, parts.next()?))
    })
}

/// The type of a resource without its version.
fn resource_type<'a>(template: &'a Template, declaration: Node<'_>) -> &'a str {
    let of = children(declaration).nth(1).expect("a type");
    let of = template.said(of).trim_matches('\'');
    of.split('@').next().unwrap_or_default()
}

/// A path as it is written in a file.
fn beside(file: &str, path: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}
