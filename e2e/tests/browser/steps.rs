//! What people do on the pages again and again, in the words of the pages.

use std::path::Path;

use crate::outline::{Sought, button, field, file_field, heading, item, link, region};
use crate::window::Window;

/// Makes a list; the window is then at it.
pub(crate) async fn make_a_list(window: &Window, name: &str) {
    window.fill(&field("Name of the new list"), name).await;
    window.press(&button("Create")).await;
    window.sees(&heading(name)).await;
}

/// Adds a to-do to the list that the window is at.
pub(crate) async fn add(window: &Window, title: &str) {
    window.fill(&field("What is to do?"), title).await;
    window.press(&button("Add")).await;
    window.sees(&todo(title)).await;
}

/// Adds a dozen to-dos, as a script of the page would.
pub(crate) async fn add_a_dozen(window: &Window) {
    let added = window
        .evaluate(
            "(async () => {
                const form = document.querySelector('form.add');
                let added = 0;
                while (added < 12) {
                    const body = new URLSearchParams(new FormData(form));
                    body.set('title', `Thing ${added}`);
                    body.set('key', crypto.randomUUID());
                    const answer = await fetch(form.action, { method: 'POST', body, redirect: 'manual' });
                    if (answer.type !== 'opaqueredirect') break;
                    added++;
                }
                return added;
            })()",
        )
        .await;
    assert_eq!(added, 12);
}

/// A to-do of the list that the window is at.
pub(crate) fn todo(title: &str) -> Sought {
    item(title).within(region("To-dos"))
}

/// Goes from a list to the page of a to-do.
pub(crate) async fn open_todo(window: &Window, title: &str) {
    window.press(&link(title)).await;
    window.sees(&field("Title")).await;
}

/// Attaches a file on the page of a to-do.
pub(crate) async fn attach(window: &Window, file: &Path) {
    window.choose(&file_field("File, up to 25 MB"), file).await;
    window.press(&button("Upload")).await;
}

/// A file on the page of a to-do, by what is said of it.
pub(crate) fn attached(words: &str) -> Sought {
    item(words).within(region("Files"))
}

/// An entry of the activity.
pub(crate) fn activity(words: &str) -> Sought {
    item(words).within(region("Activity"))
}
