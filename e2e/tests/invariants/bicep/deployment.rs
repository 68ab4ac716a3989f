//! What the templates come to: a deployment that is worked out without Azure, from
//! parameters to the bodies of all resources. Of Bicep it knows what the templates
//! use, and tells the rest. What only Azure knows, such as the object ID of an
//! identity, stands as `<id.properties.principalId>`.

mod functions;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tree_sitter::Node;

use super::Files;
use super::template::{Template, children};
pub(super) use functions::UNIQUE;
use functions::{Known, LATER, called, list, number, of_values, plain, text, truth};

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

    fn value(&self, scope: &Scope<'_>, node: Node<'_>, locals: &Locals) -> Known<Json> {
        self.accessed(scope, node, &[], locals)
    }

    /// A value, and what is asked of it: members, and what stands in brackets. The
    /// grammar binds these less than an operator or a lambda before them, so that
    /// there they belong to the last operand.
    fn accessed(
        &self,
        scope: &Scope<'_>,
        node: Node<'_>,
        asked: &[Node<'_>],
        locals: &Locals,
    ) -> Known<Json> {
        let part = |name: &str| node.child_by_field_name(name).expect("a part");
        let value = |node| self.value(scope, node, locals);
        let further = |name: &str, node| {
            let all: Vec<_> = [&[part(name)], asked].concat();
            self.accessed(scope, node, &all, locals)
        };
        let found = match node.kind() {
            "member_expression" => return further("property", part("object")),
            "subscript_expression" => return further("index", part("object")),
            "ternary_expression" => {
                return if truth(&value(part("condition"))?)? {
                    value(part("consequence"))
                } else {
                    self.accessed(scope, part("alternative"), asked, locals)
                };
            }
            "binary_expression" => {
                let operator = scope.template.said(part("operator"));
                let left = value(part("left"))?;
                let right = || self.accessed(scope, part("right"), asked, locals);
                return Ok(match operator {
                    "==" => json!(text(&left) == text(&right()?)),
                    "!=" => json!(text(&left) != text(&right()?)),
                    "&&" => json!(truth(&left)? && truth(&right()?)?),
                    "||" => json!(truth(&left)? || truth(&right()?)?),
                    "+" => json!(number(&left)? + number(&right()?)?),
                    "??" if left.is_null() => right()?,
                    "??" => left,
                    other => return Err(format!("the operator {other}")),
                });
            }
            "unary_expression" => {
                let inner = self.accessed(scope, part("argument"), asked, locals)?;
                return match scope.template.said(part("operator")) {
                    "!" => Ok(json!(!truth(&inner)?)),
                    _ => Ok(json!(-number(&inner)?)),
                };
            }
            "parenthesized_expression" => value(children(node).next().expect("a value"))?,
            "identifier" => self.name(scope, scope.template.said(node), locals)?,
            "number" => json!(scope.template.said(node).parse::<i64>().expect("a number")),
            "boolean" => json!(scope.template.said(node) == "true"),
            "null" => Json::Null,
            "string" => self.string(scope, node, locals)?,
            "array" => {
                let mut each = Vec::new();
                let mut end = 0;
                for one in children(node) {
                    // The grammar takes `[name().member]` for two: `name` and `().member`.
                    if one.start_byte() == end {
                        let (_, asked) = lambda(one);
                        let before = one.prev_named_sibling().expect("a name");
                        let function = scope.template.said(before);
                        let found = called(function)
                            .ok_or_else(|| format!("the function `{function}` in a list"))?;
                        each.pop();
                        each.push(self.asked(scope, found, &asked, locals)?);
                    } else if one.kind() == "identifier"
                        && called(scope.template.said(one)).is_some()
                    {
                        each.push(Json::Null);
                    } else {
                        each.push(value(one)?);
                    }
                    end = one.end_byte();
                }
                Json::Array(each)
            }
            "object" => {
                let mut members = serde_json::Map::new();
                for member in children(node) {
                    let mut parts = children(member);
                    let (name, inner) = (
                        parts.next().expect("a name"),
                        parts.next().expect("a value"),
                    );
                    let name = match name.kind() {
                        "string" => text(&value(name)?),
                        _ => scope.template.said(name).to_owned(),
                    };
                    members.insert(name, value(inner)?);
                }
                Json::Object(members)
            }
            "for_statement" => {
                let (turns, body) = self.turns(scope, node, locals)?;
                let each = turns.iter().map(|locals| self.value(scope, body, locals));
                Json::Array(each.collect::<Known<_>>()?)
            }
            "call_expression" => self.call(scope, node, locals)?,
            other => return Err(format!("{other}: {}", scope.template.said(node))),
        };
        self.asked(scope, found, asked, locals)
    }

    /// Members of a value, and what stands in brackets behind it.
    fn asked(
        &self,
        scope: &Scope<'_>,
        found: Json,
        asked: &[Node<'_>],
        locals: &Locals,
    ) -> Known<Json> {
        asked.iter().try_fold(found, |found, node| {
            // `.?` and `[?` ask for what may not be there.
            let before = node.prev_sibling().map(|one| scope.template.said(one));
            let key = match node.kind() {
                "property_identifier" => json!(scope.template.said(*node)),
                _ => self.value(scope, *node, locals)?,
            };
            let inner = match &key {
                Json::Number(at) => at
                    .as_u64()
                    .and_then(|at| found.get(usize::try_from(at).ok()?)),
                key => found.get(text(key)),
            };
            match (inner, found.get(LATER)) {
                (Some(inner), _) => Ok(inner.clone()),
                (None, Some(of)) => Ok(json!({ LATER: format!("{}.{}", text(of), text(&key)) })),
                (None, None) if before.is_some_and(|own| own.ends_with('?')) => Ok(Json::Null),
                (None, None) => Err(format!(
                    "{}:{}: {found} has no {key}",
                    scope.template.file,
                    node.start_position().row + 1
                )),
            }
        })
    }

    fn string(&self, scope: &Scope<'_>, node: Node<'_>, locals: &Locals) -> Known<Json> {
        let said = scope.template.said(node);
        let mut whole = String::new();
        let mut end = 1;
        for inner in children(node).filter(|one| one.kind() == "interpolation") {
            let start = inner.start_byte() - node.start_byte();
            whole.push_str(&said[end..start]);
            let value = self.value(scope, children(inner).next().expect("a value"), locals)?;
            whole.push_str(&text(&value));
            end = inner.end_byte() - node.start_byte();
        }
        whole.push_str(&said[end..said.len() - 1]);
        Ok(json!(whole.replace("\\'", "'")))
    }

    fn call(&self, scope: &Scope<'_>, node: Node<'_>, locals: &Locals) -> Known<Json> {
        let part = |name: &str| node.child_by_field_name(name).expect("a part");
        let function = scope.template.said(part("function"));
        let arguments: Vec<_> = children(part("arguments")).collect();
        let (lambdas, plain): (Vec<_>, Vec<_>) = arguments
            .into_iter()
            .partition(|one| lambda(*one).0.kind() == "lambda_expression");
        let values: Vec<Json> = plain
            .into_iter()
            .map(|one| self.value(scope, one, locals))
            .collect::<Known<_>>()?;
        let apply = |at: usize, each: &Json| {
            let (lambda, asked) = lambda(lambdas[at]);
            let mut parts = children(lambda);
            let (name, body) = (parts.next().expect("a name"), parts.next().expect("a body"));
            let mut inner = locals.clone();
            inner.insert(scope.template.said(name).to_owned(), each.clone());
            self.accessed(scope, body, &asked, &inner)
        };
        let first = || list(&values[0]);
        Ok(match function {
            "loadJsonContent" => {
                let file = beside(&scope.template.file, &text(&values[0]));
                let file = format!("infra/{file}");
                if !self.files.0.contains_key(&file) {
                    return Err(format!("there is no {file}"));
                }
                self.files.json(&file)
            }
            "any" => values[0].clone(),
            "map" => {
                let each = first()?.iter().map(|one| apply(0, one));
                Json::Array(each.collect::<Known<_>>()?)
            }
            "filter" => {
                let mut kept = Vec::new();
                for one in first()? {
                    if truth(&apply(0, one)?)? {
                        kept.push(one.clone());
                    }
                }
                Json::Array(kept)
            }
            "toObject" => {
                let mut members = serde_json::Map::new();
                for one in first()? {
                    members.insert(text(&apply(0, one)?), apply(1, one)?);
                }
                Json::Object(members)
            }
            _ => return of_values(function, &values),
        })
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

/// What is left of a node without what is asked of it: a lambda, where it is one.
fn lambda(node: Node<'_>) -> (Node<'_>, Vec<Node<'_>>) {
    let asked = match node.kind() {
        "member_expression" => "property",
        "subscript_expression" => "index",
        _ => return (node, Vec::new()),
    };
    let part = |name: &str| node.child_by_field_name(name).expect("a part");
    let (inner, before) = lambda(part("object"));
    (inner, [before, vec![part(asked)]].concat())
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
