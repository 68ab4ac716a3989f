//! What a person does in a window, with mouse and keyboard.

use std::path::Path;

use chromiumoxide::error::CdpError;
use serde_json::{Value, json};

use super::Window;
use crate::outline::{Node, Sought};

/// How many things a page may have that the keyboard stops at.
const MOST_STOPS: usize = 200;

/// A key that is not a letter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Tab,
    Enter,
    Space,
}

impl Window {
    /// Clicks on something with the mouse.
    pub(crate) async fn click(&self, sought: &Sought) {
        self.retry(&format!("clicking on {sought}"), async |outline| {
            let node = outline.only(sought)?;
            self.click_on(node).await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Replaces what a field holds.
    pub(crate) async fn fill(&self, sought: &Sought, text: &str) {
        self.click(sought).await;
        self.replace(text).await;
    }

    /// Chooses a file in a file field.
    pub(crate) async fn choose(&self, sought: &Sought, file: &Path) {
        self.retry(&format!("choosing a file in {sought}"), async |outline| {
            let node = outline.only(sought)?;
            let params = json!({ "backendNodeId": node.backend, "files": [file] });
            let chosen = self.call("DOM.setFileInputFiles", params).await;
            chosen.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Writes into what has the keyboard, in place of what is there.
    pub(crate) async fn replace(&self, text: &str) {
        let select_all = json!({
            "type": "keyDown", "key": "a", "code": "KeyA", "windowsVirtualKeyCode": 65,
            "modifiers": 2, "commands": ["selectAll"],
        });
        self.must("Input.dispatchKeyEvent", select_all).await;
        self.must("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key and lets it go.
    pub(crate) async fn press(&self, key: Key) {
        let (name, code, number, text) = match key {
            Key::Tab => ("Tab", "Tab", 9, None),
            Key::Enter => ("Enter", "Enter", 13, Some("\r")),
            Key::Space => (" ", "Space", 32, Some(" ")),
        };
        let mut event = json!({
            "type": "keyDown", "key": name, "code": code, "windowsVirtualKeyCode": number,
        });
        if let Some(text) = text {
            event["text"] = text.into();
        }
        self.must("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = "keyUp".into();
        self.must("Input.dispatchKeyEvent", event).await;
    }

    /// Goes on with the Tab key until something has the keyboard. Every stop on
    /// the way has to show that it has it.
    pub(crate) async fn tab_to(&self, sought: &Sought) {
        self.sees(sought).await;
        let mut passed = Vec::new();
        for _ in 0..MOST_STOPS {
            self.press(Key::Tab).await;
            let outline = self.outline().await.expect("the page is there");
            let Some(stop) = outline.focused() else {
                continue;
            };
            let visible = self.evaluate(SHOWS_FOCUS).await;
            assert_eq!(
                visible,
                Value::Bool(true),
                "{}: {} {:?} does not show that it has the keyboard",
                self.name(),
                stop.role,
                stop.name
            );
            if outline.only(sought).is_ok_and(|wanted| wanted.is_focused) {
                return;
            }
            passed.push(format!("{} {:?}", stop.role, stop.name));
        }
        panic!(
            "{}: the Tab key does not come to {sought}; it stopped at {passed:#?}\n{}",
            self.name(),
            self.story().await
        );
    }

    async fn click_on(&self, node: &Node) -> Result<(), CdpError> {
        let node = json!({ "backendNodeId": node.backend });
        self.call("DOM.scrollIntoViewIfNeeded", node.clone())
            .await?;
        let quads = self.call("DOM.getContentQuads", node).await?;
        let corner = |at: usize| quads["quads"][0][at].as_f64().ok_or(CdpError::NotFound);
        let x = f64::midpoint(corner(0)?, corner(4)?);
        let y = f64::midpoint(corner(1)?, corner(5)?);
        for (phase, button) in [
            ("mouseMoved", "none"),
            ("mousePressed", "left"),
            ("mouseReleased", "left"),
        ] {
            let event = json!({ "type": phase, "x": x, "y": y, "button": button, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }
}

/// Whether what has the keyboard is in sight and has an outline or a shadow.
const SHOWS_FOCUS: &str = "(() => {
    const stop = document.activeElement;
    if (stop === document.body) return true;
    const box = stop.getBoundingClientRect();
    const style = getComputedStyle(stop);
    const marked = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0)
        || style.boxShadow !== 'none';
    return marked && box.bottom > 0 && box.top < innerHeight && box.width > 0;
})()";
