//! What one scenario has of the browser: people, each with cookies of their own,
//! and their windows. All of it is closed when the scenario is over.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use chromiumoxide::Browser;
use chromiumoxide::cdp::browser_protocol::browser::{
    BrowserContextId, PermissionDescriptor, PermissionSetting, SetPermissionParams,
};
use chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams,
};
use e2e::stack::Stack;
use serde_json::json;
use tokio::sync::Mutex;
use url::Url;

use crate::watcher;
use crate::window::{Manner, Window};
use crate::world::{Running, World};

/// All that one scenario opens.
pub(crate) struct Visit<'w> {
    world: &'w World,
    running: &'w Running,
    contexts: Mutex<Vec<BrowserContextId>>,
    windows: Mutex<Vec<Arc<Window>>>,
}

/// Someone with a browser, with nothing kept from before: a private window.
pub(crate) struct Person<'v> {
    visit: &'v Visit<'v>,
    name: &'static str,
    manner: Manner,
    context: BrowserContextId,
}

impl<'w> Visit<'w> {
    pub(crate) fn new(world: &'w World, running: &'w Running) -> Self {
        Self {
            world,
            running,
            contexts: Mutex::default(),
            windows: Mutex::default(),
        }
    }

    pub(crate) fn stack(&self) -> &Stack {
        &self.running.stack
    }

    /// axe-core's script.
    pub(crate) fn axe(&self) -> &str {
        self.world.axe()
    }

    /// Someone new.
    pub(crate) async fn person(&self, name: &'static str) -> Person<'_> {
        self.person_who(name, Manner::MOUSE).await
    }

    /// Someone new who uses their browser in another manner.
    pub(crate) async fn person_who(&self, name: &'static str, manner: Manner) -> Person<'_> {
        let browser = self.running.chromium.browser();
        let context = browser
            .create_browser_context(CreateBrowserContextParams::default())
            .await
            .expect("the browser is there");
        self.contexts.lock().await.push(context.clone());
        let copying = PermissionDescriptor::new("clipboard-write");
        let allowed = SetPermissionParams::builder()
            .permission(copying)
            .setting(PermissionSetting::Granted)
            .browser_context_id(context.clone());
        let allowed = allowed.build().expect("it is complete");
        let granted = browser.execute(allowed).await;
        granted.expect("a press may copy; the headless shell would ask first");
        Person {
            visit: self,
            name,
            manner,
            context,
        }
    }

    /// Closes everything; says what there was to complain about in any window.
    pub(crate) async fn end(self) -> Vec<String> {
        let mut complaints = watcher::overlooked(&self.running.chromium);
        for window in self.windows.into_inner() {
            // What came before this answer has been seen when it is there.
            let answered = window
                .call("Runtime.evaluate", json!({ "expression": "0" }))
                .await;
            let mut found = window.watcher().seen().complaints(window.origin());
            found.extend(answered.err().map(|error| error.to_string()));
            let name = window.name();
            complaints.extend(found.iter().map(|found| format!("{name}: {found}")));
        }
        let browser = self.running.chromium.browser();
        for context in self.contexts.into_inner() {
            let closed = browser.dispose_browser_context(context).await;
            complaints.extend(closed.err().map(|error| error.to_string()));
        }
        complaints
    }
}

impl Person<'_> {
    pub(crate) fn browser(&self) -> &Browser {
        self.visit.running.chromium.browser()
    }

    pub(crate) fn context(&self) -> &BrowserContextId {
        &self.context
    }

    /// Opens a window at a page.
    pub(crate) async fn opens(&self, address: &str) -> Arc<Window> {
        let window = self.opens_a_window().await;
        window.open(address).await;
        window
    }

    /// Opens an empty window.
    pub(crate) async fn opens_a_window(&self) -> Arc<Window> {
        let origin = &self.visit.running.origin;
        self.window(origin).await.expect("a window opens")
    }

    /// Opens a window at a page that is not of the workload.
    pub(crate) async fn opens_elsewhere(&self, address: &Url) -> Arc<Window> {
        let origin = address.join("/").expect("an address on the web");
        let window = self.window(&origin).await.expect("a window opens");
        window.open(address.as_str()).await;
        window
    }

    async fn window(&self, origin: &Url) -> Result<Arc<Window>> {
        let params = CreateTargetParams::builder()
            .url("about:blank")
            .browser_context_id(self.context.clone())
            .new_window(true);
        let params = params.build().map_err(anyhow::Error::msg)?;
        let page = self.browser().new_page(params).await;
        let page = page.context("Chromium opens no window")?;
        let mut windows = self.visit.windows.lock().await;
        let name = format!("{}, window {}", self.name, windows.len() + 1);
        let window = Window::new(page, origin.clone(), name, self.manner).await?;
        let window = Arc::new(window);
        windows.push(Arc::clone(&window));
        Ok(window)
    }
}
