//! The main story: a list from its making to its end. Told once, and played with
//! the mouse, with the keyboard alone, and with JavaScript switched off.

use crate::files::{Document, Downloads};
use crate::outline::{button, field, heading, item, link, words};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{activity, add, attach, make_a_list, open_todo, todo};
use crate::visit::Visit;
use crate::window::Manner;

const DRAFT: &[u8] = b"%PDF-1.7\nA draft.\n";

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![with_the_mouse, with_the_keyboard_alone, without_javascript]
}

async fn with_the_mouse(visit: &Visit<'_>) {
    a_list_is_made_filled_and_emptied(visit, Manner::default()).await;
}

async fn with_the_keyboard_alone(visit: &Visit<'_>) {
    let manner = Manner {
        keyboard_only: true,
        ..Manner::default()
    };
    a_list_is_made_filled_and_emptied(visit, manner).await;
}

async fn without_javascript(visit: &Visit<'_>) {
    let manner = Manner {
        no_scripts: true,
        ..Manner::default()
    };
    a_list_is_made_filled_and_emptied(visit, manner).await;
}

async fn a_list_is_made_filled_and_emptied(visit: &Visit<'_>, manner: Manner) {
    let ada = visit.person_who("Ada", manner).await;
    let downloads = Downloads::of(&ada).await;
    let window = ada.opens("/").await;

    make_a_list(&window, "Moving house").await;
    add(&window, "Pack the books").await;
    add(&window, "Call the movers").await;

    open_todo(&window, "Pack the books").await;
    window
        .fill(&field("Title"), "Pack the books and records")
        .await;
    window
        .fill(&field("Notes"), "Small boxes: books are heavy.")
        .await;
    window.fill_date(&field("Due"), "12242030").await;
    window.press(&button("Save")).await;
    window.sees(&words("24 December 2030")).await;

    let draft = Document::new("inventory.pdf", DRAFT);
    attach(&window, &draft.path()).await;
    window.comes_to_see(&item("inventory.pdf")).await;
    window.comes_to_see(&item("ready")).await;
    window.press(&link("inventory.pdf")).await;
    assert_eq!(downloads.file("inventory.pdf").await, DRAFT);

    window.press(&link("Moving house")).await;
    window.press(&button("Complete Call the movers")).await;
    window.sees(&words("Done: Call the movers")).await;
    window
        .comes_to_see(&activity("Completed Call the movers"))
        .await;
    window
        .press(&button("Delete Pack the books and records"))
        .await;
    window.sees_no(&todo("Pack the books and records")).await;
    window
        .comes_to_see(&activity("Deleted Pack the books"))
        .await;

    window.fill(&field("Name"), "Moved house").await;
    window.press(&button("Rename")).await;
    window.sees(&heading("Moved house")).await;
}
