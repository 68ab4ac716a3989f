//! The queries of Log Analytics: each is told of, asks tables that the diagnostic
//! settings fill, and columns that these have.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::template::{Kind, Template, Value};
use super::{Files, holds, of_templates};

const DOCUMENT: &str = "docs/auditability.md";
const TABLES: &str = "infra/queries/tables.json";

fn mistakes(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let tables = files.json(TABLES);
    let logged = logged(templates);
    let mut asked = BTreeSet::new();
    for (file, text) in files.below("infra/queries/", ".kql") {
        // Names of Azure begin with a capital, those of the query do not.
        let named: BTreeSet<&str> = words(text)
            .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
            .collect();
        let (of_tables, columns): (Vec<&str>, Vec<&str>) = named
            .into_iter()
            .partition(|word| tables["columns"].get(word).is_some());
        if of_tables.is_empty() {
            wrong.push(format!("{file} asks no table that is known"));
        }
        for column in columns {
            let has = |table: &&str| list(&tables["columns"][table]).any(|own| own == column);
            if !of_tables.iter().any(has) {
                wrong.push(format!(
                    "{file}: none of {of_tables:?} has a column {column}"
                ));
            }
        }
        for table in of_tables {
            let category = tables["filledBy"][table].as_str();
            if category.is_some_and(|category| !logged.contains(category)) {
                wrong.push(format!("{file}: no diagnostic setting fills {table}"));
            }
            asked.insert(table.to_owned());
        }
    }
    let known = tables["columns"].as_object().expect("tables").keys();
    let unasked = known.filter(|table| !asked.contains(*table));
    wrong.extend(unasked.map(|table| format!("no query asks {table}")));
    wrong.extend(untold(files));
    wrong
}

/// Queries that the document does not name, and names that are none.
fn untold(files: &Files) -> Vec<String> {
    let linked = files.text(DOCUMENT).split("](../infra/queries/").skip(1);
    let linked: BTreeSet<&str> = linked.filter_map(|rest| rest.split(')').next()).collect();
    let there = files
        .below("infra/queries/", ".kql")
        .map(|(file, _)| &file["infra/queries/".len()..]);
    let there: BTreeSet<&str> = there.collect();
    let untold = there
        .difference(&linked)
        .map(|name| format!("{DOCUMENT} does not tell of {name}"));
    let gone = linked
        .difference(&there)
        .map(|name| format!("{DOCUMENT} names {name}, which is not there"));
    untold.chain(gone).collect()
}

/// The categories of all diagnostic settings.
fn logged(templates: &[Template]) -> BTreeSet<&str> {
    let resources = templates.iter().flat_map(|one| one.of_kind(Kind::Resource));
    let settings = resources.filter(|one| one.of.contains("diagnosticSettings@"));
    let logs = settings.filter_map(|one| one.value.at("properties.logs"));
    logs.flat_map(Value::items)
        .filter_map(|log| log.get("category").and_then(Value::text))
        .collect()
}

/// The words of a query, without comments and texts.
fn words(query: &str) -> impl Iterator<Item = &str> {
    let code = query
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let outside = code.flat_map(|line| line.split('"').step_by(2));
    outside.flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
}

fn list(names: &Json) -> impl Iterator<Item = &str> {
    names
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}

#[test]
fn every_query_is_told_of_and_asks_what_is_logged() {
    holds(
        of_templates(mistakes),
        &[
            (
                DOCUMENT,
                "](../infra/queries/key-vault.kql)",
                "](../infra/queries/vault.kql)",
                "does not tell of key-vault.kql",
            ),
            (
                DOCUMENT,
                "](../infra/queries/key-vault.kql)",
                "](../infra/queries/vault.kql)",
                "names vault.kql, which is not there",
            ),
            (
                "infra/queries/cosmos-db.kql",
                "principal = AadPrincipalId",
                "principal = PrincipalId",
                "has a column PrincipalId",
            ),
            (
                "infra/queries/service-bus.kql",
                "AZMSRunTimeAuditLogs",
                "AZMSAuditLogs",
                "asks no table that is known",
            ),
            (
                "infra/modules/key-vault.bicep",
                "'AuditEvent'",
                "'AuditEvents'",
                "no diagnostic setting fills AZKVAuditLogs",
            ),
            (
                "infra/modules/storage.bicep",
                "'StorageRead'",
                "'StorageReads'",
                "no diagnostic setting fills StorageBlobLogs",
            ),
        ],
    );
}
