//! What a person does in a window, with the mouse or with the keyboard alone.

use std::path::Path;

use chromiumoxide::error::CdpError;
use serde_json::{Value, json};

use super::Window;
use crate::outline::{Node, Sought};

/// How many stops of the Tab key a page may have.
const MOST_STOPS: usize = 200;

/// A key that is not a letter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Tab,
    Enter,
}

impl Window {
    /// Presses a button, follows a link, opens what can be opened.
    pub(crate) async fn press(&self, sought: &Sought) {
        if self.manner.keyboard_only {
            self.tab_to(sought).await;
            self.strike(Key::Enter).await;
        } else {
            self.click(sought).await;
        }
    }

    /// Replaces what a field holds.
    pub(crate) async fn fill(&self, sought: &Sought, text: &str) {
        if self.manner.keyboard_only {
            self.tab_to(sought).await;
        } else {
            self.click(sought).await;
        }
        let select_all = json!({
            "type": "keyDown", "key": "a", "code": "KeyA", "windowsVirtualKeyCode": 65,
            "modifiers": 2, "commands": ["selectAll"],
        });
        self.must("Input.dispatchKeyEvent", select_all).await;
        self.must("Input.insertText", json!({ "text": text })).await;
    }

    /// Types digits into the parts of a date field: month, day, year.
    pub(crate) async fn fill_date(&self, sought: &Sought, digits: &str) {
        if self.manner.keyboard_only {
            self.tab_to(sought).await;
        } else {
            // The mouse may come down on any part.
            let node = json!({ "backendNodeId": self.sees(sought).await.backend });
            self.must("DOM.focus", node).await;
        }
        for digit in digits.chars() {
            let key = json!({ "type": "char", "text": digit });
            self.must("Input.dispatchKeyEvent", key).await;
        }
    }

    /// Chooses a file in a file field.
    pub(crate) async fn choose(&self, sought: &Sought, file: &Path) {
        if self.manner.keyboard_only {
            self.tab_to(sought).await;
        }
        self.retry(&format!("choosing a file in {sought}"), async |outline| {
            let node = outline.only(sought)?;
            let params = json!({ "backendNodeId": node.backend, "files": [file] });
            let chosen = self.call("DOM.setFileInputFiles", params).await;
            chosen.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    async fn click(&self, sought: &Sought) {
        self.retry(&format!("clicking on {sought}"), async |outline| {
            let node = outline.only(sought)?;
            let clicked = self.click_on(node).await;
            clicked.map_err(|error| error.to_string())
        })
        .await;
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

    /// Goes on with the Tab key until something has the keyboard. Each stop on the
    /// way has to show that it has it.
    async fn tab_to(&self, sought: &Sought) {
        self.sees(sought).await;
        let mut passed = Vec::new();
        for _ in 0..MOST_STOPS {
            self.strike(Key::Tab).await;
            let outline = self.outline().await.expect("the page is there");
            let shown = self.evaluate(SHOWS_FOCUS).await;
            let stop = outline.focused();
            let stop =
                stop.map_or_else(String::new, |node| format!("{} {:?}", node.role, node.name));
            assert_eq!(
                shown,
                Value::Bool(true),
                "{}: it cannot be seen that {stop} has the keyboard",
                self.name()
            );
            if outline
                .only(sought)
                .is_ok_and(|node| outline.has_focus(node))
            {
                return;
            }
            passed.push(stop);
        }
        panic!(
            "{}: the Tab key does not come to {sought}, only to {passed:#?}\n{}",
            self.name(),
            self.story().await
        );
    }

    async fn strike(&self, key: Key) {
        let (name, number, text) = match key {
            Key::Tab => ("Tab", 9, None),
            Key::Enter => ("Enter", 13, Some("\r")),
        };
        let mut event = json!({
            "type": "keyDown", "key": name, "code": name, "windowsVirtualKeyCode": number,
        });
        if let Some(text) = text {
            event["text"] = text.into();
        }
        self.must("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = "keyUp".into();
        self.must("Input.dispatchKeyEvent", event).await;
    }
}

/// Whether what has the keyboard is in sight, with an outline or a shadow.
const SHOWS_FOCUS: &str = "(() => {
    const stop = document.activeElement;
    // What is inside of a control of the browser is the browser's.
    if (stop === document.body || !stop.matches(':focus')) return true;
    const box = stop.getBoundingClientRect();
    const style = getComputedStyle(stop);
    const isMarked = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0)
        || style.boxShadow !== 'none';
    return isMarked && box.bottom > 0 && box.top < innerHeight && box.width > 0;
})()";
