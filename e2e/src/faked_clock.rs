//! A clock of its own for the cloud and all pods, by way of libfaketime: they
//! agree on the time, and the harness moves it.
//!
//! Both clocks of a process are moved, the one on the wall and the monotonic one,
//! as they move together when time passes. The time jumps and never runs faster:
//! under a rate every time-out would be shorter than the work that it is for.
//! Whoever waits in the kernel notices a jump only when it wakes, so a process
//! is asked something after each jump.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Where Debian's package `libfaketime` puts it, for threads.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The clock that the processes of one stack share.
#[derive(Debug)]
pub struct FakedClock {
    library: PathBuf,
    directory: PathBuf,
    ahead: Duration,
}

impl FakedClock {
    /// The library, if it is installed.
    pub fn library() -> Option<PathBuf> {
        LIBRARIES
            .into_iter()
            .map(PathBuf::from)
            .find(|library| library.exists())
    }

    /// A clock that shows the system's time, kept in this directory.
    pub fn start(directory: &Path) -> Result<Self> {
        let Some(library) = Self::library() else {
            bail!("libfaketime is not installed: apt-get install libfaketime");
        };
        let clock = Self {
            library,
            directory: directory.to_owned(),
            ahead: Duration::ZERO,
        };
        clock.write()?;
        Ok(clock)
    }

    /// What a process needs that goes by this clock.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let own = |path: &Path| path.display().to_string();
        [
            ("LD_PRELOAD", own(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", own(&self.file())),
            // The file is read at every look at the clock: all see a jump at once.
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// How far it is ahead of the system's clock.
    pub fn ahead(&self) -> Duration {
        self.ahead
    }

    /// Moves it forward.
    pub fn jump(&mut self, by: Duration) -> Result<()> {
        self.ahead += by;
        self.write()
    }

    fn file(&self) -> PathBuf {
        self.directory.join("clock")
    }

    /// Nobody may read half of it, so it is put in place as a whole.
    fn write(&self) -> Result<()> {
        let new = self.directory.join("clock.new");
        let written = std::fs::write(&new, format!("+{}s\n", self.ahead.as_secs()));
        written
            .and_then(|()| std::fs::rename(&new, self.file()))
            .with_context(|| format!("{} cannot be written", self.file().display()))
    }
}
