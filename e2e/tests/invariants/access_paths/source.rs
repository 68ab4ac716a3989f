//! A source file, read by lines: its functions with what stands above them, and
//! the handlers that it registers. Formatted by rustfmt, that is enough.

use super::note::Note;

/// What a file has.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Its path in the repository.
    pub(crate) file: String,
    pub(super) functions: Vec<Function>,
    /// The handlers of its routes, such as `todos::add`.
    pub(super) handlers: Vec<String>,
    /// What is wrong with its lines.
    pub(super) problems: Vec<String>,
    /// Its modules that only tests have.
    pub(super) test_modules: Vec<String>,
}

/// A function, as far as access paths go.
#[derive(Debug)]
pub(super) struct Function {
    /// Its own name.
    pub(super) name: String,
    /// The type that it is a method of.
    pub(super) of: Option<String>,
    /// The first sentence of its documentation.
    pub(super) does: String,
    pub(super) notes: Vec<Note>,
    /// Whether it handles messages, works until the pod is asked to end, or
    /// starts a task that does.
    pub(super) is_job: bool,
}

impl Function {
    pub(super) fn full_name(&self) -> String {
        match &self.of {
            Some(of) => format!("{of}::{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// What was read above the next function.
#[derive(Default)]
struct Above {
    doc: Vec<String>,
    notes: Vec<String>,
    /// How many brackets of an attribute are open.
    attribute: usize,
}

impl Source {
    pub(super) fn read(file: &str, text: &str) -> Self {
        let lines: Vec<&str> = text
            .lines()
            .take_while(|line| *line != "mod tests {")
            .collect();
        let mut source = Self {
            file: file.to_owned(),
            ..Self::default()
        };
        let declarations = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
        source.test_modules = declarations
            .filter_map(|pair| pair[1].strip_suffix(';')?.rsplit_once("mod "))
            .map(|(_, module)| module.to_owned())
            .collect();
        source.read_functions(&lines);
        let code = lines.iter().map(|line| line.trim());
        let code: Vec<_> = code.filter(|line| !line.starts_with("//")).collect();
        source.read_handlers(&code.join(" "));
        source
    }

    fn read_functions(&mut self, lines: &[&str]) {
        let mut above = Above::default();
        let mut within: Option<Implementation> = None;
        for (number, line) in lines.iter().enumerate() {
            let code = line.trim();
            if above.takes(code) {
                continue;
            }
            let Above { doc, notes, .. } = std::mem::take(&mut above);
            if let Some(name) = function_name(code) {
                let signature = up_to_body(&lines[number..]);
                let notes = self.notes(name, &notes);
                self.functions.push(Function {
                    name: name.to_owned(),
                    of: within.as_ref().map(|within| within.of.clone()),
                    does: first_sentence(&doc),
                    notes,
                    is_job: starts_a_task(&body(&lines[number..]))
                        || within
                            .as_ref()
                            .is_some_and(|within| within.is_job(name, &signature)),
                });
                continue;
            }
            for note in notes {
                self.problem(&format!("`{note}` is above no function"));
            }
            if line.starts_with("impl") {
                within = Some(Implementation::read(&up_to_body(&lines[number..])));
            } else if *line == "}" {
                within = None;
            }
        }
    }

    fn notes(&mut self, name: &str, lines: &[String]) -> Vec<Note> {
        let mut notes = Vec::new();
        for line in lines {
            match Note::parse(line) {
                Ok(note) => notes.push(note),
                Err(problem) => self.problem(&format!("above `{name}`: {problem}")),
            }
        }
        notes
    }

    /// `.route(path, get(a).post(b))`, and `routes!(a, b)` of utoipa.
    fn read_handlers(&mut self, code: &str) {
        for (at, opening) in code.match_indices(".route(") {
            let arguments = balanced(&code[at + opening.len()..]);
            for method in ["get", "post", "put", "patch", "delete", "head", "any"] {
                for (at, opening) in arguments.match_indices(&format!("{method}(")) {
                    let before = arguments[..at].chars().next_back();
                    if before.is_none_or(|before| before == ' ' || before == '.') {
                        let handler = balanced(&arguments[at + opening.len()..]);
                        self.handlers.push(handler.trim().to_owned());
                    }
                }
            }
        }
        for (at, opening) in code.match_indices("routes!(") {
            let handlers = balanced(&code[at + opening.len()..]).split(',');
            let handlers = handlers
                .map(|handler| handler.trim().to_owned())
                .filter(|handler| !handler.is_empty());
            self.handlers.extend(handlers);
        }
    }

    fn problem(&mut self, what: &str) {
        self.problems.push(format!("{}: {what}", self.file));
    }
}

impl Above {
    /// Whether a line belongs to what is above the next function.
    fn takes(&mut self, code: &str) -> bool {
        if self.attribute > 0 || code.starts_with("#[") {
            let opened = code.matches(['[', '(']).count();
            let closed = code.matches([']', ')']).count();
            self.attribute = (self.attribute + opened).saturating_sub(closed);
        } else if let Some(doc) = code.strip_prefix("///") {
            self.doc.push(doc.trim().to_owned());
        } else if let Some(comment) = code.strip_prefix("// ") {
            let begins = comment.starts_with("Identity ") || comment.starts_with("No identity");
            let last = self.notes.last_mut().filter(|last| !last.ends_with('.'));
            match last {
                Some(last) => *last = format!("{last} {comment}"),
                None if begins => self.notes.push(comment.to_owned()),
                None => {}
            }
        } else {
            return false;
        }
        true
    }
}

/// An `impl` block.
struct Implementation {
    of: String,
    is_handler: bool,
}

impl Implementation {
    fn read(head: &str) -> Self {
        let head = head.trim_start_matches("impl");
        let head = match head.strip_prefix('<') {
            Some(generic) => after_generics(generic),
            None => head,
        };
        let (of, is_handler) = match head.split_once(" for ") {
            Some((what, of)) => (of, what.trim() == "Handler"),
            None => (head, false),
        };
        let name = of.trim().split(['<', ' ']).next().unwrap_or_default();
        Self {
            of: name.to_owned(),
            is_handler,
        }
    }

    /// What handles messages; or a method `run` that is told when to end.
    fn is_job(&self, name: &str, signature: &str) -> bool {
        self.is_handler || (name == "run" && signature.contains("Shutdown"))
    }
}

fn after_generics(text: &str) -> &str {
    let mut open = 1;
    for (at, character) in text.char_indices() {
        match character {
            '<' => open += 1,
            '>' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return &text[at + 1..];
        }
    }
    text
}

pub(crate) fn function_name(code: &str) -> Option<&str> {
    let mut words = code
        .split(' ')
        .skip_while(|word| word.starts_with("pub") || ["async", "const", "default"].contains(word));
    if words.next()? != "fn" {
        return None;
    }
    words.next()?.split(['(', '<']).next()
}

/// An item's text up to its body.
fn up_to_body(lines: &[&str]) -> String {
    let mut head = Vec::new();
    for line in lines {
        head.push(line.trim());
        if line.ends_with(['{', ';', '}']) {
            break;
        }
    }
    head.join(" ").trim_end_matches('{').trim().to_owned()
}

/// The text of a function, up to the brace that closes it.
fn body(lines: &[&str]) -> String {
    let first = lines.first().copied().unwrap_or_default();
    let indent = &first[..first.len() - first.trim_start().len()];
    let end = format!("{indent}}}");
    let inside = lines.iter().take_while(|line| **line != end);
    let code = inside.map(|line| line.trim());
    let code: Vec<_> = code.filter(|line| !line.starts_with("//")).collect();
    code.join(" ")
}

/// Whether a task begins here that is no job of its own: a method `run` is one.
fn starts_a_task(body: &str) -> bool {
    let tasks = body.match_indices("spawn(");
    let mut tasks = tasks.map(|(at, opening)| balanced(&body[at + opening.len()..]));
    tasks.any(|task| {
        let callee = task.split('(').next().unwrap_or_default();
        callee
            .rsplit_once('.')
            .is_none_or(|(_, method)| method != "run")
    })
}

/// The text up to the parenthesis that closes what was opened before it.
fn balanced(text: &str) -> &str {
    let mut open = 1;
    for (at, character) in text.char_indices() {
        match character {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return &text[..at];
        }
    }
    text
}

fn first_sentence(doc: &[String]) -> String {
    let paragraph = doc.iter().take_while(|line| !line.is_empty());
    let lines: Vec<_> = paragraph.map(String::as_str).collect();
    let text = without_links(&lines.join(" "));
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}

/// Links to items, as rustdoc knows them, say only what they say.
fn without_links(text: &str) -> String {
    let mut parts = text.split("`]");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let target = part.strip_prefix('(').and_then(|part| part.split_once(')'));
        plain.push('`');
        plain.push_str(target.map_or(part, |(_, rest)| rest));
    }
    plain.replace("[`", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = r#"
/// Adds a todo, as [`Api`] and [`it`](Self::it) say. Then more.
///
/// Not this.
// Identity backend, Reader on container
// todos.
// Identity backend, Sender on queue events.
#[utoipa::path(
    post,
    responses((status = 200)),
)]
pub(super) async fn add<T>(api: T) {}

impl<H: Handler> Consumer<H> {
    /// Runs.
    pub(crate) async fn run(
        self,
        shutdown: Shutdown,
    ) {
    }
}

impl Handler for Recorder {
    async fn handle(&self) {}
}

fn start(tasks: &mut JoinSet<()>) {
    tasks.spawn(sweep.run(shutdown));
}

fn watch() {
    tokio::spawn(async move {
        look().await;
    });
}

fn routes() {
    Router::new()
        .route("/a", get(todos::show).post(todos::add))
        .route(
            "/b",
            delete(remove).layer(Limit::max(5)),
        )
        .routes(routes!(lists::all, lists::create))
        .fallback(nothing)
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    fn not_this() {}
}
"#;

    #[test]
    fn functions_are_found_with_what_stands_above_them() {
        let source = Source::read("a.rs", CODE);

        let functions: Vec<_> = source
            .functions
            .iter()
            .map(|function| (function.full_name(), function.is_job))
            .collect();
        let expected = [
            ("add".to_owned(), false),
            ("Consumer::run".to_owned(), true),
            ("Recorder::handle".to_owned(), true),
            ("start".to_owned(), false),
            ("watch".to_owned(), true),
            ("routes".to_owned(), false),
        ];
        assert_eq!(functions, expected);
        assert_eq!(source.problems, Vec::<String>::new());
        assert_eq!(source.test_modules, ["testing"]);
        let add = &source.functions[0];
        assert_eq!(add.does, "Adds a todo, as `Api` and `it` say.");
        let lines = [
            "Identity backend, Reader on container todos.",
            "Identity backend, Sender on queue events.",
        ];
        let notes: Vec<_> = lines.into_iter().flat_map(Note::parse).collect();
        assert_eq!(add.notes, notes);
    }

    #[test]
    fn handlers_are_found_where_routes_are_registered() {
        let source = Source::read("a.rs", CODE);

        let mut handlers = source.handlers;
        handlers.sort();
        assert_eq!(
            handlers,
            [
                "lists::all",
                "lists::create",
                "remove",
                "todos::add",
                "todos::show"
            ]
        );
    }

    #[test]
    fn a_line_above_no_function_and_one_that_cannot_be_read_are_problems() {
        let stray = "// Identity worker, Reader on container a.\n\nfn a() {}\n";
        let wrong = "// Identity worker, Reader somewhere.\nfn a() {}\n";

        let problems = |code| Source::read("a.rs", code).problems.join(" ");

        assert!(
            problems(stray).contains("is above no function"),
            "{}",
            problems(stray)
        );
        assert!(
            problems(wrong).contains("a.rs: above `a`"),
            "{}",
            problems(wrong)
        );
    }
}
