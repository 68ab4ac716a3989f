use super::*;

const REFUSAL: &str = "403 AuthorizationPermissionMismatch";

fn tried(outcome: &str, credential: Credential, found: &str) -> Tried {
    Tried {
        cell: Cell {
            identity: "worker".to_owned(),
            action: "storage list".to_owned(),
            outcome: outcome.to_owned(),
        },
        credential,
        found: match found {
            "unsupported" => Found::Unsupported("no such thing".to_owned()),
            answer => Found::Answer(answer.to_owned()),
        },
    }
}

fn combination(is_gated: bool, tried: Vec<Tried>) -> Combination {
    Combination {
        name: "a <combination>".to_owned(),
        is_gated,
        ran: Ok(tried),
        scenarios: vec![],
    }
}

#[test]
fn each_cell_is_judged_by_what_was_expected_and_by_who_stands_before_it() {
    use Colour::{Green, Red, Yellow};
    use Credential::{Forged, Own};
    for (outcome, credential, found, standing, gated, bare) in [
        (ALLOWED, Own, ALLOWED, Standing::Allowed, Green, Green),
        (ALLOWED, Own, REFUSAL, Standing::Denied, Red, Red),
        (REFUSAL, Own, REFUSAL, Standing::Denied, Green, Green),
        (REFUSAL, Own, "401 X", Standing::Denied, Red, Red),
        (REFUSAL, Own, ALLOWED, Standing::CannotEnforce, Red, Yellow),
        (
            ALLOWED,
            Forged,
            ALLOWED,
            Standing::CannotEnforce,
            Red,
            Yellow,
        ),
        (
            REFUSAL,
            Forged,
            ALLOWED,
            Standing::CannotEnforce,
            Red,
            Yellow,
        ),
        (ALLOWED, Forged, "401 X", Standing::Denied, Green, Green),
        (
            ALLOWED,
            Own,
            "unsupported",
            Standing::Unsupported,
            Yellow,
            Yellow,
        ),
    ] {
        let one = tried(outcome, credential, found);
        assert_eq!(one.standing(), standing, "{one:?}");
        for (is_gated, colour) in [(true, gated), (false, bare)] {
            let of = combination(is_gated, vec![one.clone()]);
            assert_eq!(of.colour(), Some(colour), "{is_gated} {one:?}");
        }
    }
}

#[test]
fn a_cell_that_cannot_be_enforced_is_green_in_no_form_of_the_report() {
    let good = tried(REFUSAL, Credential::Own, REFUSAL);
    let open = tried(REFUSAL, Credential::Forged, ALLOWED);
    for (is_gated, colour, in_junit) in [
        (false, Colour::Yellow, "<skipped message=\"cannot enforce"),
        (true, Colour::Red, "<failure message=\"cannot enforce"),
    ] {
        let report = Report {
            combinations: vec![
                combination(true, vec![good.clone()]),
                combination(is_gated, vec![good.clone(), open.clone()]),
            ],
        };
        assert_eq!(report.colour(), colour);
        assert!(
            report.text().contains("cannot enforce"),
            "{}",
            report.text()
        );
        assert!(report.junit().contains(in_junit), "{}", report.junit());
        let page = report.html();
        let class = format!("<td class=\"{}\">cannot enforce", colour.name());
        assert!(page.contains(&class), "{page}");
        assert!(page.contains("a &lt;combination&gt;"), "{page}");
    }
}

#[test]
fn what_did_not_run_makes_nothing_green() {
    let mut report = Report::default();
    report
        .combinations
        .push(Combination::not_here("x", "an image"));
    assert_eq!(report.colour(), Colour::Red);
    assert!(report.text().contains("x: not here: an image"));
    assert!(
        report
            .junit()
            .contains("<skipped message=\"not here: an image\"/>")
    );
    assert!(report.html().contains("not here: an image"));
    assert_eq!(combination(true, vec![]).colour(), Some(Colour::Red));

    let cell = tried(REFUSAL, Credential::Own, "").cell;
    let untried = Combination::gated("y", &[cell], &BTreeMap::new(), vec![]);
    assert_eq!(untried.colour(), Some(Colour::Red));
}

#[test]
fn a_failed_scenario_makes_every_form_of_the_report_red() {
    let good = tried(REFUSAL, Credential::Own, REFUSAL);
    let mut combination = combination(true, vec![good]);
    combination.scenarios = Played::read("test story::all ... ok\n");
    assert_eq!(combination.colour(), Some(Colour::Green));

    combination.scenarios = Played::read("test story::all ... ok\ntest chaos::b ... FAILED\n");
    let report = Report {
        combinations: vec![combination],
    };
    assert_eq!(report.colour(), Colour::Red);
    for (form, marks) in [
        (
            report.text(),
            ["1 of 2 scenarios passed", "chaos::b: it says nothing"],
        ),
        (
            report.html(),
            ["<td class=\"green\">passed", "<td class=\"red\">failed"],
        ),
        (
            report.junit(),
            ["tests=\"3\" failures=\"1\"", "<failure message=\"it says"],
        ),
    ] {
        for mark in marks {
            assert!(form.contains(mark), "{mark}: {form}");
        }
    }
}
