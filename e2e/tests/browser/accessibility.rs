//! Every page, judged by axe-core: in light, in the dark, on a phone.

use crate::axe;
use crate::outline::{button, field, item};
use crate::scenario::{Scenario, scenarios};
use crate::visit::Visit;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let all = scenarios![the_list, the_access_page, a_page_that_is_not_there];
    all.into_iter().map(Scenario::with_axe).collect()
}

async fn the_list(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    axe::approves(visit, &window).await;
    window.fill(&field("What is to do?"), "Buy milk").await;
    window.press(&button("Add")).await;
    window.sees(&item("Buy milk")).await;
    axe::approves(visit, &window).await;
}

async fn the_access_page(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/access").await;
    axe::approves(visit, &window).await;
}

async fn a_page_that_is_not_there(visit: &Visit<'_>) {
    let window = visit
        .person("Ada")
        .await
        .opens("/lists/nowhere/at/all")
        .await;
    axe::approves(visit, &window).await;
}
