//! The table of metrics in `docs/operations.md` is what the code describes.

use platform::telemetry::metrics::{ALL, Kind, Metric};

/// A row of the table.
fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let labels: Vec<_> = metric
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    let labels = labels.join(", ");
    let row = format!(
        "| `{}` | {kind} | {labels} | {} |",
        metric.name, metric.meaning
    );
    row.replace("|  |", "| |")
}

#[test]
fn the_table_of_metrics_is_what_the_code_describes() {
    let file = e2e::repository().join("docs/operations.md");
    let text = std::fs::read_to_string(file).expect("docs/operations.md");
    let section = text.split("\n## Metrics\n").nth(1).expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let table: Vec<_> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();

    let described: Vec<_> = ALL.iter().map(row).collect();

    assert_eq!(table, described);
}
