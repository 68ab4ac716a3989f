//! A window of the browser, and waiting for what it should show. What a person
//! does in it is in `window/hands.rs`, what it looks like in `window/screen.rs`.

mod hands;
mod screen;

use std::time::{Duration, Instant};

use anyhow::Result;
use chromiumoxide::Page;
use chromiumoxide::error::CdpError;
use chromiumoxide::types::{Command, Method, MethodId};
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

pub(crate) use screen::Look;

use crate::outline::{Node, Outline, Sought};
use crate::watcher::Watcher;

/// How long a person waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// One window, with its tab.
pub(crate) struct Window {
    page: Page,
    origin: Url,
    /// Whose window it is.
    name: String,
    manner: Manner,
    watcher: Watcher,
}

/// How a person uses their windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// They have no mouse.
    pub(crate) keyboard_only: bool,
    /// They have switched JavaScript off.
    pub(crate) no_scripts: bool,
}

impl Manner {
    /// With the mouse.
    pub(crate) const MOUSE: Self = Self {
        keyboard_only: false,
        no_scripts: false,
    };
    pub(crate) const KEYBOARD: Self = Self {
        keyboard_only: true,
        ..Self::MOUSE
    };
    pub(crate) const NO_SCRIPTS: Self = Self {
        no_scripts: true,
        ..Self::MOUSE
    };
}

impl Window {
    pub(crate) async fn new(page: Page, origin: Url, name: String, manner: Manner) -> Result<Self> {
        let window = Self {
            watcher: Watcher::of(&page).await?,
            page,
            origin,
            name,
            manner,
        };
        let off = json!({ "value": manner.no_scripts });
        window
            .call("Emulation.setScriptExecutionDisabled", off)
            .await?;
        // Every window believes that it is the one in front.
        let focus = json!({ "enabled": true });
        window
            .call("Emulation.setFocusEmulationEnabled", focus)
            .await?;
        window.looks(Look::DESKTOP).await;
        Ok(window)
    }

    /// Opens a page by its address.
    pub(crate) async fn open(&self, address: &str) {
        let url = self.origin.join(address).expect("an address");
        self.must("Page.navigate", json!({ "url": url })).await;
    }

    /// Where the window is.
    pub(crate) async fn url(&self) -> Url {
        let url = self.evaluate("location.href").await;
        Url::parse(url.as_str().expect("text")).expect("a URL")
    }

    /// Waits until the page shows something, exactly once.
    pub(crate) async fn sees(&self, sought: &Sought) -> Node {
        self.retry(&format!("there is {sought}"), async |outline| {
            outline.only(sought).cloned()
        })
        .await
    }

    /// Waits until the page shows something that happens elsewhere. It comes by
    /// itself, or, without scripts, when the page is loaded again.
    pub(crate) async fn comes_to_see(&self, sought: &Sought) {
        let what = format!("{sought} comes");
        self.retry(&what, async |outline| {
            let found = outline.only(sought).map(drop);
            if found.is_err() && self.manner.no_scripts {
                self.open(self.url().await.as_str()).await;
            }
            found
        })
        .await;
    }

    /// Waits until the page does not show something any more.
    pub(crate) async fn sees_no(&self, sought: &Sought) {
        self.until(&format!("there is no {sought}"), |outline| {
            outline.find(sought).is_empty().then_some(())
        })
        .await;
    }

    /// Waits until the page is as wished, and takes something from it.
    pub(crate) async fn until<T>(&self, what: &str, wished: impl Fn(&Outline) -> Option<T>) -> T {
        self.retry(what, async |outline| {
            wished(outline).ok_or_else(|| "It is not so".to_owned())
        })
        .await
    }

    /// Tries until it works, because a page may change under the hand.
    async fn retry<T>(
        &self,
        what: &str,
        attempt: impl AsyncFn(&Outline) -> Result<T, String>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tried = match self.outline().await {
                Ok(outline) => attempt(&outline).await,
                Err(error) => Err(error.to_string()),
            };
            match tried {
                Ok(done) => return done,
                Err(_) if Instant::now() < deadline => {}
                Err(why) => panic!(
                    "{}: {what}: not within {PATIENCE:?}. {why}.\n{}",
                    self.name,
                    self.story().await
                ),
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    /// The page, as it is told to someone who cannot see it.
    async fn outline(&self) -> Result<Outline, CdpError> {
        let tree = self.call("Accessibility.getFullAXTree", json!({})).await?;
        Ok(Outline::read(&tree))
    }

    /// What an expression gives; also where the page's own scripts are off.
    pub(crate) async fn evaluate(&self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.must("Runtime.evaluate", params).await;
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{}: {thrown:#}", self.name);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression gives this, also while pages come and go.
    pub(crate) async fn comes_to(&self, expression: &str, expected: &Value) {
        let params = json!({ "expression": expression, "returnByValue": true });
        self.retry(&format!("the page comes to {expected}"), async |_| {
            let answer = self.call("Runtime.evaluate", params.clone()).await;
            let answer = answer.map_err(|error| error.to_string())?;
            let found = &answer["result"]["value"];
            if found == expected {
                Ok(())
            } else {
                Err(format!("It has {found}"))
            }
        })
        .await;
    }

    pub(crate) fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// Where its pages are.
    pub(crate) fn origin(&self) -> &Url {
        &self.origin
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sends a command of CDP.
    pub(crate) async fn call(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<Value, CdpError> {
        Ok(self.page.execute(Call { method, params }).await?.result)
    }

    /// Sends a command that cannot fail as long as the window is in order.
    pub(crate) async fn must(&self, method: &'static str, params: Value) -> Value {
        match self.call(method, params).await {
            Ok(answer) => answer,
            Err(error) => panic!("{}: {method}: {error}\n{}", self.name, self.story().await),
        }
    }

    /// What was last seen, for a failure.
    pub(crate) async fn story(&self) -> String {
        let outline = match self.outline().await {
            Ok(outline) => outline.to_string(),
            Err(error) => format!("(no outline: {error})"),
        };
        let whereabouts = json!({ "expression": "location.href" });
        let url = match self.call("Runtime.evaluate", whereabouts).await {
            Ok(answer) => answer["result"]["value"].to_string(),
            Err(error) => format!("(no address: {error})"),
        };
        let picture = match self.last_picture().await {
            Ok(file) => file.display().to_string(),
            Err(error) => format!("(no picture: {error})"),
        };
        let console = self.watcher.seen().console;
        format!("at {url}\n{outline}console: {console:#?}\npicture: {picture}")
    }
}

/// A command as it is written in the protocol's documentation. The answer is not
/// parsed any further, so that a newer browser may say more than a type knows.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Call {
    #[serde(skip)]
    method: &'static str,
    params: Value,
}

impl Method for Call {
    fn identifier(&self) -> MethodId {
        self.method.into()
    }
}

impl Command for Call {
    type Response = Value;
}
