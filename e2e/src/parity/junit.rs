//! The report as `JUnit` XML. What cannot be enforced has not passed: it is skipped
//! where nothing promised it, and failed behind the gate.

use std::fmt::{Result, Write as _};

use super::{Colour, Combination, Report};
use crate::doctor::escaped;

pub(super) fn document(report: &Report) -> String {
    let mut xml =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"parity\">\n".to_owned();
    for combination in &report.combinations {
        suite(combination, &mut xml).expect("a string takes text");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(combination: &Combination, xml: &mut String) -> Result {
    let name = escaped(&combination.name);
    let tried = match &combination.ran {
        Ok(tried) => tried,
        Err(needs) => {
            let needs = escaped(needs);
            writeln!(
                xml,
                "<testsuite name=\"{name}\" tests=\"1\" failures=\"0\" skipped=\"1\">"
            )?;
            writeln!(
                xml,
                "  <testcase classname=\"{name}\" name=\"all\"><skipped message=\"not here: {needs}\"/></testcase>"
            )?;
            return writeln!(xml, "</testsuite>");
        }
    };
    let judged: Vec<_> = tried
        .iter()
        .map(|tried| (tried, combination.judge(tried)))
        .collect();
    let scenarios = combination.scenarios.iter();
    let failed = scenarios.filter(|played| played.failure.is_some());
    let count = |colour| judged.iter().filter(|(_, own)| *own == colour).count();
    writeln!(
        xml,
        "<testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">",
        judged.len() + combination.scenarios.len(),
        count(Colour::Red) + failed.count(),
        count(Colour::Yellow)
    )?;
    for (tried, colour) in judged {
        let message = escaped(&format!("{}: {}", tried.standing().name(), tried.told()));
        let inner = match colour {
            Colour::Green => String::new(),
            Colour::Yellow => format!("<skipped message=\"{message}\"/>"),
            Colour::Red => format!("<failure message=\"{message}\"/>"),
        };
        let case = escaped(&tried.name());
        writeln!(
            xml,
            "  <testcase classname=\"{name}\" name=\"{case}\">{inner}</testcase>"
        )?;
    }
    for played in &combination.scenarios {
        let inner = match &played.failure {
            None => String::new(),
            Some(failure) => format!("<failure message=\"{}\"/>", escaped(failure)),
        };
        let case = escaped(&played.name);
        writeln!(
            xml,
            "  <testcase classname=\"{name}\" name=\"{case}\">{inner}</testcase>"
        )?;
    }
    writeln!(xml, "</testsuite>")
}
