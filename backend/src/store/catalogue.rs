//! The catalogue: one small document for each list, all in one partition, so that
//! a page of lists is one query within it.
//!
//! An entry is written right after its list, and not with it, because no
//! transaction spans two partitions. The worker makes sure of it when it sees the
//! list's event. Whoever comes late finds a higher revision, and leaves it.

use time::OffsetDateTime;

use super::documents::{CATALOGUE, Kept as _, LIST};
use super::{Store, StoreError, only_if};
use crate::instant;
use crate::todos::{List, ListId, ListName};

/// Attempts before an entry is left to whoever else writes it.
const ATTEMPTS: u32 = 5;

/// A list as the catalogue shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListEntry {
    pub(crate) id: ListId,
    pub(crate) name: ListName,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) revision: u64,
}

impl From<&List> for ListEntry {
    fn from(list: &List) -> Self {
        Self {
            id: list.id.clone(),
            name: list.name.clone(),
            created_at: list.created_at,
            revision: list.revision,
        }
    }
}

impl ListEntry {
    /// Whether it is to take the place of what the catalogue shows.
    fn supersedes(&self, shown: Option<&Self>) -> bool {
        shown.is_none_or(|shown| shown.revision < self.revision)
    }
}

impl Store {
    /// Writes what the catalogue shows of a list, unless it shows a higher
    /// revision already. It may be repeated, and in any order.
    // Identity backend or worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn record_in_catalogue(&self, list: &List) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            if self.try_to_record(&ListEntry::from(list)).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended(list.id.clone()))
    }

    /// False when somebody else wrote the entry meanwhile.
    async fn try_to_record(&self, entry: &ListEntry) -> Result<bool, StoreError> {
        let id = entry.id.as_str();
        let before = self.read::<ListEntry>(CATALOGUE, id).await?;
        if !entry.supersedes(before.as_ref().map(|before| &before.value)) {
            return Ok(true);
        }
        let container = self.container().await?;
        let document = entry.document();
        let written = match before {
            None => container.create_item(CATALOGUE, id, document, None).await,
            Some(before) => {
                let options = Some(only_if(before.etag));
                container
                    .replace_item(CATALOGUE, id, document, options)
                    .await
            }
        };
        match written {
            Ok(_) => Ok(true),
            Err(error)
                if error.status().is_conflict() || error.status().is_precondition_failed() =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::during("write an entry of the catalogue")(error)),
        }
    }

    /// Makes the list that everybody starts with, unless it is there. That is no
    /// event: nobody did it.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn ensure_inbox(&self) -> Result<(), StoreError> {
        let mut inbox = List::inbox(instant::now());
        let container = self.container().await?;
        let made = container
            .create_item(inbox.id.as_str().to_owned(), LIST, inbox.document(), None)
            .await;
        match made {
            Ok(_) => {}
            Err(error) if error.status().is_conflict() => {
                inbox = self.list(&inbox.id).await?.value;
            }
            Err(error) => return Err(StoreError::during("make the inbox")(error)),
        }
        self.record_in_catalogue(&inbox).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::todos::tests::list;

    #[test]
    fn whoever_comes_late_leaves_what_the_catalogue_shows() {
        let entry = |revision| ListEntry {
            revision,
            ..ListEntry::from(&list())
        };

        assert!(entry(1).supersedes(None));
        assert!(entry(2).supersedes(Some(&entry(1))));
        assert!(!entry(2).supersedes(Some(&entry(2))));
        assert!(!entry(2).supersedes(Some(&entry(3))));
    }
}
