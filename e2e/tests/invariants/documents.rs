//! Files and tests that the documents name are there. A name that is not is a
//! promise that nobody keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use e2e::expected::{self, Cell, EXPECTED_ACCESS};

/// The crates by their names, with their directories.
const CRATES: [(&str, &str); 5] = [
    ("platform", "platform"),
    ("backend", "backend"),
    ("frontend", "frontend"),
    ("local-cloud", "e2e/local-cloud"),
    ("e2e", "e2e"),
];

/// Everything that is written here in Rust.
struct Tree {
    sources: Vec<Source>,
    /// The sources in which there is a function of this name.
    functions: BTreeMap<String, Vec<usize>>,
}

struct Source {
    /// From the repository, with `/`.
    path: String,
    text: String,
}

impl Tree {
    fn read() -> Self {
        let root = e2e::repository();
        let mut sources = Vec::new();
        for directory in ["platform", "backend", "frontend", "e2e"] {
            collect(root, &root.join(directory), &mut sources);
        }
        let mut functions: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, source) in sources.iter().enumerate() {
            for name in source.functions() {
                functions.entry(name.to_owned()).or_default().push(at);
            }
        }
        Self { sources, functions }
    }

    /// Whether a path, or its end, is a file or a directory of the tree.
    fn has_path(&self, path: &str) -> bool {
        let (path, is_directory) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, false),
        };
        let root = e2e::repository();
        let mut homes = CRATES.iter().map(|(_, directory)| root.join(directory));
        root.join(path).exists()
            || homes.any(|home| home.join(path).exists())
            || self.sources.iter().any(|source| {
                let mut own = Path::new(&source.path);
                if !is_directory {
                    return own.ends_with(path);
                }
                while let Some(parent) = own.parent() {
                    if parent.ends_with(path) {
                        return true;
                    }
                    own = parent;
                }
                false
            })
    }

    /// Whether a crate has a test of this name, as `cargo test` tells it.
    fn has_test(&self, crates: &[&str], test: &str) -> bool {
        let modules: Vec<&str> = test.split("::").collect();
        let (name, modules) = modules.split_last().expect("a name");
        let Some(found) = self.functions.get(*name) else {
            return false;
        };
        found.iter().any(|at| {
            let source = &self.sources[*at];
            crates
                .iter()
                .any(|name| source.is_of(name) && source.has_modules(modules))
        })
    }
}

impl Source {
    /// The names of its functions.
    fn functions(&self) -> impl Iterator<Item = &str> {
        let behind = self.text.split("fn ").skip(1);
        behind.filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
            (end > 0 && rest[end..].starts_with(['(', '<'])).then_some(&rest[..end])
        })
    }

    fn is_of(&self, name: &str) -> bool {
        let owner = CRATES
            .iter()
            .filter(|(_, directory)| Path::new(&self.path).starts_with(directory))
            .max_by_key(|(_, directory)| directory.len());
        owner.is_some_and(|(own, _)| *own == name)
    }

    /// Whether these modules are those of this file, with those inside of it.
    fn has_modules(&self, modules: &[&str]) -> bool {
        let own = self.modules();
        match modules.strip_prefix(&own[..]) {
            Some(inside) => inside
                .iter()
                .all(|module| self.text.contains(&format!("mod {module} {{"))),
            None => false,
        }
    }

    /// The modules that the path stands for: below `src`, or below the directory
    /// of an integration test.
    fn modules(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        let inside = match (path.split_once("/src/"), path.split_once("/tests/")) {
            (Some((before, inside)), _) if !before.contains("/tests/") => inside,
            (_, Some((_, inside))) => inside.split_once('/').map_or("", |(_, inside)| inside),
            _ => path,
        };
        let modules = inside.split('/');
        modules
            .filter(|module| !matches!(*module, "" | "lib" | "main"))
            .collect()
    }
}

fn collect(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut entries: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let path = path.strip_prefix(root).expect("below the repository");
            sources.push(Source {
                path: path.to_string_lossy().into_owned(),
                text,
            });
        }
    }
}

fn document(name: &str) -> String {
    let file = e2e::repository().join(name);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands between backticks in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The crates that the commands in a text test.
fn tested_crates(text: &str) -> Vec<&'static str> {
    let commands = quoted(text).filter(|quoted| quoted.starts_with("cargo test "));
    let names: BTreeSet<&str> = commands
        .flat_map(|command| command.split("-p ").skip(1))
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    let crates = CRATES.iter().map(|(name, _)| *name);
    crates.filter(|name| names.contains(name)).collect()
}

/// A file that a row of `docs/guards.md` names: from the directory of the crate or
/// of its sources, or beside the file that was named before it.
fn guarded_file(crates: &[&str], before: Option<&Path>, file: &str) -> Option<PathBuf> {
    let root = e2e::repository();
    let directories = CRATES.iter().filter(|(name, _)| crates.contains(name));
    let homes = directories.flat_map(|(_, directory)| {
        let home = root.join(directory);
        [home.join("src"), home]
    });
    let beside = before.and_then(Path::parent).map(Path::to_owned);
    let places = homes.chain(beside).chain([root.to_owned()]);
    places
        .map(|place| place.join(file))
        .find(|path| path.exists())
}

/// Whether there is a test of this name among those that a table makes: of a cell
/// of the matrix, whatever its outcome, or of a case that is named in the sources,
/// perhaps behind the place at which it is tried.
fn is_of_a_table(tree: &Tree, cells: &[Cell], test: &str) -> bool {
    let of_cell =
        |cell: &Cell| test.starts_with(&format!("{}: {} is ", cell.identity, cell.action));
    let case = test.split_once(": ").map_or(test, |(_, case)| case);
    let case = format!("\"{case}\"");
    let mut tests = tree
        .sources
        .iter()
        .filter(|source| source.path.starts_with("e2e/tests/"));
    cells.iter().any(of_cell) || tests.any(|source| source.text.contains(&case))
}

/// What a row of `docs/guards.md` names that is not there.
fn missing_of(tree: &Tree, matrix: &[Cell], of_section: &[&str], row: &str) -> Vec<String> {
    let columns: Vec<&str> = row.trim_matches('|').split(" | ").collect();
    let [_, files, tests] = columns[..] else {
        return vec![format!("not three columns: {row}")];
    };
    let mut missing = Vec::new();
    let mut before = None;
    // Beside a file may stand which function of it.
    for file in quoted(files).filter(|quoted| quoted.contains(['.', '/'])) {
        match guarded_file(of_section, before.as_deref(), file) {
            Some(path) => before = Some(path),
            None => missing.push(format!("no file {file}")),
        }
    }
    let of_row = tested_crates(tests);
    let crates = if of_row.is_empty() {
        of_section
    } else {
        &of_row
    };
    for test in quoted(tests).filter(|quoted| !quoted.starts_with("cargo ")) {
        let is_there = if test.contains(' ') {
            is_of_a_table(tree, matrix, test)
        } else {
            tree.has_test(crates, test)
        };
        if !is_there {
            missing.push(format!("no test {test}"));
        }
    }
    missing
}

#[test]
fn every_file_and_test_in_the_list_of_guards_is_there() {
    let tree = Tree::read();
    let matrix = expected::parse(EXPECTED_ACCESS).expect("the table of expected access");
    let text = document("docs/guards.md");
    let mut missing = Vec::new();
    let mut rows = 0;
    for section in text.split("\n## ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        let (table, prose): (Vec<&str>, Vec<&str>) =
            body.lines().partition(|line| line.starts_with('|'));
        let of_section = tested_crates(&prose.join("\n"));
        // Below the names of the columns and a line.
        for row in table.into_iter().skip(2) {
            rows += 1;
            let of_row = missing_of(&tree, &matrix, &of_section, row);
            missing.extend(of_row.into_iter().map(|what| format!("{heading}: {what}")));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(rows > 200, "only {rows} guards were read");
}

#[test]
fn every_rust_file_that_a_document_names_is_there() {
    let tree = Tree::read();
    let mut missing = Vec::new();
    let mut named = 0;
    for name in [
        "ARCHITECTURE.md",
        "README.md",
        "SECURITY.md",
        "docs/access-model.md",
        "docs/api.md",
        "docs/browser-tests.md",
        "docs/operations.md",
    ] {
        let text = document(name);
        // What is in a block is a command or a picture.
        let prose = text.split("```").step_by(2).collect::<Vec<_>>().concat();
        for quoted in quoted(&prose) {
            let is_directory = name == "ARCHITECTURE.md" && quoted.ends_with('/');
            let is_source = Path::new(quoted).extension().is_some_and(|end| end == "rs");
            let stands_for_many = quoted.contains(['<', ' ', '*']);
            if stands_for_many || !(is_source || is_directory) {
                continue;
            }
            named += 1;
            if !tree.has_path(quoted) {
                missing.push(format!("{name}: {quoted}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named > 150, "only {named} files were read");
}

#[test]
fn every_test_that_holds_an_invariant_is_there() {
    let tree = Tree::read();
    let text = document("ARCHITECTURE.md");
    let invariants = text.split("\n## Invariants\n").nth(1).expect("a section");
    // A test is a sentence; names of functions and variables are shorter.
    let is_sentence = |name: &&str| {
        name.matches('_').count() >= 4
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let tests: Vec<&str> = quoted(invariants).filter(is_sentence).collect();

    let missing: Vec<_> = tests
        .iter()
        .filter(|test| !tree.functions.contains_key(**test))
        .collect();

    assert!(missing.is_empty(), "{missing:#?}");
    assert!(tests.len() > 80, "only {} tests were read", tests.len());
}
