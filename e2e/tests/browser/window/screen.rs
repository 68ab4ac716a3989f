//! What a window looks like: the screen that it is on, and pictures of it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Window;

/// The highest picture.
const HIGHEST: f64 = 2400.0;

/// A kind of screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) name: &'static str,
    /// What its pictures' names end with.
    pub(crate) suffix: &'static str,
    width: u32,
    height: u32,
    is_phone: bool,
    scheme: &'static str,
}

impl Look {
    pub(crate) const DESKTOP: Self = Self {
        name: "light",
        suffix: "",
        width: 1280,
        height: 760,
        is_phone: false,
        scheme: "light",
    };
    pub(crate) const DARK: Self = Self {
        name: "dark",
        suffix: "-dark",
        scheme: "dark",
        ..Self::DESKTOP
    };
    pub(crate) const PHONE: Self = Self {
        name: "phone",
        suffix: "-phone",
        width: 390,
        height: 844,
        is_phone: true,
        scheme: "light",
    };
    /// The narrowest screen on which a page has to be readable by scrolling down
    /// only.
    pub(crate) const NARROW: Self = Self {
        name: "narrow",
        width: 320,
        ..Self::PHONE
    };
}

impl Window {
    /// Puts the window on a screen of this kind.
    pub(crate) async fn looks(&self, look: Look) {
        let screen = json!({
            "width": look.width, "height": look.height, "mobile": look.is_phone, "deviceScaleFactor": 1,
        });
        self.must("Emulation.setDeviceMetricsOverride", screen)
            .await;
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": look.scheme },
            // Nothing moves under the hand.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]});
        self.must("Emulation.setEmulatedMedia", media).await;
    }

    /// Takes a picture of the page, of its beginning if it is very long.
    pub(crate) async fn picture(&self, file: &Path) -> Result<()> {
        let layout = self.call("Page.getLayoutMetrics", json!({})).await?;
        let size = &layout["cssContentSize"];
        let height = size["height"].as_f64().context("a page has a height")?;
        let params = json!({
            "format": "png",
            "captureBeyondViewport": true,
            "clip": { "x": 0, "y": 0, "width": size["width"], "height": height.min(HIGHEST), "scale": 1 },
        });
        let answer = self.call("Page.captureScreenshot", params).await?;
        let picture = STANDARD.decode(answer["data"].as_str().context("a picture is text")?)?;
        std::fs::write(file, picture).with_context(|| format!("{} is written", file.display()))
    }

    /// A picture of what was last seen, for a failure.
    pub(super) async fn last_picture(&self) -> Result<PathBuf> {
        let file = format!("{}.png", self.page.target_id().inner());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        self.picture(&file).await?;
        Ok(file)
    }
}
