//! The matrix: a row for each action, a column for each pod, and in each cell
//! what the service answered, with the grants behind it.

use platform::access::{AccessReport, Cell, Outcome};

use super::super::words::Milliseconds;
use crate::grants::{AccessModel, Grant};

/// A pod's column.
pub(super) struct Column {
    pub(super) pod: String,
    /// `7 allowed, 15 refused`, or why there is no report.
    pub(super) summary: String,
    pub(super) has_report: bool,
}

/// The actions on one Azure resource.
pub(super) struct Group {
    pub(super) name: &'static str,
    /// The name of the resource in the access model, for example `vault`.
    pub(super) root: String,
    pub(super) rows: Vec<Row>,
}

/// An action, tried by each pod.
pub(super) struct Row {
    /// What it is on, below the root; empty for the root itself.
    pub(super) resource: String,
    pub(super) action: String,
    pub(super) cells: Vec<Option<CellView>>,
}

/// What one pod met.
pub(super) struct CellView {
    /// `allowed`, `refused` or `failed`.
    pub(super) state: &'static str,
    pub(super) text: String,
    /// The grants that cover the resource: why it is allowed, or what is not
    /// enough for this action.
    pub(super) grants: Vec<Grant>,
    pub(super) operation: String,
    pub(super) detail: String,
    pub(super) duration: Milliseconds,
}

impl Column {
    pub(super) fn new(pod: &str, report: Result<&AccessReport, &str>) -> Self {
        let has_report = report.is_ok();
        let summary = match report {
            Ok(report) => counts(report),
            Err(why) => why.to_owned(),
        };
        Self {
            pod: pod.to_owned(),
            summary,
            has_report,
        }
    }
}

fn counts(report: &AccessReport) -> String {
    let allowed = report.count(|outcome| matches!(outcome, Outcome::Allowed));
    let refused = report.count(|outcome| matches!(outcome, Outcome::Refused { .. }));
    let failed = report.count(|outcome| matches!(outcome, Outcome::Failed { .. }));
    match failed {
        0 => format!("{allowed} allowed, {refused} refused"),
        _ => format!("{allowed} allowed, {refused} refused, {failed} unanswered"),
    }
}

/// The rows of all reports, in the order of the first that has them.
pub(super) fn groups(reports: &[Option<&AccessReport>], model: Option<&AccessModel>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for cell in reports.iter().flatten().flat_map(|report| &report.cells) {
        let (root, resource) = cell
            .resource
            .split_once('/')
            .unwrap_or((cell.resource.as_str(), ""));
        let group = position_or(
            &mut groups,
            |group| group.root == root,
            || Group {
                name: name(root),
                root: root.to_owned(),
                rows: Vec::new(),
            },
        );
        let is_row = |row: &Row| row.resource == resource && row.action == cell.action;
        position_or(&mut group.rows, is_row, || Row {
            resource: resource.to_owned(),
            action: cell.action.clone(),
            cells: reports
                .iter()
                .map(|report| view_of(cell, (*report)?, model))
                .collect(),
        });
    }
    groups
}

/// The element for which it holds, made at the end if there is none.
fn position_or<T>(
    elements: &mut Vec<T>,
    holds: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) -> &mut T {
    let index = elements.iter().position(holds).unwrap_or_else(|| {
        elements.push(make());
        elements.len() - 1
    });
    &mut elements[index]
}

fn name(root: &str) -> &'static str {
    match root {
        "vault" => "Key Vault",
        "cosmos" => "Cosmos DB",
        "storage" => "Blob Storage",
        "bus" => "Service Bus",
        _ => "Other",
    }
}

/// What another report says about the same action.
fn view_of(like: &Cell, report: &AccessReport, model: Option<&AccessModel>) -> Option<CellView> {
    report
        .cells
        .iter()
        .find(|cell| cell.resource == like.resource && cell.action == like.action)
        .map(|cell| CellView::new(cell, &report.pod, model))
}

impl CellView {
    fn new(cell: &Cell, identity: &str, model: Option<&AccessModel>) -> Self {
        let grants: Vec<Grant> = model.map_or_else(Vec::new, |model| {
            let covering = model.covering(identity, &cell.resource);
            covering.into_iter().cloned().collect()
        });
        Self {
            state: match cell.outcome {
                Outcome::Allowed => "allowed",
                Outcome::Refused { .. } => "refused",
                Outcome::Failed { .. } => "failed",
            },
            text: cell.outcome.text().to_owned(),
            grants,
            operation: cell.operation.clone(),
            detail: cell.detail.clone(),
            duration: Milliseconds(cell.duration_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::tests::model;
    use crate::testing::access_report;

    fn cell<'a>(groups: &'a [Group], root: &str, row: &str) -> &'a [Option<CellView>] {
        let group = groups
            .iter()
            .find(|group| group.root == root)
            .expect("the group");
        let row = group
            .rows
            .iter()
            .find(|it| format!("{} {}", it.resource, it.action) == row)
            .expect("the row");
        &row.cells
    }

    #[test]
    fn an_allowed_cell_names_its_grant_and_a_refused_one_its_code() {
        let (own, backend) = (access_report("frontend"), access_report("backend"));
        let model = model();

        let groups = groups(&[Some(&own), Some(&backend)], Some(&model));

        let cells = cell(&groups, "vault", "secrets/session-key get");
        let own = cells[0].as_ref().expect("own");
        assert_eq!(own.text, "allowed");
        assert_eq!(own.grants[0].role, "Key Vault Secrets User");
        assert_eq!(own.grants[0].scope, "vault/secrets/session-key");
        let backend = cells[1].as_ref().expect("the backend's");
        assert_eq!(backend.text, "403 ForbiddenByRbac");
        assert!(backend.grants.is_empty());
    }

    #[test]
    fn a_refused_cell_names_the_grant_that_is_not_enough() {
        let own = access_report("frontend");
        let model = model();

        let groups = groups(&[Some(&own)], Some(&model));

        let write = cell(&groups, "cosmos", "activity write")[0].as_ref();
        let write = write.expect("own");
        assert_eq!(write.text, "403/5302");
        assert_eq!(write.grants[0].role, "Cosmos DB Built-in Data Reader");
    }

    #[test]
    fn a_pod_without_a_report_leaves_its_cells_empty() {
        let own = access_report("frontend");

        let groups = groups(&[Some(&own), None], None);
        let column = Column::new("backend", Err("the backend is away"));

        assert_eq!(
            groups.iter().map(|group| group.rows.len()).sum::<usize>(),
            own.cells.len()
        );
        assert!(cell(&groups, "vault", " list")[1].is_none());
        assert_eq!(column.summary, "the backend is away");
    }
}
