//! Where two texts part that have to be the same to the character, in the words
//! of the explanations.

use local_cloud::explain::{Against, Difference};

/// Says it.
pub(super) fn told(what: &str, found: &str, wanted: &str) -> String {
    let parts = Difference::between(what, found, wanted, Against::Expected);
    let how = parts.map_or_else(String::new, |difference| format!(": {}", difference.words));
    format!("the {what} is `{found}`, and not `{wanted}`{how}")
}
