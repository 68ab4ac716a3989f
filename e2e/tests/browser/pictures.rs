//! The pictures of `docs/images`.

use crate::scenario::{Scenario, scenarios};
use crate::visit::Visit;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![pictures]
}

async fn pictures(_visit: &Visit<'_>) {}
