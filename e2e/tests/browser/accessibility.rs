//! Every page, judged by axe-core: in light, in the dark, on a phone.

use crate::axe;
use crate::files::Document;
use crate::outline::{button, field, heading, link, words};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{add, attach, attached, make_a_list, open_todo, todo};
use crate::visit::Visit;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let all = scenarios![
        the_lists_and_a_list,
        a_todo_with_a_file,
        two_versions_of_a_todo,
        a_list_that_is_shared,
        the_access_page,
        a_page_that_is_not_there
    ];
    all.into_iter().map(Scenario::with_axe).collect()
}

async fn the_lists_and_a_list(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, "Groceries").await;
    axe::approves(visit, &window).await;
    for title in ["Milk", "Bread"] {
        add(&window, title).await;
    }
    window.press(&button("Complete Milk")).await;
    window.sees(&todo("Done: Milk")).await;
    axe::approves(visit, &window).await;
    window.press(&link("Lists")).await;
    window.sees(&heading("Lists")).await;
    axe::approves(visit, &window).await;
}

async fn a_todo_with_a_file(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, "Party").await;
    add(&window, "Bake a cake").await;
    open_todo(&window, "Bake a cake").await;
    axe::approves(visit, &window).await;
    window.fill(&field("Notes"), "For twelve.").await;
    window.fill_date(&field("Due"), "12242020").await;
    window.press(&button("Save")).await;
    window.sees(&words("due 24 December 2020")).await;
    let recipe = Document::new("recipe.txt", b"Flour.\n");
    attach(&window, &recipe.path()).await;
    window.sees(&attached("recipe.txt ready")).await;
    axe::approves(visit, &window).await;
}

async fn two_versions_of_a_todo(visit: &Visit<'_>) {
    let ada = visit.person("Ada").await;
    let window = ada.opens("/").await;
    make_a_list(&window, "Party").await;
    add(&window, "Bake a cake").await;
    open_todo(&window, "Bake a cake").await;
    let beside = ada.opens(window.url().await.path()).await;
    beside.fill(&field("Title"), "Bake a cheese cake").await;
    window.fill(&field("Title"), "Bake an apple cake").await;
    window.press(&button("Save")).await;
    window.sees(&heading("Bake an apple cake")).await;
    beside.press(&button("Save")).await;
    beside.sees(&heading("Somebody else was faster")).await;
    axe::approves(visit, &beside).await;
}

async fn a_list_that_is_shared(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, "Groceries").await;
    add(&window, "Milk").await;
    window.press(&button("Share")).await;
    let link = window.sees(&field("Link")).await.value;
    axe::approves(visit, &window).await;
    window.open(&link).await;
    axe::approves(visit, &window).await;
}

async fn the_access_page(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/access").await;
    axe::approves(visit, &window).await;
}

async fn a_page_that_is_not_there(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/nowhere").await;
    axe::approves(visit, &window).await;
}
