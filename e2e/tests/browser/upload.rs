//! A file goes up: how far it is can be seen, and what is too large is refused.

use std::sync::Arc;

use crate::files::Document;
use crate::holds::{hold, until_held};
use crate::outline::{any, heading, words};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{add, attach, attached, make_a_list, open_todo};
use crate::visit::Visit;
use crate::window::{Manner, Window};

const MEGABYTE: usize = 1024 * 1024;

pub(crate) fn scenarios() -> Vec<Scenario> {
    // What waits in the cloud might be of another scenario.
    let holding = scenarios![it_can_be_seen_how_far_an_upload_is].into_iter();
    let others = scenarios![
        a_file_that_is_too_large_is_not_sent,
        a_file_that_is_too_large_is_refused_without_javascript
    ];
    holding.map(Scenario::alone).chain(others).collect()
}

async fn it_can_be_seen_how_far_an_upload_is(visit: &Visit<'_>) {
    let (window, block) = an_upload_waits(visit).await;

    let part = window
        .until("the bar is somewhere in the middle", |outline| {
            let bar = outline.only(&any(&["progressbar"])).ok()?;
            bar.value.parse::<f64>().ok().filter(|part| *part > 0.0)
        })
        .await;

    assert!(part < 1.0, "{part}");
    the_upload_goes_on(visit, &window, block).await;
}

/// A window with an upload whose first block waits in the cloud, and so the rest
/// of it in the browser; and the hold.
pub(crate) async fn an_upload_waits(visit: &Visit<'_>) -> (Arc<Window>, u64) {
    let window = at_a_todo(visit, Manner::MOUSE).await;
    let film = Document::new("film.bin", &vec![7; 20 * MEGABYTE]);
    let scope = "storage/containers/attachments";
    let block = hold(visit.stack(), "frontend", "PutBlock", scope).await;

    attach(&window, &film.path()).await;
    until_held(visit.stack(), block).await;
    window.sees(&any(&["progressbar"])).await;
    (window, block)
}

/// Lets it go on, and waits until the file is there.
pub(crate) async fn the_upload_goes_on(visit: &Visit<'_>, window: &Window, block: u64) {
    let released = visit.stack().control().release(block).await;
    released.expect("the hold is known");
    window.sees(&attached("film.bin ready")).await;
    window.sees_no(&any(&["progressbar"])).await;
    window.sees(&words("film.bin is stored.")).await;
}

async fn a_file_that_is_too_large_is_not_sent(visit: &Visit<'_>) {
    a_file_is_too_large(visit, Manner::MOUSE).await;
}

async fn a_file_that_is_too_large_is_refused_without_javascript(visit: &Visit<'_>) {
    a_file_is_too_large(visit, Manner::NO_SCRIPTS).await;
}

/// A window in which such a file was refused.
pub(crate) async fn a_file_is_too_large(visit: &Visit<'_>, manner: Manner) -> Arc<Window> {
    let window = at_a_todo(visit, manner).await;
    let film = Document::new("long.bin", &vec![7; 26 * MEGABYTE]);

    attach(&window, &film.path()).await;

    if manner.no_scripts {
        window.sees(&heading("This file is too large")).await;
        window.sees(&words("It is larger than 25 MB.")).await;
    } else {
        let refusal = "The file is larger than 25 MB. It was not sent.";
        window.sees(&words(refusal)).await;
    }
    window
}

/// A window at the page of a new to-do.
async fn at_a_todo(visit: &Visit<'_>, manner: Manner) -> Arc<Window> {
    let window = visit.person_who("Ada", manner).await.opens("/").await;
    make_a_list(&window, "Holidays").await;
    add(&window, "Cut the film").await;
    open_todo(&window, "Cut the film").await;
    window
}
