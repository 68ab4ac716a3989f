//! A list is shared by a link: whoever has it can read, and nothing else.

use crate::outline::{any, button, field, heading, item, words};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{add, make_a_list};
use crate::visit::Visit;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        a_shared_list_opens_in_a_private_window_and_can_only_be_read,
        a_forged_link_opens_nothing_and_says_what_to_do
    ]
}

/// Shares a new list; gives the link.
async fn share(visit: &Visit<'_>, list: &str) -> String {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, list).await;
    add(&window, "Milk").await;
    window.press(&button("Share")).await;
    let link = window.sees(&field("Link")).await.value;
    window.press(&button("Copy")).await;
    window.sees(&button("Copied")).await;
    link
}

async fn a_shared_list_opens_in_a_private_window_and_can_only_be_read(visit: &Visit<'_>) {
    let link = share(visit, "Groceries").await;

    let window = visit.person("Bert").await.opens(&link).await;

    window.sees(&heading("Groceries")).await;
    window.sees(&item("Milk")).await;
    window.sees_no(&any(&["form", "button", "textbox"])).await;
}

async fn a_forged_link_opens_nothing_and_says_what_to_do(visit: &Visit<'_>) {
    let link = share(visit, "Presents").await;
    let (claims, _signature) = link.rsplit_once('.').expect("a signed link");
    let forged = format!("{claims}.{}", "A".repeat(43));

    let window = visit.person("Mallory").await.opens(&forged).await;

    window.sees(&heading("This link is not one of ours")).await;
    window
        .sees(&words("Ask whoever shared it for a new link."))
        .await;
    window.sees_no(&words("Presents")).await;
}
