//! A file goes up: how far it is can be seen, and what is too large is refused.

use crate::files::Document;
use crate::holds::{hold, until_held};
use crate::outline::{Sought, item, words};
use crate::scenario::{Scenario, scenarios};
use crate::steps::{add, attach, make_a_list, open_todo};
use crate::visit::Visit;

pub(crate) fn scenarios() -> Vec<Scenario> {
    // What waits in the cloud may be anybody's.
    let holding = scenarios![the_progress_of_an_upload_can_be_seen].into_iter();
    let others = scenarios![a_file_that_is_too_large_is_refused_with_words];
    holding.map(Scenario::alone).chain(others).collect()
}

async fn the_progress_of_an_upload_can_be_seen(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, "Film").await;
    add(&window, "Cut the film").await;
    open_todo(&window, "Cut the film").await;
    let film = Document::new("film.bin", &vec![7; 20 * 1024 * 1024]);
    // The first block waits in the cloud, so the rest waits in the browser.
    let block = hold(
        visit.stack(),
        "frontend",
        "PutBlock",
        "storage/containers/attachments",
    )
    .await;

    attach(&window, &film.path()).await;
    until_held(visit.stack(), block).await;
    let held = window
        .until("the progress is somewhere in the middle", |outline| {
            let bars = outline.find(&Sought::any(&["progressbar"]));
            let part: f64 = bars.first()?.value.parse().ok()?;
            (part > 0.0).then_some(part)
        })
        .await;
    visit
        .stack()
        .control()
        .release(block)
        .await
        .expect("released");

    assert!(held > 0.0, "{held}");
    window.comes_to_see(&item("film.bin")).await;
    window.comes_to_see(&item("ready")).await;
    window.sees_no(&Sought::any(&["progressbar"])).await;
}

async fn a_file_that_is_too_large_is_refused_with_words(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/").await;
    make_a_list(&window, "Films").await;
    add(&window, "Cut the long film").await;
    open_todo(&window, "Cut the long film").await;
    let film = Document::new("long.bin", &vec![7; 26 * 1024 * 1024]);

    attach(&window, &film.path()).await;

    window.sees(&words("larger than 25 MB")).await;
}
