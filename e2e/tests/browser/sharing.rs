//! A list is shared by a link: whoever has it can read, and nothing else.

use std::sync::Arc;

use crate::outline::{any, button, field, heading, item, words};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{add, make_a_list};
use crate::visit::Visit;
use crate::window::{Manner, Window};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        a_shared_list_opens_in_a_private_window_and_can_only_be_read,
        a_list_is_shared_with_the_keyboard_alone,
        a_list_is_shared_without_javascript,
        a_forged_link_opens_nothing_and_says_what_to_do
    ]
}

/// Shares a new list; gives the link.
async fn share(visit: &Visit<'_>, list: &str, manner: Manner) -> String {
    let window = visit.person_who("Ada", manner).await.opens("/").await;
    make_a_list(&window, list).await;
    add(&window, "Milk").await;
    window.press(&button("Share")).await;
    let link = window.sees(&field("Link")).await.value;
    if manner.no_scripts {
        window.sees_no(&button("Copy")).await;
    } else {
        window.press(&button("Copy")).await;
        window.sees(&button("Copied")).await;
    }
    link
}

async fn a_shared_list_opens_in_a_private_window_and_can_only_be_read(visit: &Visit<'_>) {
    is_shared_and_read(visit, Manner::MOUSE).await;
}

async fn a_list_is_shared_with_the_keyboard_alone(visit: &Visit<'_>) {
    is_shared_and_read(visit, Manner::KEYBOARD).await;
}

async fn a_list_is_shared_without_javascript(visit: &Visit<'_>) {
    is_shared_and_read(visit, Manner::NO_SCRIPTS).await;
}

async fn is_shared_and_read(visit: &Visit<'_>, manner: Manner) {
    let link = share(visit, "Groceries", manner).await;

    let window = visit.person_who("Bert", manner).await.opens(&link).await;

    window.sees(&heading("Groceries")).await;
    window.sees(&item("Milk")).await;
    window.sees_no(&any(&["form", "button", "textbox"])).await;
}

async fn a_forged_link_opens_nothing_and_says_what_to_do(visit: &Visit<'_>) {
    let window = opens_a_forged_link(visit, "Presents").await;

    window.sees(&heading("This link is not one of ours")).await;
    window
        .sees(&words("Ask whoever shared it for a new link."))
        .await;
    window.sees_no(&words("Presents")).await;
}

/// Mallory at a link to this list, with a signature of his own.
pub(crate) async fn opens_a_forged_link(visit: &Visit<'_>, list: &str) -> Arc<Window> {
    let link = share(visit, list, Manner::MOUSE).await;
    let (claims, _signature) = link.rsplit_once('.').expect("a signed link");
    let forged = format!("{claims}.{}", "A".repeat(43));
    visit.person("Mallory").await.opens(&forged).await
}
