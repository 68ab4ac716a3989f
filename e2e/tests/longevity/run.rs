//! The run: the clock jumps, keys roll over, people come back, and what happened
//! is counted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::faked_clock::FakedClock;
use e2e::stack::{Options, Stack};
use local_cloud::audit::{Decision, Record};

use crate::Pace;
use crate::person::Person;
use crate::plan;
use crate::report::{Report, Row};
use crate::tokens::Tokens;

const PEOPLE: usize = 2;

/// So many rows has the report at the most.
const ROWS: u32 = 8;

/// More would not be read.
const MOST_FAILURES: usize = 20;

const HOUR: Duration = Duration::from_hours(1);

/// How long time stands still at the least after a jump, so that what it set off
/// has its time-outs to itself.
const STILL: Duration = Duration::from_millis(100);

/// What nobody is refused for: Cosmos DB's client asks without a token whether the
/// endpoint is there.
const ANONYMOUS: &str = "TokenMissing";

/// The workload in its own time, and the people who use it.
struct World {
    clock: FakedClock,
    stack: Stack,
    people: Vec<Person>,
    requests: Arc<AtomicU64>,
    tokens: Tokens,
    pods: PathBuf,
    audited: u64,
    report: Report,
    row: Row,
    jumps: u64,
    /// The hour of the last visit.
    hour: u64,
}

/// Lets so much time pass.
pub(crate) async fn run(total: Duration, pace: Pace) -> Result<Report> {
    let directory = tempfile::tempdir()?;
    let clock = FakedClock::start(directory.path())?;
    let options = Options::default().everywhere(clock.environment());
    let stack = Stack::start(options, |_| {}).await?;
    let began = Instant::now();
    let requests = Arc::<AtomicU64>::default();
    let frontend = stack.address("frontend")?;
    let person = |n| Person::new(format!("Person {n}"), frontend, Arc::clone(&requests));
    let mut world = World {
        people: (1..=PEOPLE).map(person).collect(),
        pods: stack.cloud_state().join("pods"),
        clock,
        stack,
        requests,
        tokens: Tokens::default(),
        audited: 0,
        report: Report::default(),
        row: Row::default(),
        jumps: 0,
        hour: 0,
    };
    let between_rows = HOUR.max(total / ROWS);
    while world.clock.ahead() < total && world.report.failures.len() < MOST_FAILURES {
        let before = world.clock.ahead();
        world.pass(pace).await?;
        let now = world.clock.ahead();
        if now >= total || is_later(between_rows, before, now) {
            world.end_row(began.elapsed());
        }
    }
    world.end(pace.step).await
}

/// Whether a multiple of `period` lies between the two.
fn is_later(period: Duration, before: Duration, now: Duration) -> bool {
    before.as_secs() / period.as_secs() < now.as_secs() / period.as_secs()
}

impl World {
    /// A step: the clock jumps, all notice, keys roll over, and people come if it
    /// is time.
    async fn pass(&mut self, pace: Pace) -> Result<()> {
        let before = self.clock.ahead();
        self.clock.jump(pace.step)?;
        let now = self.clock.ahead();
        self.wake().await?;
        for rollover in plan::due(before, now) {
            let happened = rollover.happen(self.stack.control()).await;
            happened.with_context(|| format!("{rollover:?}"))?;
            self.row.rollovers.push(rollover);
        }
        self.jumps += 1;
        if self.jumps.is_multiple_of(pace.jumps) {
            self.visits().await;
        }
        self.row.rotations += self.tokens.look(&self.pods)?;
        self.account().await
    }

    /// Everybody comes to the pages at once.
    async fn visits(&mut self) {
        let hour = self.clock.ahead().as_secs() / HOUR.as_secs();
        let is_new_hour = hour > self.hour;
        self.hour = hour;
        let people = self.people.iter_mut();
        let visits = people.map(|person| person.visit(is_new_hour));
        for visited in futures::future::join_all(visits).await {
            match visited {
                Ok(reconnects) => self.row.reconnects += reconnects,
                Err(failure) => self.fail(&format!("{failure:#}")),
            }
        }
    }

    /// Asks every process something: one that sleeps in the kernel learns of a
    /// jump when it wakes.
    async fn wake(&self) -> Result<()> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        for pod in self.stack.pods() {
            let url = self.stack.management_url(pod, "livez")?;
            client.get(url).send().await?.error_for_status()?;
        }
        self.stack.control().cluster_keys().await?;
        tokio::time::sleep(STILL).await;
        Ok(())
    }

    /// Reads on in the audit: exchanges, and refusals, of which there may be none.
    async fn account(&mut self) -> Result<()> {
        for record in self.stack.control().audit(self.audited).await? {
            self.audited = record.sequence;
            if record.code.as_deref() == Some(ANONYMOUS) {
                continue;
            }
            if record.decision == Decision::Denied {
                self.fail(&told(&record));
            } else if record.by == "entra" {
                let identity = record.identity.clone().unwrap_or_default();
                let exchange = format!("{identity} {}", record.action);
                *self.report.exchanges.entry(exchange).or_default() += 1;
                self.row.exchanges += 1;
            }
        }
        Ok(())
    }

    fn fail(&mut self, failure: &str) {
        let minutes = self.clock.ahead().as_secs() / 60;
        self.row.failures += 1;
        let at = format!("{}:{:02}", minutes / 60, minutes % 60);
        self.report.failures.push(format!("after {at}: {failure}"));
    }

    fn end_row(&mut self, took: Duration) {
        self.row.until = self.clock.ahead();
        self.row.requests = self.requests.swap(0, Ordering::Relaxed);
        self.report.rows.push(std::mem::take(&mut self.row));
        self.report.took = took;
    }

    async fn end(mut self, step: Duration) -> Result<Report> {
        for person in &mut self.people {
            if let Err(failure) = person.leave().await {
                self.report.failures.push(format!("{failure:#}"));
            }
        }
        let ran = self.clock.ahead();
        self.report.neglected = self.tokens.neglected(ran, step);
        let logs = self.stack.logs();
        if self.report.problems().is_empty() {
            self.stack.stop(|_| {}).await?;
        } else {
            self.report.logs = last_warnings(&logs);
        }
        Ok(self.report)
    }
}

fn told(record: &Record) -> String {
    let identity = record.identity.as_deref().unwrap_or("-");
    let code = record.code.as_deref().unwrap_or_default();
    format!(
        "{identity} was refused: {} {} at {}: {code} {}",
        record.by, record.operation, record.scope, record.why
    )
}

/// What each process warned of last.
fn last_warnings(logs: &std::path::Path) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(logs).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let warns = |line: &&str| line.contains("WARN") || line.contains("ERROR");
        let lines: Vec<_> = text.lines().filter(warns).map(str::to_owned).collect();
        let last = lines[lines.len().saturating_sub(15)..].to_vec();
        all.insert(entry.file_name().to_string_lossy().into_owned(), last);
    }
    all
}
