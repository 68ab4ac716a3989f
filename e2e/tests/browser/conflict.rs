//! Two people edit the same to-do. The later one is shown both versions, decides,
//! and nothing is lost without a word.

use crate::outline::{button, field, words};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{add, make_a_list, open_todo};
use crate::visit::Visit;
use crate::window::Manner;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        both_versions_are_shown_and_one_is_chosen,
        both_versions_are_shown_and_one_is_chosen_without_javascript
    ]
}

async fn both_versions_are_shown_and_one_is_chosen(visit: &Visit<'_>) {
    conflict(visit, Manner::default()).await;
}

async fn both_versions_are_shown_and_one_is_chosen_without_javascript(visit: &Visit<'_>) {
    let manner = Manner {
        no_scripts: true,
        ..Manner::default()
    };
    conflict(visit, manner).await;
}

async fn conflict(visit: &Visit<'_>, manner: Manner) {
    let ada = visit.person_who("Ada", manner).await.opens("/").await;
    make_a_list(&ada, "Party").await;
    add(&ada, "Bake a cake").await;
    open_todo(&ada, "Bake a cake").await;
    let address = ada.url().await;
    let bert = visit
        .person_who("Bert", manner)
        .await
        .opens(address.path())
        .await;
    bert.sees(&field("Title")).await;

    ada.fill(&field("Title"), "Bake an apple cake").await;
    ada.press(&button("Save")).await;
    ada.sees(&words("Bake an apple cake")).await;
    bert.fill(&field("Title"), "Bake a cheese cake").await;
    bert.press(&button("Save")).await;

    bert.sees(&words("Bake an apple cake")).await;
    bert.sees(&words("Bake a cheese cake")).await;
    bert.press(&button("Save mine")).await;
    bert.sees(&words("Bake a cheese cake")).await;
    ada.open(address.path()).await;
    ada.sees(&words("Bake a cheese cake")).await;
}
