//! What every page has around it.

use super::assets;

/// What the layout is told by a page.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The title of the window.
    pub(super) title: String,
    /// The page's own link in the head, to mark it.
    pub(super) current: &'static str,
    /// Whether there is an Access page.
    pub(super) has_access: bool,
}

impl Layout {
    pub(super) fn new(title: impl Into<String>, current: &'static str, has_access: bool) -> Self {
        Self {
            title: title.into(),
            current,
            has_access,
        }
    }

    /// The address of an asset.
    pub(super) fn asset(file: &str) -> String {
        assets::path(file)
    }
}
