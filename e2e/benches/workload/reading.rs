//! Reading a todo: through the backend's API, and with the bare Cosmos DB SDK,
//! round after round in turn, as many at a time, on the same local cloud.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::stack::Stack;
use local_cloud::TokenRequest;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::bare::Bare;
use crate::table::Row;

/// Requests at a time, in both cases.
pub(crate) const AT_A_TIME: usize = 16;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);

pub(crate) async fn measure(stack: &Stack) -> Result<Row> {
    let api = Api::of(stack).await?;
    let todo = api.add("Read me").await?;
    let mut bare = Bare::start(stack, "inbox", &todo).await?;
    let path = format!("lists/inbox/todos/{todo}");

    api.read_for(&path, ROUND).await?;
    bare.read_for(ROUND).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let bare = bare.read_for(ROUND).await?;
        let api = api.read_for(&path, ROUND).await?;
        rounds.push((api / bare, api, bare));
    }
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (lowest, highest) = (rounds[0].0, rounds[ROUNDS - 1].0);
    let (ratio, api, bare) = rounds[ROUNDS / 2];
    Ok(Row {
        what: format!(
            "Reading a todo through the API, beside the bare Cosmos SDK; {AT_A_TIME} at a time, \
             the median of {ROUNDS} rounds"
        ),
        measured: format!(
            "{:.0} % ({api:.0}/s beside {bare:.0}/s; rounds {:.0} to {:.0} %)",
            ratio * 100.0,
            lowest * 100.0,
            highest * 100.0
        ),
        wanted: "at least 60 %",
        met: ratio >= 0.6,
    })
}

/// The backend's API, as the frontend's pod calls it.
struct Api {
    client: Client,
    base: String,
    token: String,
}

impl Api {
    async fn of(stack: &Stack) -> Result<Self> {
        let request = TokenRequest {
            namespace: "todolist".to_owned(),
            service_account: "frontend".to_owned(),
            audience: "todolist-backend".to_owned(),
            lifetime_seconds: 600,
            age_seconds: 0,
        };
        Ok(Self {
            client: Client::builder().no_proxy().build()?,
            base: format!("http://{}/api/v1/", stack.address("backend")?),
            token: stack.control().sign_token(&request).await?,
        })
    }

    /// The id of a new todo of the inbox.
    async fn add(&self, title: &str) -> Result<String> {
        let response = self
            .client
            .post(format!("{}lists/inbox/todos", self.base))
            .bearer_auth(&self.token)
            .json(&json!({ "title": title }))
            .send()
            .await?
            .error_for_status()?;
        let todo: Value = response.json().await?;
        Ok(todo["id"].as_str().context("a todo has an id")?.to_owned())
    }

    /// Reads for a while; the answers per second.
    async fn read_for(&self, path: &str, time: Duration) -> Result<f64> {
        let url = format!("{}{path}", self.base);
        rate(time, || {
            let request = self.client.get(&url).bearer_auth(&self.token);
            async move {
                let response = request.send().await?;
                ensure!(response.status() == StatusCode::OK, "{}", response.status());
                response.bytes().await?;
                Ok(())
            }
        })
        .await
    }
}

/// Does something again and again, [`AT_A_TIME`]; how often in a second.
pub(crate) async fn rate<Work>(time: Duration, work: impl Fn() -> Work) -> Result<f64>
where
    Work: Future<Output = Result<()>>,
{
    let over = Arc::new(AtomicBool::new(false));
    let done = AtomicU64::new(0);
    let begin = Instant::now();
    let one_after_the_other = || async {
        while !over.load(Ordering::Relaxed) {
            work().await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<_, anyhow::Error>(())
    };
    let all = futures::future::try_join_all((0..AT_A_TIME).map(|_| one_after_the_other()));
    let end = async {
        tokio::time::sleep(time).await;
        over.store(true, Ordering::Relaxed);
        Ok(())
    };
    futures::future::try_join(all, end).await?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of seconds are far below 2^52"
    )]
    let done = done.into_inner() as f64;
    Ok(done / begin.elapsed().as_secs_f64())
}
