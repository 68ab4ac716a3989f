//! The doctor: are the six prerequisites of workload identity there, with the
//! value found, where it comes from, and the fix where one is missing?
//!
//! A [`Source`] finds the facts, of the local cloud or of a live environment,
//! and changes nothing. [`diagnose`] judges them, the same for both.

use std::path::Path;

use anyhow::Result;

mod diagnosis;
mod difference;
mod facts;
pub mod junit;
pub mod live;
pub mod local;

pub use diagnosis::{Line, Problem, State};
pub(crate) use junit::escaped;

use crate::trust::access::Access;
use facts::Facts;

/// What should be there: the access file.
pub struct Wanted(Access);

impl Wanted {
    /// Reads an access file.
    pub fn read(path: &Path) -> Result<Self> {
        Access::read(path).map(Self)
    }
}

/// Where facts are found.
pub trait Source {
    /// Finds them; an error means that they could not be found out.
    fn facts(&self, wanted: &Wanted) -> impl Future<Output = Result<Found>>;
}

/// Facts that were found.
pub struct Found(Facts);

/// Asks a source, and judges: six lines.
pub async fn diagnose(source: &impl Source, wanted: &Wanted) -> Result<Vec<Line>> {
    let found = source.facts(wanted).await?;
    Ok(diagnosis::lines(&wanted.0, &found.0))
}
