//! What an expression comes to: literals, operators, members, lambdas, and the
//! functions that take a lambda or a file.

use serde_json::{Value as Json, json};
use tree_sitter::Node;

use super::functions::{Known, LATER, called, list, number, of_values, text, truth};
use super::{Deployment, Locals, Scope, beside};
use crate::bicep::template::children;

impl Deployment<'_> {
    pub(super) fn value(&self, scope: &Scope<'_>, node: Node<'_>, locals: &Locals) -> Known<Json> {
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
