//! A browser that has a list open and hears by Server-Sent Events what happens in
//! it, through every jump of the clock. When the stream ends it opens it again
//! with the last id, as browsers do by themselves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinHandle;

/// A watched list.
pub(crate) struct Watcher {
    heard: Arc<Heard>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Heard {
    entries: AtomicU64,
    connections: AtomicU64,
}

impl Watcher {
    /// Opens the stream of a list.
    pub(crate) fn start(frontend: SocketAddr, list: &str) -> Self {
        let heard = Arc::<Heard>::default();
        let url = format!("http://{frontend}{list}/events?after=0");
        let listening = tokio::spawn(listen(url, Arc::clone(&heard)));
        Self { heard, listening }
    }

    /// Waits until it has heard of so many entries, each once; how often it had to
    /// open the stream again.
    pub(crate) async fn has_told(self, entries: usize, patience: Duration) -> Result<u64> {
        let deadline = Instant::now() + patience;
        let expected = entries as u64;
        while self.heard.entries.load(Ordering::Relaxed) < expected && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let heard = self.heard.entries.load(Ordering::Relaxed);
        ensure!(
            heard == expected,
            "the stream told {heard} of {expected} entries"
        );
        Ok(self
            .heard
            .connections
            .load(Ordering::Relaxed)
            .saturating_sub(1))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(url: String, heard: Arc<Heard>) {
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.expect("a client");
    let mut last = None;
    loop {
        let mut request = client.get(&url);
        if let Some(last) = &last {
            request = request.header("last-event-id", last);
        }
        if let Ok(mut stream) = request.send().await {
            heard.connections.fetch_add(1, Ordering::Relaxed);
            let mut lines = Vec::new();
            while let Ok(Some(part)) = stream.chunk().await {
                lines.extend_from_slice(&part);
                while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = lines.drain(..=end).collect();
                    hear(&String::from_utf8_lossy(&line), &mut last, &heard);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn hear(line: &str, last: &mut Option<String>, heard: &Heard) {
    if let Some(id) = line.strip_prefix("id:") {
        *last = Some(id.trim().to_owned());
    } else if line.trim_end() == "event: activity" {
        heard.entries.fetch_add(1, Ordering::Relaxed);
    }
}
