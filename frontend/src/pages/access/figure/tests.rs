//! What the drawing says, for exchanges that succeed and that do not.

use super::*;
use crate::grants::tests::model;
use crate::testing::access_report;
use serde_json::json;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-23 14:00:30 UTC);

fn drawn(report: &AccessReport) -> Figure {
    Figure::new(report, Some(&model()), NOW)
}

/// A report of an exchange that Entra ID refused.
fn refused(code: &str) -> AccessReport {
    let mut report = access_report("frontend");
    let said = format!(
        "{code}: No matching federated identity record found. Trace ID: 0f45502b Correlation ID: 47 \
         Timestamp: 2026-11-23 14:00:00Z"
    );
    report.steps[2].outcome = StepOutcome::Failed;
    report.steps[2].summary = said;
    report.steps[2]
        .values
        .push(("code".to_owned(), json!(code)));
    for step in &mut report.steps[3..] {
        step.outcome = StepOutcome::NotReached;
        step.summary = "nothing yet".to_owned();
    }
    report
}

fn signs(figure: &Figure) -> Vec<(&str, &str)> {
    let of = |ribbon: &Ribbon| (ribbon.name, ribbon.sign);
    figure.ribbons.iter().map(of).collect()
}

fn has(figure: &Figure, text: &str) -> bool {
    figure.texts.iter().any(|own| own.line == text)
}

#[test]
fn the_three_values_of_steps_2_and_3_are_joined_as_equal() {
    let figure = drawn(&access_report("frontend"));

    assert_eq!(signs(&figure), [("iss", "="), ("sub", "="), ("aud", "=")]);
    let audience = "api://AzureADTokenExchange";
    assert_eq!(
        figure.texts.iter().filter(|t| t.line == audience).count(),
        2
    );
    assert!(figure.arrows.iter().all(|arrow| arrow.is_reached));
}

#[test]
fn the_value_that_entra_id_does_not_trust_is_marked() {
    for (code, expected) in [
        ("AADSTS700211", ["≠", "?", "?"]),
        ("AADSTS700212", ["?", "?", "≠"]),
        ("AADSTS700213", ["?", "≠", "?"]),
        ("AADSTS700016", ["?", "?", "?"]),
    ] {
        let figure = drawn(&refused(code));

        let signs = signs(&figure);
        assert_eq!(
            signs.iter().map(|(_, sign)| *sign).collect::<Vec<_>>(),
            expected
        );
    }
}

#[test]
fn a_refused_exchange_ends_the_way_with_entras_words() {
    let figure = drawn(&refused("AADSTS700213"));

    let reached: Vec<bool> = figure.arrows.iter().map(|arrow| arrow.is_reached).collect();
    assert_eq!(reached, [true, true, false, false]);
    assert!(has(&figure, "AADSTS700213: No matching"));
    assert!(!has(&figure, "granted in"));
    // Those are with the words.
    assert!(!figure.texts.iter().any(|t| t.line.contains("Trace")));
    let not_reached = figure.texts.iter().find(|t| t.line == "not reached");
    assert_eq!(not_reached.expect("step 4").clock, None);
    assert!(
        figure.description.contains("Step 3, failed: "),
        "{}",
        figure.description
    );
}

#[test]
fn each_step_says_how_long_it_took_and_below_it_how_long_ago() {
    let figure = drawn(&access_report("frontend"));

    let at = |y: i32| figure.texts.iter().filter(move |text| text.y == y);
    let took: Vec<&str> = at(144).map(|text| text.line.as_str()).collect();
    let ages: Vec<String> = at(161)
        .map(|text| text.clock.expect("a clock").to_string())
        .collect();
    assert_eq!(
        took,
        [
            "✓ under 1 ms",
            "✓ 18 ms",
            "✓ in step 2",
            "✓ in step 2",
            "✓ 9 ms"
        ]
    );
    assert_eq!(ages, ["30 s ago"; 5]);
}

#[test]
fn a_step_that_failed_says_after_how_long() {
    let mut report = refused("AADSTS700213");
    let texts = drawn(&report).texts;
    assert!(texts.iter().any(|text| text.line == "✕ failed in step 2"));

    report.steps[2].duration_ms = Some(12_000);
    let texts = drawn(&report).texts;
    assert!(texts.iter().any(|text| text.line == "✕ failed after 12 s"));
}

#[test]
fn the_grant_behind_the_call_is_named_with_its_line() {
    let figure = drawn(&access_report("frontend"));

    assert!(has(&figure, "access.json:42"));
}

#[test]
fn a_token_that_is_over_has_nothing_left() {
    let late = datetime!(2027-01-01 0:00 UTC);

    let figure = Figure::new(&access_report("frontend"), None, late);

    assert!(figure.bars.iter().all(|bar| bar.left == 0));
    assert_eq!(figure.bars.len(), 2);
}

#[test]
fn nothing_stands_outside_of_the_drawing() {
    for report in [access_report("frontend"), refused("AADSTS700213")] {
        let figure = drawn(&report);

        for text in &figure.texts {
            assert!(
                text.y < figure.height && text.x < figure.width,
                "{}",
                text.line
            );
        }
    }
}

#[test]
fn a_pod_that_has_asked_for_nothing_yet_is_drawn_too() {
    let mut report = access_report("frontend");
    for step in &mut report.steps {
        step.outcome = StepOutcome::NotReached;
        step.token = None;
        step.at = None;
        step.values.clear();
    }
    report.cells.clear();

    let figure = drawn(&report);

    assert!(figure.ribbons.is_empty());
    assert!(has(&figure, "not reached"));
}
