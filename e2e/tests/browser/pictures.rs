//! The pictures of `docs/images`: every page on every kind of screen, always with
//! the same content.

use crate::files::Document;
use crate::outline::{button, field, heading, words};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{activity, add, attach, attached, make_a_list, open_todo, todo};
use crate::trust;
use crate::visit::Visit;
use crate::window::{Look, Window};

/// Where the pages are in the pictures, as with `cargo up`.
pub(crate) const PORT: u16 = 8080;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![of_every_page]
}

async fn of_every_page(visit: &Visit<'_>) {
    let ada = visit.person("Ada").await;
    let window = ada.opens("/").await;
    for list in ["Summer party", "Moving house"] {
        make_a_list(&window, list).await;
        window.open("/").await;
    }
    taken(&window, "lists").await;

    make_a_list(&window, "Workshop").await;
    for title in [
        "Hand in the report",
        "Take a grant away and watch its path close",
        "Read the five steps on the Access page",
    ] {
        add(&window, title).await;
    }
    window.press(&button("Complete Hand in the report")).await;
    window.sees(&todo("Done: Hand in the report")).await;
    let list = window.url().await;

    open_todo(&window, "Read the five steps on the Access page").await;
    let notes = "Step 2 has to match step 3: issuer, subject, audience.";
    window.fill(&field("Notes"), notes).await;
    window.fill_date(&field("Due"), "12242030").await;
    window.press(&button("Save")).await;
    window.sees(&words("due 24 December 2030")).await;
    let report = Document::new("report.pdf", b"%PDF-1.7\nA short report.\n");
    attach(&window, &report.path()).await;
    window.sees(&attached("report.pdf ready")).await;
    taken(&window, "todo").await;
    let page = window.url().await;

    window.open(list.path()).await;
    window.sees(&activity("Processed report.pdf")).await;
    taken(&window, "list").await;

    window.open(page.path()).await;
    let beside = ada.opens(page.path()).await;
    beside
        .fill(&field("Title"), "Read and explain the five steps")
        .await;
    window
        .fill(&field("Title"), "Read the five steps twice")
        .await;
    window.press(&button("Save")).await;
    window.sees(&heading("Read the five steps twice")).await;
    beside.press(&button("Save")).await;
    beside.sees(&heading("Somebody else was faster")).await;
    taken(&beside, "conflict").await;

    window.open(list.path()).await;
    window.press(&button("Share")).await;
    let link = window.sees(&field("Link")).await.value;
    taken(&window, "share").await;
    let bert = visit.person("Bert").await.opens(&link).await;
    bert.sees(&heading("Workshop")).await;
    taken(&bert, "shared").await;

    window.open("/access").await;
    taken(&window, "access").await;
    window.open("/nowhere").await;
    taken(&window, "problem").await;
    trust::while_it_is_broken(visit, async || {
        window.open("/access").await;
        window.sees(&words("AADSTS700213")).await;
        taken(&window, "access-refused").await;
    })
    .await;
}

/// Takes the pictures of the page that a window is at.
async fn taken(window: &Window, page: &str) {
    for look in [Look::DESKTOP, Look::DARK, Look::PHONE] {
        window.looks(look).await;
        let file = format!("docs/images/{page}{}.png", look.suffix);
        let taken = window.picture(&e2e::repository().join(file)).await;
        taken.expect("a picture");
    }
    window.looks(Look::DESKTOP).await;
}
