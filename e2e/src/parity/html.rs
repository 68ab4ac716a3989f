//! The report as a page of its own: no script, nothing from elsewhere.

use std::fmt::{Result, Write as _};

use super::{Colour, Combination, Report};
use crate::doctor::escaped;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Parity report</title>\n\
<style>\n\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff; }\n\
table { border-collapse: collapse; width: 100%; }\n\
th, td { border: 1px solid #8a8a8a; padding: .25rem .5rem; text-align: left; }\n\
.green { background: #d9f2d9; } .yellow { background: #fff3bf; } .red { background: #ffd6d6; }\n\
</style>\n";

pub(super) fn page(report: &Report) -> String {
    let mut html = HEAD.to_owned();
    let colour = report.colour().name();
    write!(
        html,
        "<h1>Parity report</h1>\n<p class=\"{colour}\">All in all: {colour}. Local cloud, not Azure.</p>\n\
         <p>\"Cannot enforce\" means that something let a caller through whom it could not have refused.</p>\n"
    )
    .expect("a string takes text");
    for combination in &report.combinations {
        section(combination, &mut html).expect("a string takes text");
    }
    html
}

fn section(combination: &Combination, html: &mut String) -> Result {
    writeln!(html, "<h2>{}</h2>", escaped(&combination.name))?;
    let tried = match &combination.ran {
        Ok(tried) => tried,
        Err(needs) => return writeln!(html, "<p>not here: {}</p>", escaped(needs)),
    };
    let colour = combination.colour().unwrap_or(Colour::Red).name();
    writeln!(html, "<p class=\"{colour}\">{colour}</p>")?;
    writeln!(
        html,
        "<table>\n<tr><th>identity<th>action<th>token<th>expected<th>found<th>turns out to be"
    )?;
    for tried in tried {
        let judged = combination.judge(tried).name();
        writeln!(
            html,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td class=\"{judged}\">{}",
            escaped(&tried.cell.identity),
            escaped(&tried.cell.action),
            match tried.credential {
                super::Credential::Own => "its own",
                super::Credential::Forged => "forged",
            },
            escaped(&tried.cell.outcome),
            escaped(tried.found()),
            tried.standing().name()
        )?;
    }
    writeln!(html, "</table>")?;
    if combination.scenarios.is_empty() {
        return Ok(());
    }
    writeln!(html, "<table>\n<tr><th>scenario<th>result")?;
    for played in &combination.scenarios {
        let judged = played.colour().name();
        let result = match &played.failure {
            None => "passed".to_owned(),
            Some(failure) => format!("failed<pre>{}</pre>", escaped(failure)),
        };
        writeln!(
            html,
            "<tr><td>{}<td class=\"{judged}\">{result}",
            escaped(&played.name)
        )?;
    }
    writeln!(html, "</table>")
}
