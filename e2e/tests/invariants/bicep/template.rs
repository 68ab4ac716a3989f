//! A Bicep file as its declarations: what is written, not what it comes to. The
//! syntax is tree-sitter's, which takes nearly all of Bicep.

use tree_sitter::{Node, Parser, Tree};

/// One file.
pub(super) struct Template {
    /// From `infra`.
    pub(super) file: String,
    pub(super) declarations: Vec<Declaration>,
    /// Each text between quotes that nothing is put into.
    pub(super) texts: Vec<Text>,
    source: String,
    tree: Tree,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Parameter,
    Variable,
    Resource,
    Module,
    Output,
}

pub(super) struct Declaration {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// As they are written, such as `batchSize(1)`.
    pub(super) decorators: Vec<String>,
    /// Whether it is there already.
    pub(super) existing: bool,
    /// The type and version of a resource, the file of a module.
    pub(super) of: String,
    /// The condition of an `if`, as it is written.
    pub(super) condition: Option<String>,
    /// The object of a resource or module, the value of anything else.
    pub(super) value: Value,
    pub(super) line: usize,
}

/// What is written for a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Object(Vec<Member>),
    List(Vec<Self>),
    Text(String),
    Number(String),
    Bool(bool),
    Null,
    /// One of two, by a condition.
    Either(Box<Self>, Box<Self>),
    /// Something that is known later, as it is written.
    Expression(String),
    Nothing,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    /// `None` for a name that is put together.
    pub(super) name: Option<String>,
    pub(super) value: Value,
    pub(super) line: usize,
}

pub(super) struct Text {
    pub(super) said: String,
    pub(super) line: usize,
    /// Of which declaration.
    pub(super) of: Option<(Kind, String)>,
}

impl Template {
    /// Reads a file; what is no Bicep is told with its place.
    pub(super) fn read(file: &str, source: &str) -> Result<Self, Vec<String>> {
        // The one statement that tree-sitter does not know, in the one file that has it.
        let of_graph = file.starts_with("registered-application/");
        let known = if of_graph {
            source.replace("\nextension microsoftGraphV1\n", "\n\n")
        } else {
            source.to_owned()
        };
        let mut parser = Parser::new();
        parser
            .set_language(&tree_sitter_bicep::LANGUAGE.into())
            .expect("the grammar fits");
        let tree = parser.parse(&known, None).expect("it is parsed");
        let reader = Reader {
            file,
            source: &known,
        };
        let mut wrong = Vec::new();
        reader.mistakes(tree.root_node(), &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let (mut declarations, mut texts) = (Vec::new(), Vec::new());
        let mut decorators = Vec::new();
        for node in children(tree.root_node()) {
            if node.kind() == "decorators" {
                let each = children(node);
                decorators = each.map(|one| reader.text(one)[1..].to_owned()).collect();
                continue;
            }
            let declared = reader.declaration(node, std::mem::take(&mut decorators));
            let of = declared.as_ref().map(|own| (own.kind, own.name.clone()));
            reader.texts(node, of.as_ref(), &mut texts);
            declarations.extend(declared);
        }
        Ok(Self {
            file: file.to_owned(),
            declarations,
            texts,
            source: known.clone(),
            tree: tree.clone(),
        })
    }

    /// The statements, as the grammar has them.
    pub(super) fn statements(&self) -> impl Iterator<Item = Node<'_>> {
        children(self.tree.root_node())
    }

    pub(super) fn said(&self, node: Node<'_>) -> &str {
        &self.source[node.byte_range()]
    }

    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Declaration> {
        self.declarations.iter().filter(move |one| one.kind == kind)
    }

    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<&Declaration> {
        self.of_kind(kind).find(|one| one.name == name)
    }
}

impl Declaration {
    /// The type of a resource without its version.
    pub(super) fn resource_type(&self) -> &str {
        self.of.split('@').next().unwrap_or_default()
    }
}

impl Value {
    pub(super) fn members(&self) -> &[Member] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let mut members = self.members().iter();
        let found = members.find(|member| member.name.as_deref() == Some(name));
        found.map(|member| &member.value)
    }

    /// The value at a path of members with dots between them.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.')
            .try_fold(self, |value, name| value.get(name))
    }

    /// What is in a list, or in either of two.
    pub(super) fn items(&self) -> Vec<&Self> {
        match self {
            Self::List(items) => items.iter().collect(),
            Self::Either(one, other) => [one.items(), other.items()].concat(),
            _ => Vec::new(),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Expression(text) => Some(text),
            _ => None,
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    source: &'a str,
}

impl Reader<'_> {
    fn text(&self, node: Node<'_>) -> &str {
        &self.source[node.byte_range()]
    }

    fn mistakes(&self, node: Node<'_>, wrong: &mut Vec<String>) {
        if node.is_error() || node.is_missing() {
            let text: String = self.text(node).chars().take(60).collect();
            wrong.push(format!("{}:{}: no Bicep: {text}", self.file, line(node)));
        } else if node.has_error() {
            let mut cursor = node.walk();
            for child in node.children(&mut cursor) {
                self.mistakes(child, wrong);
            }
        }
    }

    fn declaration(&self, node: Node<'_>, decorators: Vec<String>) -> Option<Declaration> {
        let kind = match node.kind() {
            "parameter_declaration" => Kind::Parameter,
            "variable_declaration" => Kind::Variable,
            "resource_declaration" => Kind::Resource,
            "module_declaration" => Kind::Module,
            "output_declaration" => Kind::Output,
            _ => return None,
        };
        let mut parts = children(node);
        let name = self.text(parts.next()?).to_owned();
        let of = match kind {
            Kind::Resource | Kind::Module => self.text(parts.next()?).trim_matches('\''),
            _ => "",
        };
        let mut value = parts.filter(|part| part.kind() != "type").last();
        let mut condition = None;
        // A loop or a condition around the object.
        while let Some(around) =
            value.filter(|v| matches!(v.kind(), "for_statement" | "if_statement"))
        {
            if around.kind() == "if_statement" {
                condition = children(around).next().map(|one| self.text(one).to_owned());
            }
            value = children(around).last();
        }
        Some(Declaration {
            kind,
            name,
            decorators,
            existing: self.text(node).contains("' existing ="),
            of: of.to_owned(),
            condition,
            value: value.map_or(Value::Nothing, |value| self.value(value)),
            line: line(node),
        })
    }

    fn value(&self, node: Node<'_>) -> Value {
        let text = self.text(node);
        match node.kind() {
            "object" => Value::Object(children(node).filter_map(|one| self.member(one)).collect()),
            "array" => Value::List(children(node).map(|one| self.value(one)).collect()),
            "string" if !text.contains("${") => Value::Text(unquoted(text)),
            "boolean" => Value::Bool(text == "true"),
            "number" => Value::Number(text.to_owned()),
            "null" => Value::Null,
            "for_statement" => Value::List(
                children(node)
                    .last()
                    .map(|one| self.value(one))
                    .into_iter()
                    .collect(),
            ),
            "ternary_expression" => {
                let side = |name| {
                    Box::new(
                        node.child_by_field_name(name)
                            .map_or(Value::Nothing, |one| self.value(one)),
                    )
                };
                Value::Either(side("consequence"), side("alternative"))
            }
            _ => Value::Expression(text.to_owned()),
        }
    }

    fn member(&self, node: Node<'_>) -> Option<Member> {
        let mut parts = children(node);
        let (name, value) = (parts.next()?, parts.next()?);
        let text = self.text(name);
        Some(Member {
            name: (!text.contains("${")).then(|| unquoted(text)),
            value: self.value(value),
            line: line(node),
        })
    }

    fn texts(&self, node: Node<'_>, of: Option<&(Kind, String)>, found: &mut Vec<Text>) {
        if node.kind() == "string" {
            found.push(Text {
                said: unquoted(self.text(node)),
                line: line(node),
                of: of.cloned(),
            });
        }
        for child in children(node) {
            self.texts(child, of, found);
        }
    }
}

/// The named children, without comments.
pub(super) fn children(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let count = u32::try_from(node.named_child_count()).expect("few");
    let each = (0..count).filter_map(move |at| node.named_child(at));
    each.filter(|one| one.kind() != "comment")
}

fn unquoted(text: &str) -> String {
    text.trim_matches('\'').replace("\\'", "'")
}

fn line(node: Node<'_>) -> usize {
    node.start_position().row + 1
}
