//! `cargo up` as a person sees it: what it prints, how it ends, what it leaves.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

struct Up {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Up {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_e2e"))
            .arg("up")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Reads lines up to one that has the text.
    async fn until(&mut self, text: &str) {
        let reading = async {
            while let Some(line) = self.lines.next_line().await.expect("readable") {
                self.seen.push(line);
                if self.seen.last().is_some_and(|line| line.contains(text)) {
                    return;
                }
            }
            panic!("it ended without `{text}`: {:#?}", self.seen);
        };
        let timely = tokio::time::timeout(Duration::from_mins(1), reading).await;
        assert!(timely.is_ok(), "`{text}` does not come: {:#?}", self.seen);
    }

    fn pid(&self) -> Pid {
        let id = self.child.id().expect("it runs");
        Pid::from_raw(i32::try_from(id).expect("a process id")).expect("not zero")
    }

    /// The processes that it started.
    fn children(&self) -> BTreeSet<i32> {
        let parent = self.pid().as_raw_nonzero().get();
        let processes = std::fs::read_dir("/proc")
            .expect("Linux")
            .filter_map(|entry| {
                let id: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
                (parent_of(id)? == parent).then_some(id)
            });
        processes.collect()
    }
}

/// The parent of a process; nothing if there is no such process any more.
fn parent_of(id: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it may have spaces, but ends with the last parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    (fields.next()? != "Z").then_some(())?;
    fields.next()?.parse().ok()
}

async fn until_gone(processes: &BTreeSet<i32>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let left: Vec<_> = processes
            .iter()
            .filter(|id| parent_of(**id).is_some())
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_last_line_says_ready_and_where_and_ctrl_c_ends_all_in_order() {
    let port = free_port().to_string();
    let mut up = Up::start(&["--port", &port]);
    up.until("ready in").await;
    while !up.seen.last().is_some_and(|line| line.contains("http://")) {
        up.until("ready").await;
    }

    let last = up.seen.last().expect("lines").clone();
    assert!(
        last.starts_with("ready in ") && last.contains(" s: "),
        "{last}"
    );
    assert!(
        last.ends_with(&format!("http://localhost:{port}")),
        "{last}"
    );
    let urls = up.seen.iter().filter(|line| line.contains("http://"));
    assert_eq!(urls.collect::<Vec<_>>(), [&last]);
    let lab = up.seen.iter().find_map(|line| line.strip_prefix("lab    "));
    let (_, file) = lab
        .and_then(|lab| lab.split_once("its address is in "))
        .expect("where the lab's address is");
    let console = std::fs::read_to_string(file).expect("the lab's address");
    assert!(console.starts_with("http://localhost:"), "{console}");
    let (_, key) = console.split_once("/#").expect("a key");
    assert!(
        !up.seen.iter().any(|line| line.contains(key)),
        "the key of the lab is for a terminal: {:#?}",
        up.seen
    );
    assert!(
        up.seen
            .iter()
            .any(|line| line.contains("each as in e2e/expected-access.md")),
        "{:#?}",
        up.seen
    );
    let children = up.children();
    assert_eq!(children.len(), 4, "cloud and three pods");

    kill_process(up.pid(), Signal::INT).expect("signalled");
    up.until("stopped cloud").await;
    let stopped: Vec<_> = up
        .seen
        .iter()
        .filter_map(|line| line.strip_prefix("stopped "))
        .collect();
    assert_eq!(stopped, ["worker", "backend", "frontend", "cloud"]);
    let status = up.child.wait().await.expect("it ends");
    assert!(status.success(), "{status}");
    until_gone(&children).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_it_leaves_nothing_running() {
    let mut up = Up::start(&["--port", &free_port().to_string()]);
    up.until("http://").await;
    let children = up.children();

    kill_process(up.pid(), Signal::KILL).expect("signalled");

    until_gone(&children).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_the_flag_that_helps() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();

    let output = Command::new(env!("CARGO_BIN_EXE_e2e"))
        .args(["up", "--port", &port])
        .output()
        .await
        .expect("it ends");

    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains(&format!("port {port} is taken")) && said.contains("--port"),
        "{said}"
    );
}
