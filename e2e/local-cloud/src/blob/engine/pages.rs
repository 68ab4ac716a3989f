//! Listings of containers and blobs, page by page, in order of name.

use super::{BlockBlob, Container, Engine, Failure};
use crate::gate::Admitted;

/// The part of a listing that a request asks for.
#[derive(Debug, Default)]
pub(in crate::blob) struct Select<'a> {
    pub(in crate::blob) prefix: &'a str,
    pub(in crate::blob) delimiter: Option<&'a str>,
    /// The first entry to give.
    pub(in crate::blob) from: Option<&'a str>,
    pub(in crate::blob) most: usize,
}

/// A page of a listing.
#[derive(Debug)]
pub(in crate::blob) struct Page<T> {
    pub(in crate::blob) entries: Vec<(String, T)>,
    /// The entry that the next page starts with.
    pub(in crate::blob) next: Option<String>,
}

/// An entry of a hierarchical listing.
#[derive(Debug)]
pub(in crate::blob) enum Entry {
    Blob(BlockBlob),
    /// All names that go on with the delimiter.
    Prefix,
}

impl Engine {
    /// The containers of the account, without their blobs.
    pub(in crate::blob) fn list_containers(
        &self,
        _: &Admitted,
        select: &Select<'_>,
    ) -> Page<Container> {
        let named = self.containers.iter();
        page(
            named.map(|(name, c)| (name.clone(), c.without_blobs())),
            select,
        )
    }

    /// The committed blobs of the admitted container, by name.
    pub(in crate::blob) fn list_blobs(
        &self,
        admitted: &Admitted,
        select: &Select<'_>,
    ) -> Result<Page<Entry>, Failure> {
        let container = self.find(admitted)?;
        let mut last_prefix = None;
        let entries = container.blobs.iter().filter_map(|(name, blob)| {
            let rest = name.strip_prefix(select.prefix)?;
            let cut = select
                .delimiter
                .and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
            let Some(cut) = cut else {
                return Some((name.clone(), Entry::Blob(blob.clone())));
            };
            let prefix = &name[..select.prefix.len() + cut];
            if last_prefix == Some(prefix) {
                return None;
            }
            last_prefix = Some(prefix);
            Some((prefix.to_owned(), Entry::Prefix))
        });
        Ok(page(entries, select))
    }
}

fn page<T>(all: impl Iterator<Item = (String, T)>, select: &Select<'_>) -> Page<T> {
    let mut rest = all
        .filter(|(name, _)| name.starts_with(select.prefix))
        .filter(|(name, _)| select.from.is_none_or(|from| name.as_str() >= from));
    let entries = rest.by_ref().take(select.most).collect();
    let next = rest.next().map(|(name, _)| name);
    Page { entries, next }
}
