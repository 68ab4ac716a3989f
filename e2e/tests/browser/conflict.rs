//! Two people edit the same to-do. The later one is shown both versions, decides,
//! and nothing is lost without a word.

use std::sync::Arc;

use crate::outline::{button, definition, field, heading, link};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{add, make_a_list, open_todo};
use crate::visit::Visit;
use crate::window::{Manner, Window};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        the_later_one_sees_both_versions_and_saves_their_own,
        the_later_one_saves_their_own_with_the_keyboard_alone,
        the_later_one_sees_both_versions_and_keeps_the_other_without_javascript,
        what_somebody_else_changed_is_deleted_only_when_it_is_said_again
    ]
}

async fn the_later_one_sees_both_versions_and_saves_their_own(visit: &Visit<'_>) {
    mine_is_saved(visit, Manner::MOUSE).await;
}

async fn the_later_one_saves_their_own_with_the_keyboard_alone(visit: &Visit<'_>) {
    mine_is_saved(visit, Manner::KEYBOARD).await;
}

async fn mine_is_saved(visit: &Visit<'_>, manner: Manner) {
    let (ada, bert) = conflict(visit, manner).await;

    bert.press(&button("Save mine")).await;

    // What only Ada changed is kept.
    for window in [&bert, &ada] {
        window.sees(&heading("Bake a cheese cake")).await;
        let notes = window.sees(&field("Notes")).await;
        assert_eq!(notes.value, "For twelve.");
    }
}

async fn the_later_one_sees_both_versions_and_keeps_the_other_without_javascript(
    visit: &Visit<'_>,
) {
    let (_, bert) = conflict(visit, Manner::NO_SCRIPTS).await;

    bert.press(&link("Keep theirs")).await;

    bert.sees(&heading("Bake an apple cake")).await;
}

async fn what_somebody_else_changed_is_deleted_only_when_it_is_said_again(visit: &Visit<'_>) {
    let bert = deletes_what_changed(visit).await;
    bert.press(&link("Leave it as it is")).await;
    bert.sees(&heading("Party")).await;
    bert.sees(&link("Bake an apple cake")).await;

    let bert = deletes_what_changed(visit).await;
    bert.press(&button("Delete it anyway")).await;
    bert.sees(&heading("Party")).await;
    bert.sees_no(&link("Bake an apple cake")).await;
}

/// Bert, whose page is not kept up to date, deletes what Ada has just changed. He
/// is asked.
pub(crate) async fn deletes_what_changed(visit: &Visit<'_>) -> Arc<Window> {
    let ada = visit.person("Ada").await.opens("/").await;
    make_a_list(&ada, "Party").await;
    add(&ada, "Bake a cake").await;
    open_todo(&ada, "Bake a cake").await;
    let bert = visit.person_who("Bert", Manner::NO_SCRIPTS).await;
    let bert = bert.opens(ada.url().await.path()).await;
    bert.sees(&heading("Bake a cake")).await;
    ada.fill(&field("Title"), "Bake an apple cake").await;
    ada.press(&button("Save")).await;
    ada.sees(&heading("Bake an apple cake")).await;
    // She does not look at what will not be there.
    ada.press(&link("Party")).await;
    ada.sees(&link("Bake an apple cake")).await;

    bert.press(&button("Delete")).await;

    bert.sees(&heading("Somebody else was faster")).await;
    bert.sees(&definition("Bake an apple cake")).await;
    bert
}

/// Ada and Bert change the same to-do, Ada first. Bert sees both versions.
async fn conflict(visit: &Visit<'_>, manner: Manner) -> (Arc<Window>, Arc<Window>) {
    let ada = visit.person_who("Ada", manner).await.opens("/").await;
    make_a_list(&ada, "Party").await;
    add(&ada, "Bake a cake").await;
    open_todo(&ada, "Bake a cake").await;
    let address = ada.url().await;
    let bert = visit.person_who("Bert", manner).await;
    let bert = bert.opens(address.path()).await;

    bert.fill(&field("Title"), "Bake a cheese cake").await;
    ada.fill(&field("Title"), "Bake an apple cake").await;
    ada.fill(&field("Notes"), "For twelve.").await;
    ada.press(&button("Save")).await;
    ada.sees(&heading("Bake an apple cake")).await;
    bert.press(&button("Save")).await;

    bert.sees(&heading("Somebody else was faster")).await;
    let mine = bert.sees(&field("Title")).await;
    assert_eq!(mine.value, "Bake a cheese cake");
    bert.sees(&definition("Bake an apple cake")).await;
    (ada, bert)
}
