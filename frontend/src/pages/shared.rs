//! A list as whoever has its link can read it: no session, no form, no other
//! page. The link is a secret: its page is not kept, not listed, and does not say
//! where it comes from.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use time::OffsetDateTime;

use super::layout::Layout;
use super::words::{self, Due};
use super::{At, Begin, Pages, Problem, page};
use crate::backend::Content;
use crate::id::{Cursor, Link};

#[derive(Template)]
#[template(path = "shared.html")]
struct SharedPage {
    layout: Layout,
    link: Link,
    name: String,
    open: Vec<SharedView>,
    done: Vec<SharedView>,
    is_first: bool,
    next: Option<Cursor>,
    until: String,
}

struct SharedView {
    title: String,
    notes: String,
    due: Option<Due>,
    is_done: bool,
}

/// Shows the list that a link is for.
// Identity frontend, call to backend.
pub(super) async fn show(
    State(pages): State<Pages>,
    At(link): At<Link>,
    Begin(after): Begin,
) -> Result<Response, Problem> {
    let shared = pages.backend.shared(&link, after.as_ref()).await?;
    let today = OffsetDateTime::now_utc().date();
    let (done, open) = shared
        .todos
        .items
        .into_iter()
        .map(|todo: Content| SharedView {
            due: todo.due_on.map(|day| Due::of(day, today)),
            title: todo.title,
            notes: todo.notes,
            is_done: todo.done,
        })
        .partition(|todo| todo.is_done);
    Ok(page(&SharedPage {
        layout: Layout::new(shared.list.name.as_str(), "", false),
        link,
        name: shared.list.name,
        open,
        done,
        is_first: after.is_none(),
        next: shared.todos.next,
        until: words::until(shared.expires_at),
    }))
}
