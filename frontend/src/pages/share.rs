//! A link by which a list can be read, and the page that shows it, once.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::form::Form;
use super::layout::Layout;
use super::words;
use super::{At, Pages, Problem, page};
use crate::id::ListId;
use crate::origin::Ours;

/// The form that shares a list.
#[derive(Debug, Deserialize)]
pub(super) struct Share {
    days: Days,
}

/// For how long.
#[derive(Debug, Clone, Copy, Deserialize)]
enum Days {
    #[serde(rename = "1")]
    One,
    #[serde(rename = "7")]
    Seven,
    #[serde(rename = "30")]
    Thirty,
}

#[derive(Template)]
#[template(path = "share.html")]
struct SharePage {
    layout: Layout,
    list: ListId,
    name: String,
    address: String,
    until: String,
}

/// Makes a link by which a list can be read.
// Identity frontend, call to backend.
pub(super) async fn share(
    State(pages): State<Pages>,
    Extension(Ours(origin)): Extension<Ours>,
    At(list): At<ListId>,
    Form(Share { days }): Form<Share>,
) -> Result<Response, Problem> {
    let (of, link) = tokio::join!(
        pages.backend.list(&list),
        pages.backend.share(&list, days.number())
    );
    let (of, link) = (of?, link?);
    Ok(page(&SharePage {
        layout: pages.layout(&format!("{} is shared", of.name), "lists"),
        list,
        name: of.name,
        address: format!("{}/shared/{}", origin.ascii_serialization(), link.link),
        until: words::until(link.expires_at),
    }))
}

impl Days {
    fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Seven => 7,
            Self::Thirty => 30,
        }
    }
}
