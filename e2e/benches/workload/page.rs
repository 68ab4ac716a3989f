//! What the frontend adds to the backend's answers for the page of a list with
//! 50 todos, in processor time.

use anyhow::{Result, ensure};
use e2e::stack::Stack;

use crate::resources::Pid;
use crate::table::Row;
use crate::visitor::Visitor;

const TODOS: usize = 50;
const VIEWS: u32 = 1000;

pub(crate) async fn measure(stack: &Stack) -> Result<Row> {
    let visitor = Visitor::at(stack).await?;
    let list = visitor.fill("/lists", "name", "Fifty things").await?;
    for number in 1..=TODOS {
        let title = format!("The thing number {number}, which has to be done");
        visitor.fill(&list, "title", &title).await?;
    }
    let html = visitor.open(&list).await?;
    let shown = html.matches("The thing number ").count();
    ensure!(shown >= TODOS, "the page shows {shown} todos");

    let frontend = Pid::of_pod(stack.pid("frontend").await?)?;
    let backend = Pid::of_pod(stack.pid("backend").await?)?;
    let before = (frontend.cpu()?, backend.cpu()?);
    for _ in 0..VIEWS {
        visitor.open(&list).await?;
    }
    let adds = frontend.cpu()?.saturating_sub(before.0) / VIEWS;
    let answers = backend.cpu()?.saturating_sub(before.1) / VIEWS;
    Ok(Row {
        what: format!("Processor time that the page of {TODOS} todos adds; {VIEWS} views"),
        measured: format!(
            "{:.2} ms (beside {:.2} ms of the backend)",
            adds.as_secs_f64() * 1e3,
            answers.as_secs_f64() * 1e3
        ),
        wanted: "under 2 ms",
        met: adds.as_secs_f64() < 0.002,
    })
}
