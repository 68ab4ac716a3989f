//! Every page, judged by axe-core: in light, in the dark, on a phone.

use crate::conflict::deletes_what_changed;
use crate::files::Document;
use crate::outline::{button, field, heading, link, words};
use crate::scenario::{Scenario, scenarios};
use crate::sharing::opens_a_forged_link;
use crate::steps::{add, add_a_dozen, attach, attached, make_a_list, open_todo, todo};
use crate::visit::Visit;
use crate::window::Manner;
use crate::{axe, trust, upload};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let together = scenarios![
        the_lists_and_a_list,
        a_todo_with_a_file,
        two_versions_of_a_todo,
        a_change_that_has_to_be_said_again,
        what_cannot_be_saved,
        a_file_that_is_refused,
        a_list_that_is_shared,
        a_link_that_is_not_ours,
        pages_of_a_long_list,
        what_is_told_about_the_request_before,
        the_access_page,
        a_page_that_is_not_there
    ];
    // These stop something that others need, or what waits might be theirs.
    let alone = scenarios![
        an_upload_under_way,
        the_access_page_with_a_step_that_failed,
        the_access_page_without_the_backend
    ];
    let alone = alone.into_iter().map(Scenario::alone);
    together
        .into_iter()
        .chain(alone)
        .map(Scenario::with_axe)
        .collect()
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

async fn a_change_that_has_to_be_said_again(visit: &Visit<'_>) {
    let window = deletes_what_changed(visit).await;
    axe::approves(visit, &window).await;
}

async fn what_cannot_be_saved(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, "Party").await;
    add(&window, "Bake a cake").await;
    open_todo(&window, "Bake a cake").await;
    // The browser would not send it.
    window
        .evaluate("for (const form of document.forms) form.noValidate = true")
        .await;
    window.fill(&field("Title"), " ").await;
    window.press(&button("Save")).await;
    window.sees(&heading("What you wrote")).await;
    axe::approves(visit, &window).await;
}

async fn an_upload_under_way(visit: &Visit<'_>) {
    let (window, block) = upload::an_upload_waits(visit).await;
    axe::approves(visit, &window).await;
    upload::the_upload_goes_on(visit, &window, block).await;
    axe::approves(visit, &window).await;
}

async fn a_file_that_is_refused(visit: &Visit<'_>) {
    for manner in [Manner::MOUSE, Manner::NO_SCRIPTS] {
        let window = upload::a_file_is_too_large(visit, manner).await;
        axe::approves(visit, &window).await;
    }
}

async fn a_list_that_is_shared(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, "Groceries").await;
    add(&window, "Milk").await;
    window.press(&button("Share")).await;
    let link = window.sees(&field("Link")).await.value;
    axe::approves(visit, &window).await;
    window.open(&link).await;
    window.sees(&heading("Groceries")).await;
    axe::approves(visit, &window).await;
}

async fn a_link_that_is_not_ours(visit: &Visit<'_>) {
    let window = opens_a_forged_link(visit, "Presents").await;
    window.sees(&heading("This link is not one of ours")).await;
    axe::approves(visit, &window).await;
}

async fn pages_of_a_long_list(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, "Everything").await;
    // A page has 50.
    for _ in 0..5 {
        add_a_dozen(&window).await;
    }
    window.open(window.url().await.path()).await;
    window.sees(&link("Next page")).await;
    axe::approves_of(visit, &window, "nav.pages").await;
    window.press(&button("Share")).await;
    let shared = window.sees(&field("Link")).await.value;
    window.open(&shared).await;
    window.press(&link("Next page")).await;
    window.sees(&link("First page")).await;
    axe::approves(visit, &window).await;
}

async fn what_is_told_about_the_request_before(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, "Party").await;
    add(&window, "Bake a cake").await;
    open_todo(&window, "Bake a cake").await;
    let page = window.url().await;
    for (page, notice, told) in [
        (
            page.path(),
            "processing-delayed",
            "could not be told about it",
        ),
        (page.path(), "already-attached", "This form was sent before"),
        ("/access", "probed-just-now", "runs once per 5 seconds"),
    ] {
        window.open(&format!("{page}?notice={notice}")).await;
        window.sees(&words(told)).await;
        axe::approves_of(visit, &window, ".notice").await;
    }
}

async fn the_access_page(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/access").await;
    axe::approves(visit, &window).await;
}

async fn the_access_page_with_a_step_that_failed(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens_a_window().await;
    trust::while_it_is_broken(visit, async || {
        window.open("/access").await;
        window.sees(&words("AADSTS700213")).await;
    })
    .await;
    // The page stays as it is.
    axe::approves_of(visit, &window, "section[aria-labelledby=steps]").await;
}

async fn the_access_page_without_the_backend(visit: &Visit<'_>) {
    let stack = visit.stack();
    stack.kill_pod("backend").await.expect("it was there");
    let window = visit.person("Ada").await.opens("/access").await;
    window.sees(&words("not known")).await;
    // The page stays as it is.
    stack.restart_pod("backend").await.expect("it starts again");
    axe::approves_of(visit, &window, "section[aria-labelledby=matrix]").await;
}

async fn a_page_that_is_not_there(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/nowhere").await;
    axe::approves(visit, &window).await;
}
