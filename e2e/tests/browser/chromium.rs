//! The browser: one headless Chromium for all scenarios, with a profile of its
//! own that is gone afterwards, driven over CDP, the protocol of its
//! developer tools.
//!
//! It starts through `e2e guard`, so that it ends when the tests are killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use chromiumoxide::browser::Browser;
use chromiumoxide::error::CdpError;
use chromiumoxide::handler::{Handler, HandlerConfig};
use e2e::process::{Process, Program};
use e2e::runtime::Processes;
use futures::StreamExt as _;
use tempfile::TempDir;
use tokio::task::JoinHandle;

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// No window, no acceleration, nothing that Chromium does for itself over the
/// network, no slower timers in a window behind another one. The only host that
/// it can find is this machine.
const FLAGS: [&str; 24] = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    // No renderer that waits for a page which never comes: one starts for every person.
    "--disable-features=SpareRendererForSitePerProcess,PaintHolding",
    "--force-prefers-reduced-motion",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
    "--lang=en-US",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
];

/// A running Chromium.
pub(crate) struct Chromium {
    process: Process,
    browser: Browser,
    driver: JoinHandle<()>,
    unreadable: Arc<Mutex<Vec<String>>>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts Chromium; its log is beside those of the workload.
    pub(crate) async fn start(executable: &Path, logs: &Path) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("chromium-").tempdir()?;
        let program = program(executable, profile.path());
        let mut process = Process::start(&Processes, program, logs).await?;
        let address = debugger(&mut process, profile.path()).await?;
        let config = HandlerConfig {
            viewport: None,
            ignore_invalid_messages: false,
            ..HandlerConfig::default()
        };
        let (browser, handler) = Browser::connect_with_config(address, config).await?;
        let unreadable = Arc::default();
        let driver = tokio::spawn(drive(handler, Arc::clone(&unreadable)));
        Ok(Self {
            process,
            browser,
            driver,
            unreadable,
            _profile: profile,
        })
    }

    /// The connection to the browser itself.
    pub(crate) fn browser(&self) -> &Browser {
        &self.browser
    }

    /// Messages of the browser that were not understood, and so seen by nobody.
    pub(crate) fn unreadable(&self) -> Vec<String> {
        self.unreadable.lock().expect("no holder panics").clone()
    }

    /// Ends Chromium.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.process.stop(Duration::from_secs(10)).await?;
        self.driver.abort();
        Ok(())
    }
}

fn program(executable: &Path, profile: &Path) -> Program {
    let mut arguments = vec![
        "guard".to_owned(),
        executable.display().to_string(),
        "--".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    arguments.extend(FLAGS.map(str::to_owned));
    // Chromium's sandbox refuses to work for root.
    if rustix::process::geteuid().is_root() {
        arguments.push("--no-sandbox".to_owned());
    }
    Program {
        executable: env!("CARGO_BIN_EXE_e2e").to_owned(),
        arguments,
        environment: BTreeMap::from([
            ("HOME".to_owned(), profile.display().to_string()),
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("TZ".to_owned(), "UTC".to_owned()),
        ]),
        ..Program::named("chromium")
    }
}

/// Where the browser can be driven; it writes that into its profile.
async fn debugger(process: &mut Process, profile: &Path) -> Result<String> {
    let file = profile.join("DevToolsActivePort");
    let deadline = Instant::now() + STARTS_WITHIN;
    loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.trim().split_once('\n') {
            return Ok(format!("ws://127.0.0.1:{port}{path}"));
        }
        process
            .check_running()
            .context("Chromium did not come up")?;
        if Instant::now() > deadline {
            bail!(
                "Chromium says nothing after {STARTS_WITHIN:?}{}",
                process.last_lines()
            );
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn drive(mut handler: Handler, unreadable: Arc<Mutex<Vec<String>>>) {
    while let Some(step) = handler.next().await {
        match step {
            Ok(()) => {}
            Err(CdpError::InvalidMessage(text, _)) => {
                unreadable.lock().expect("no holder panics").push(text);
            }
            Err(_) => return,
        }
    }
}
