//! What the frontend's memory grows by while it passes on a large file.

use anyhow::Result;
use bytes::Bytes;
use e2e::stack::Stack;
use futures::stream;
use reqwest::Body;
use reqwest::multipart::{Form, Part};

use crate::resources::{Pid, megabytes};
use crate::table::Row;
use crate::visitor::{Visitor, form};

const MEGABYTE: usize = 1_048_576;
const SIZE: usize = 100;

pub(crate) async fn measure(stack: &Stack) -> Result<Row> {
    let visitor = Visitor::at(stack).await?;
    let list = visitor.fill("/lists", "name", "Large things").await?;
    visitor.fill(&list, "title", "Read all of it").await?;
    let todo = todo_page(&visitor.open(&list).await?)?;
    let (action, fields) = form(&visitor.open(&todo).await?, "file")?;

    let block = Bytes::from(vec![b'x'; MEGABYTE]);
    let blocks = (0..SIZE).map(move |_| Ok::<_, std::io::Error>(block.clone()));
    let length = u64::try_from(SIZE * MEGABYTE)?;
    let file = Part::stream_with_length(Body::wrap_stream(stream::iter(blocks)), length)
        .file_name("large.bin")
        .mime_str("application/octet-stream")?;
    let mut body = Form::new();
    for (name, value) in fields {
        body = body.text(name, value);
    }

    let frontend = Pid::of_pod(stack.pid("frontend").await?)?;
    let before = frontend.resident()?;
    frontend.forget_peak()?;
    let body = body.part("file", file);
    visitor
        .post(&action, |request| request.multipart(body))
        .await?;
    let growth = frontend.peak()?.saturating_sub(before);
    Ok(Row {
        what: format!("Memory that an upload of {SIZE} MB costs the frontend"),
        measured: format!("{:.1} MB", megabytes(growth)),
        wanted: "under 32 MB",
        met: megabytes(growth) < 32.0,
    })
}

/// The address of the page of a list's only todo.
fn todo_page(html: &str) -> Result<String> {
    let page = scraper::Html::parse_document(html);
    let links = scraper::Selector::parse("a[href*='/todos/']").expect("a selector");
    let link = page.select(&links).find_map(|link| link.attr("href"));
    link.map(str::to_owned)
        .ok_or_else(|| anyhow::anyhow!("the list links to no todo"))
}
