//! The Access page, as a workshop uses it.

use serde_json::json;

use crate::outline::{any, button, heading, item, words};
use crate::scenario::{Scenario, scenarios};
use crate::visit::Visit;

/// Comes true when a clock of the page has gone on.
const CLOCK_GOES_ON: &str = "new Promise(done => new MutationObserver(() => done(true))
    .observe(document.querySelector('[data-since]'), { childList: true }))";

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![a_step_opens_the_clocks_go_on_and_the_probes_run_again]
}

async fn a_step_opens_the_clocks_go_on_and_the_probes_run_again(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/access").await;

    let step = item("Entra ID issues an access token");
    window
        .press(&any(&["DisclosureTriangle"]).within(step))
        .await;
    window
        .sees(&item("so that what is shown cannot be used"))
        .await;
    assert_eq!(window.evaluate(CLOCK_GOES_ON).await, json!(true));

    window.press(&button("Run the probes again")).await;
    window.sees(&heading("Access")).await;
    window.sees(&words("8 allowed, 14 refused")).await;
}
