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
        the_later_one_sees_both_versions_and_keeps_the_other_without_javascript
    ]
}

async fn the_later_one_sees_both_versions_and_saves_their_own(visit: &Visit<'_>) {
    let (ada, bert) = conflict(visit, Manner::default()).await;

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
    let manner = Manner {
        no_scripts: true,
        ..Manner::default()
    };
    let (_, bert) = conflict(visit, manner).await;

    bert.press(&link("Keep theirs")).await;

    bert.sees(&heading("Bake an apple cake")).await;
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
