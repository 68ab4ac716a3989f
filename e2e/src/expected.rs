//! The table of expected access, `expected-access.md`: reviewed by hand, and
//! what every run is compared with. It is not derived from the access model, so
//! that a misread role or scope cannot pass everywhere at once.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use platform::access::AccessReport;

/// The table as it stands in the repository.
pub const EXPECTED_ACCESS: &str = include_str!("../expected-access.md");

/// What an identity is expected to be answered for one action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The identity's name.
    pub identity: String,
    /// The resource's path and the action: `vault/secrets/session-key get`.
    pub action: String,
    /// `allowed`, or the exact refusal.
    pub outcome: String,
}

/// A cell whose outcome was another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What was expected.
    pub expected: Cell,
    /// What came; nothing if the action was not tried.
    pub found: Option<String>,
}

/// Reads the table: the first column holds the action, each further one an
/// identity, named in the head.
pub fn parse(text: &str) -> Result<Vec<Cell>> {
    let mut rows = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(columns);
    let head = rows.next().context("there is no table")?;
    let identities = head.get(1..).unwrap_or_default().to_vec();
    let mut cells = Vec::new();
    for row in rows.skip(1) {
        if row.len() != head.len() {
            bail!(
                "the row `{}` has {} columns, not {}",
                row.join(" | "),
                row.len(),
                head.len()
            );
        }
        for (identity, outcome) in identities.iter().zip(&row[1..]) {
            cells.push(Cell {
                identity: identity.clone(),
                action: row[0].clone(),
                outcome: outcome.clone(),
            });
        }
    }
    Ok(cells)
}

/// What a pod's probe found, by identity and action.
pub fn found<'r>(
    pod: &'r str,
    report: &'r AccessReport,
) -> impl Iterator<Item = ((String, String), String)> + 'r {
    report.cells.iter().map(move |cell| {
        let key = (pod.to_owned(), cell.id());
        (key, cell.outcome.text().to_owned())
    })
}

/// Compares what was found, by identity and action, with the table. Cells that
/// the table does not have are differences too.
pub fn compare(expected: &[Cell], found: &BTreeMap<(String, String), String>) -> Vec<Difference> {
    let wrong = expected.iter().filter_map(|cell| {
        let found = found
            .get(&(cell.identity.clone(), cell.action.clone()))
            .cloned();
        (found.as_ref() != Some(&cell.outcome)).then(|| Difference {
            expected: cell.clone(),
            found,
        })
    });
    let unexpected = found.iter().filter_map(|((identity, action), outcome)| {
        let known = expected
            .iter()
            .any(|cell| cell.identity == *identity && cell.action == *action);
        (!known).then(|| Difference {
            expected: Cell {
                identity: identity.clone(),
                action: action.clone(),
                outcome: "(not in the table)".to_owned(),
            },
            found: Some(outcome.clone()),
        })
    });
    wrong.chain(unexpected).collect()
}

fn columns(line: &str) -> Vec<String> {
    let inner = line.trim().trim_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().replace('`', ""))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "Text.\n\n| action | a | b |\n|---|---|---|\n| `vault list` | allowed | `403 X` |\n";

    fn found(a: &str, b: &str) -> BTreeMap<(String, String), String> {
        let key = |identity: &str| (identity.to_owned(), "vault list".to_owned());
        BTreeMap::from([(key("a"), a.to_owned()), (key("b"), b.to_owned())])
    }

    #[test]
    fn equal_cells_are_no_difference_and_others_are() {
        let expected = parse(TABLE).expect("a table");
        assert_eq!(compare(&expected, &found("allowed", "403 X")), []);

        let differences = compare(&expected, &found("403 X", "403 X"));
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].found.as_deref(), Some("403 X"));
    }

    #[test]
    fn a_cell_that_is_missing_on_either_side_is_a_difference() {
        let expected = parse(TABLE).expect("a table");
        assert_eq!(compare(&expected, &BTreeMap::new()).len(), 2);

        let mut more = found("allowed", "403 X");
        more.insert(
            ("a".to_owned(), "vault set".to_owned()),
            "allowed".to_owned(),
        );
        assert_eq!(
            compare(&expected, &more)[0].expected.outcome,
            "(not in the table)"
        );
    }

    #[test]
    fn a_row_with_a_cell_too_few_is_refused() {
        let error = parse(&format!("{TABLE}| `vault set` | allowed |\n")).expect_err("two cells");
        assert_eq!(
            error.to_string(),
            "the row `vault set | allowed` has 2 columns, not 3"
        );
    }

    #[test]
    fn the_repositorys_table_has_enough_of_both() {
        let cells = parse(EXPECTED_ACCESS).expect("a table");
        let allowed = cells
            .iter()
            .filter(|cell| cell.outcome == "allowed")
            .count();
        assert!(allowed >= 10, "{allowed} allowed");
        assert!(
            cells.len() - allowed >= 25,
            "{} denied",
            cells.len() - allowed
        );
    }
}
