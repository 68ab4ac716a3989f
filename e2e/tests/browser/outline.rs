//! A page as it is told to someone who cannot see it: roles, names and words, in
//! order. It comes from the browser's accessibility tree, so what has no role or
//! no name there cannot be found by a scenario either.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

/// The accessibility tree of one page at one moment, in the order of reading.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    nodes: Vec<Node>,
}

/// Something on the page.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) role: String,
    pub(crate) name: String,
    /// What a field holds, or how far a progress bar is.
    pub(crate) value: String,
    pub(crate) is_focused: bool,
    /// Its number in the browser.
    pub(crate) backend: i64,
    depth: usize,
    /// Its place in the outline.
    at: usize,
    /// Where what is inside of it ends.
    end: usize,
}

/// What a person looks for: something of a role, by its name or by its words,
/// perhaps inside of something else.
#[derive(Clone, Debug)]
pub(crate) struct Sought {
    roles: &'static [&'static str],
    by: By,
    within: Option<Box<Self>>,
}

#[derive(Clone, Debug)]
enum By {
    Role,
    Name(String),
    Words(String),
}

pub(crate) fn button(name: &str) -> Sought {
    named(&["button"], name)
}

pub(crate) fn link(name: &str) -> Sought {
    named(&["link"], name)
}

/// A field, by its label.
pub(crate) fn field(label: &str) -> Sought {
    named(&["textbox", "Date"], label)
}

/// A field for a file, by its label.
pub(crate) fn file_field(label: &str) -> Sought {
    named(&["button"], label)
}

/// What opens and closes a part of the page.
pub(crate) fn disclosure(name: &str) -> Sought {
    named(&["DisclosureTriangle"], name)
}

pub(crate) fn heading(name: &str) -> Sought {
    named(&["heading"], name)
}

/// A part of the page, by its heading.
pub(crate) fn region(name: &str) -> Sought {
    named(&["region", "complementary"], name)
}

/// An item of a list, by words in it.
pub(crate) fn item(words: &str) -> Sought {
    saying(&["listitem"], words)
}

/// A row of a table, by words in it.
pub(crate) fn row(words: &str) -> Sought {
    saying(&["row"], words)
}

/// What a list of terms says, by words in it.
pub(crate) fn definition(words: &str) -> Sought {
    saying(&["definition"], words)
}

/// Words anywhere on the page.
pub(crate) fn words(words: &str) -> Sought {
    saying(&["RootWebArea"], words)
}

/// Anything of these roles.
pub(crate) fn any(roles: &'static [&'static str]) -> Sought {
    Sought {
        roles,
        by: By::Role,
        within: None,
    }
}

fn named(roles: &'static [&'static str], name: &str) -> Sought {
    Sought {
        by: By::Name(name.to_owned()),
        ..any(roles)
    }
}

fn saying(roles: &'static [&'static str], words: &str) -> Sought {
    Sought {
        by: By::Words(words.to_owned()),
        ..any(roles)
    }
}

impl Sought {
    /// The same, but only inside of something.
    pub(crate) fn within(self, outer: Self) -> Self {
        Self {
            within: Some(Box::new(outer)),
            ..self
        }
    }
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.roles.first().unwrap_or(&"anything");
        match &self.by {
            By::Role => write!(f, "{role}")?,
            By::Name(name) => write!(f, "{role} {name:?}")?,
            By::Words(words) => write!(f, "{role} saying {words:?}")?,
        }
        match &self.within {
            Some(outer) => write!(f, " in {outer}"),
            None => Ok(()),
        }
    }
}

impl Outline {
    /// Reads the answer of `Accessibility.getFullAXTree`.
    pub(crate) fn read(tree: &Value) -> Self {
        let nodes = tree["nodes"].as_array().map_or(&[][..], Vec::as_slice);
        let by_id = nodes.iter().map(|node| (node["nodeId"].as_str(), node));
        let mut outline = Self::default();
        if let Some(root) = nodes.first() {
            outline.add(root, &by_id.collect(), 0);
        }
        outline
    }

    fn add(&mut self, node: &Value, by_id: &HashMap<Option<&str>, &Value>, depth: usize) {
        let (role, name) = (text(&node["role"]), text(&node["name"]));
        // Lines of a text that is there as a whole.
        if role == "InlineTextBox" {
            return;
        }
        let is_ignored = node["ignored"].as_bool().unwrap_or(false);
        // What means nothing by itself is passed over, but not what is in it.
        let counts = !is_ignored && (role != "generic" || !name.is_empty());
        let at = self.nodes.len();
        if counts {
            self.nodes.push(Node {
                role,
                name,
                value: text(&node["value"]),
                is_focused: property(node, "focused") == Some(&Value::Bool(true)),
                backend: node["backendDOMNodeId"].as_i64().unwrap_or_default(),
                depth,
                at,
                end: at + 1,
            });
        }
        for child in node["childIds"].as_array().into_iter().flatten() {
            if let Some(child) = by_id.get(&child.as_str()) {
                self.add(child, by_id, depth + usize::from(counts));
            }
        }
        if counts {
            self.nodes[at].end = self.nodes.len();
        }
    }

    /// Everything that matches, in order.
    pub(crate) fn find(&self, sought: &Sought) -> Vec<&Node> {
        let outer = sought.within.as_deref().map(|outer| self.find(outer));
        let is_inside = |node: &Node| {
            outer.as_ref().is_none_or(|outer| {
                let mut outer = outer.iter();
                outer.any(|outer| (outer.at..outer.end).contains(&node.at))
            })
        };
        let nodes = self.nodes.iter();
        nodes
            .filter(|node| self.is(node, sought) && is_inside(node))
            .collect()
    }

    /// The one thing that matches, or why it cannot be said which.
    pub(crate) fn only(&self, sought: &Sought) -> Result<&Node, String> {
        match self.find(sought)[..] {
            [node] => Ok(node),
            [] => Err(format!("There is no {sought}")),
            ref several => Err(format!("There are {} of {sought}", several.len())),
        }
    }

    fn is(&self, node: &Node, sought: &Sought) -> bool {
        sought.roles.contains(&node.role.as_str())
            && match &sought.by {
                By::Role => true,
                By::Name(name) => node.name == *name,
                By::Words(words) => self.words_of(node).contains(words.as_str()),
            }
    }

    /// What has the keyboard.
    pub(crate) fn focused(&self) -> Option<&Node> {
        // The page as a whole says so too, when something in it has it.
        self.nodes.iter().rev().find(|node| node.is_focused)
    }

    /// Whether something, or what is in it, has the keyboard.
    pub(crate) fn has_focus(&self, node: &Node) -> bool {
        let mut inside = self.nodes[node.at..node.end].iter();
        inside.any(|node| node.is_focused)
    }

    /// The words in something, in order.
    pub(crate) fn words_of(&self, node: &Node) -> String {
        let inside = self.nodes[node.at..node.end].iter();
        let texts = inside.filter(|node| node.role == "StaticText");
        let words = texts.flat_map(|node| node.name.split_whitespace());
        words.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, node) in self.nodes.iter().enumerate() {
            let named = &self.nodes[at.saturating_sub(1)];
            // The text that the thing before it is named after.
            if node.role == "StaticText" && named.depth < node.depth && named.name == node.name {
                continue;
            }
            let indent = "  ".repeat(node.depth);
            write!(f, "{indent}{} {:?}", node.role, node.name)?;
            if !node.value.is_empty() {
                write!(f, " = {:?}", node.value)?;
            }
            writeln!(f, "{}", if node.is_focused { " (focused)" } else { "" })?;
        }
        Ok(())
    }
}

fn text(of: &Value) -> String {
    match &of["value"] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn property<'a>(node: &'a Value, name: &str) -> Option<&'a Value> {
    let properties = node["properties"].as_array()?;
    let found = properties
        .iter()
        .find(|property| property["name"] == name)?;
    Some(&found["value"]["value"])
}
