//! The drawing of the five steps: every line stays within its card, however old
//! the step is.

use serde_json::Value;

use crate::outline::region;
use crate::scenario::{Scenario, scenarios};
use crate::visit::Visit;
use crate::window::{Manner, Window};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![every_line_stays_within_its_card]
}

/// Makes every age as long as one can be in words, and tells the lines that are
/// nearer than 8 to the right edge of their card, or below it.
const OUTSIDE: &str = "(() => {
    const ages = [...document.querySelectorAll('.fig [data-since]')];
    for (const age of ages) age.textContent = '59 min 59 s ago';
    const cards = [...document.querySelectorAll('.fig-card')].map(card => card.getBBox());
    const lines = [...document.querySelectorAll('.fig > text')].filter(line => line.textContent);
    const fits = line => {
        const box = line.getBBox();
        const card = cards.find(card => card.x <= box.x && box.x < card.x + card.width);
        return card && box.x + box.width <= card.x + card.width - 8
            && box.y + box.height <= card.y + card.height;
    };
    return {
        ages: ages.length,
        lines: lines.length,
        outside: lines.filter(line => !fits(line)).map(line => line.textContent),
    };
})()";

async fn every_line_stays_within_its_card(visit: &Visit<'_>) {
    // Without scripts, so that the ages stay as they are made.
    let ada = visit.person_who("Ada", Manner::NO_SCRIPTS).await;
    let window = ada.opens("/access").await;

    let found = stays_within(&window).await;

    assert_eq!(found["ages"], 5, "{found:#}");
    assert!(found["lines"].as_u64() > Some(30), "{found:#}");
}

/// Fails if a line leaves its card; says how much was there.
pub(crate) async fn stays_within(window: &Window) -> Value {
    window.sees(&region("The five steps, drawn")).await;
    let found = window.evaluate(OUTSIDE).await;
    let none = Value::Array(Vec::new());
    assert_eq!(
        found["outside"],
        none,
        "{found:#}\n{}",
        window.story().await
    );
    found
}
