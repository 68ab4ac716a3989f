//! axe-core, which judges a page against the rules of WCAG 2.2, levels A and AA,
//! and against good practice.
//!
//! Deque, *axe-core API documentation*.

use serde_json::{Value, json};

use crate::visit::Visit;
use crate::window::{Look, Window};

/// Runs in the page, on a part of it: what is wrong, and how many rules found
/// nothing wrong. A
/// contrast that axe-core cannot tell counts as too little; inside of a drawing it
/// can tell none, so drawings are judged as a whole, and their colours by the
/// frontend's own tests.
const JUDGE: &str = "part => axe.run({ include: [part], exclude: ['svg[role=img] *'] }, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
}).then(found => ({
    passed: found.passes.length,
    wrong: [
        ...found.violations,
        ...found.incomplete.filter(rule => rule.id === 'color-contrast'),
    ].flatMap(rule => rule.nodes.map(node =>
        `${rule.id} (${rule.impact}): ${rule.help}: ${node.html}: ${node.failureSummary}`)),
}))";

/// Fewer rules than this apply to no page of ours, and to no part of one.
const LEAST_RULES: u64 = 15;
const LEAST_RULES_OF_A_PART: u64 = 4;

/// Whether there is nothing to the right of what the screen shows (WCAG 1.4.10).
const FITS: &str = "document.documentElement.scrollWidth <= innerWidth";

/// What is closed is not judged.
const OPEN_ALL: &str = "for (const part of document.querySelectorAll('details')) part.open = true";

/// Looks at a page with all its parts open, in light, in the dark and on a narrow
/// screen, and finds nothing wrong.
pub(crate) async fn approves(visit: &Visit<'_>, window: &Window) {
    judge(visit, window, "document", LEAST_RULES).await;
}

/// The same of one part of a page whose other parts are judged elsewhere.
pub(crate) async fn approves_of(visit: &Visit<'_>, window: &Window, selector: &str) {
    let part = format!("document.querySelector({selector:?})");
    judge(visit, window, &part, LEAST_RULES_OF_A_PART).await;
}

async fn judge(visit: &Visit<'_>, window: &Window, part: &str, least_rules: u64) {
    // axe-core is a script, and may be needed where the page's own are off.
    let on = json!({ "value": false });
    window
        .must("Emulation.setScriptExecutionDisabled", on)
        .await;
    window.evaluate(OPEN_ALL).await;
    window.evaluate(&format!("{};0", visit.axe())).await;
    for look in [Look::DESKTOP, Look::DARK, Look::NARROW] {
        window.looks(look).await;
        let found = window.evaluate(&format!("({JUDGE})({part})")).await;
        let (passed, wrong) = (found["passed"].as_u64(), &found["wrong"]);
        assert!(
            passed >= Some(least_rules) && *wrong == Value::Array(Vec::new()),
            "{} ({}): {passed:?} rules passed, these did not: {wrong:#}\n{}",
            window.name(),
            look.name,
            window.story().await
        );
        assert_eq!(
            window.evaluate(FITS).await,
            Value::Bool(true),
            "{} ({}): the page is wider than the screen\n{}",
            window.name(),
            look.name,
            window.story().await
        );
    }
    window.looks(Look::DESKTOP).await;
}
