//! The main story: a list from its making to its end. Told once, and played with
//! the mouse, with the keyboard alone, and with JavaScript switched off.

use crate::files::{Document, Downloads};
use crate::outline::{button, disclosure, field, file_field, item, link, words};
use crate::scenario::{Scenario, scenarios};
use crate::visit::Visit;
use crate::window::Manner;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![with_the_mouse, with_the_keyboard_alone, without_javascript]
}

async fn with_the_mouse(visit: &Visit<'_>) {
    a_list(visit, "Ada", Manner::default()).await;
}

async fn with_the_keyboard_alone(visit: &Visit<'_>) {
    let manner = Manner {
        keyboard_only: true,
        ..Manner::default()
    };
    a_list(visit, "Kay", manner).await;
}

async fn without_javascript(visit: &Visit<'_>) {
    let manner = Manner {
        no_scripts: true,
        ..Manner::default()
    };
    a_list(visit, "Noa", manner).await;
}

async fn a_list(visit: &Visit<'_>, name: &'static str, manner: Manner) {
    let person = visit.person_who(name, manner).await;
    let downloads = Downloads::of(&person).await;
    let window = person.opens("/").await;
    let milk = format!("Buy milk for {name}");
    let report = format!("Write the report for {name}");

    for title in [&milk, &report] {
        window.fill(&field("What is to do?"), title).await;
        window.press(&button("Add")).await;
        window.sees(&item(title)).await;
    }

    let draft = Document::new("draft.pdf", b"%PDF-1.7\nA draft.\n");
    window
        .press(&disclosure(&format!("Attach a file to {report}")))
        .await;
    let form = item(&report);
    window
        .choose(
            &file_field("File, up to 25 MB").within(form.clone()),
            &draft.path(),
        )
        .await;
    window.press(&button("Upload").within(form.clone())).await;
    window.press(&button(&format!("Complete {milk}"))).await;
    window.sees(&words(&format!("Done: {milk}"))).await;
    let manner_without_live_updates = Manner {
        no_scripts: true,
        ..manner
    };
    let _ = manner_without_live_updates;
    window.press(&link("draft.pdf").within(form)).await;
    assert_eq!(downloads.file("draft.pdf").await, b"%PDF-1.7\nA draft.\n");
    window.press(&button(&format!("Delete {milk}"))).await;
    window.sees_no(&item(&format!("Done: {milk}"))).await;
}
