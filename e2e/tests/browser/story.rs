//! The main story: a list from its making to its end. Told once, and played with
//! the mouse, with the keyboard alone, and with JavaScript switched off.

use crate::files::{Document, Downloads};
use crate::outline::{button, field, heading, link, words};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{activity, add, attach, attached, make_a_list, open_todo, todo};
use crate::visit::Visit;
use crate::window::Manner;

const INVENTORY: &[u8] = b"%PDF-1.7\nBooks.\n";

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![with_the_mouse, with_the_keyboard_alone, without_javascript]
}

async fn with_the_mouse(visit: &Visit<'_>) {
    a_list_is_made_filled_and_emptied(visit, "With a mouse", Manner::MOUSE).await;
}

async fn with_the_keyboard_alone(visit: &Visit<'_>) {
    a_list_is_made_filled_and_emptied(visit, "With keys", Manner::KEYBOARD).await;
}

async fn without_javascript(visit: &Visit<'_>) {
    a_list_is_made_filled_and_emptied(visit, "Without scripts", Manner::NO_SCRIPTS).await;
}

async fn a_list_is_made_filled_and_emptied(visit: &Visit<'_>, list: &str, manner: Manner) {
    let ada = visit.person_who("Ada", manner).await;
    let downloads = Downloads::of(&ada).await;
    let window = ada.opens("/").await;

    make_a_list(&window, list).await;
    add(&window, "Pack the books").await;
    add(&window, "Call the movers").await;

    open_todo(&window, "Pack the books").await;
    window.fill(&field("Title"), "Pack books and records").await;
    window.fill(&field("Notes"), "Small boxes.").await;
    window.fill_date(&field("Due"), "12242030").await;
    window.press(&button("Save")).await;
    window.sees(&heading("Pack books and records")).await;
    window.sees(&words("due 24 December 2030")).await;

    let inventory = Document::new("inventory.pdf", INVENTORY);
    attach(&window, &inventory.path()).await;
    window.comes_to_see(&attached("inventory.pdf ready")).await;
    window.press(&link("inventory.pdf")).await;
    assert_eq!(downloads.file("inventory.pdf").await, INVENTORY);

    window.press(&link(list)).await;
    window.press(&button("Complete Call the movers")).await;
    window.sees(&todo("Done: Call the movers")).await;
    window.press(&button("Delete Pack books and records")).await;
    window.sees_no(&todo("Pack books and records")).await;
    window
        .comes_to_see(&activity(&format!("Began {list}")))
        .await;
    for entry in [
        "Added Pack the books",
        "Edited Pack books and records",
        "Attached inventory.pdf",
        "Processed inventory.pdf",
        "Completed Call the movers",
        "Deleted Pack books and records",
    ] {
        window.comes_to_see(&activity(entry)).await;
    }

    let renamed = format!("{list}, done");
    window.fill(&field("Name"), &renamed).await;
    window.press(&button("Rename")).await;
    window.sees(&heading(&renamed)).await;
    window.press(&link("Lists")).await;
    window.sees(&link(&renamed)).await;
}
