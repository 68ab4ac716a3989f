//! A change as one transaction: the thing itself, the event in the outbox, and
//! the list's count, which gives the event its place. All or nothing, and only if
//! nobody else was there first: then everything is read and decided again.

use platform::backoff::Backoff;
use std::time::Duration;

use azure_core::http::Etag;
use azure_data_cosmos::TransactionalBatch;
use azure_data_cosmos::models::TransactionalBatchOperationResult;
use azure_data_cosmos::options::{BatchReplaceOptions, Precondition};
use uuid::Uuid;

use super::documents::{Document, LIST, Subject, outbox_document};
use super::{Store, StoreError, Versioned, partition};
use crate::instant;
use crate::todos::{Event, EventId, EventKind, List, ListId, Outcome};

/// Attempts before a change gives up against those of others.
const ATTEMPTS: u32 = 8;

/// The time of all attempts.
const PATIENCE: Duration = Duration::from_secs(10);

/// The status of an operation that was undone because of another.
const FAILED_DEPENDENCY: u16 = 424;

/// What a change came to.
#[derive(Debug)]
pub(crate) struct Committed<T> {
    /// What is there now.
    pub(crate) subject: Versioned<T>,
    /// What has happened, as it waits in the outbox; `None` when it was so
    /// already.
    pub(crate) event: Option<Versioned<Event>>,
}

impl Store {
    /// Changes a todo or an attachment, or makes one, as `decide` says. It is
    /// asked with what is there, and again if that was changed meanwhile: also
    /// when an attempt was carried out but its answer lost, so that what is there
    /// already has to be [`Outcome::Unchanged`].
    // Identity backend or worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn change<T: Subject>(
        &self,
        list: &ListId,
        id: Uuid,
        decide: impl Fn(Option<&Versioned<T>>) -> Result<Outcome<T>, StoreError>,
    ) -> Result<Committed<T>, StoreError> {
        let attempts = async {
            let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(200));
            for attempt in 1..=ATTEMPTS {
                if let Some(committed) = self.attempt(list, id, &decide).await? {
                    return Ok(committed);
                }
                tracing::debug!(list = %list, attempt, "somebody else changed list {list}");
                tokio::time::sleep(backoff.pause()).await;
            }
            Err(StoreError::Contended(list.clone()))
        };
        tokio::time::timeout(PATIENCE, attempts)
            .await
            .unwrap_or_else(|_| Err(StoreError::Contended(list.clone())))
    }

    /// `None` when somebody else was there first.
    async fn attempt<T: Subject>(
        &self,
        list: &ListId,
        id: Uuid,
        decide: impl Fn(Option<&Versioned<T>>) -> Result<Outcome<T>, StoreError>,
    ) -> Result<Option<Committed<T>>, StoreError> {
        let before = self.read::<T>(list, id).await?;
        let (now, kind) = match (decide(before.as_ref())?, before.as_ref()) {
            (Outcome::Changed { now, event }, _) => (now, event),
            (Outcome::Unchanged, Some(_)) => {
                return Ok(before.map(|subject| Committed {
                    subject,
                    event: None,
                }));
            }
            (Outcome::Unchanged, None) => return Err(StoreError::NotThere("document")),
        };
        let counted = self.list(list).await?;
        let (list_etag, counted) = match counted {
            Some(Versioned { value, etag }) => (Some(etag), value),
            None => (None, List::new(list.clone())),
        };
        let counted = counted.advanced();
        let event = event(&counted, &now, kind);

        let batch = batch(before.as_ref(), &now, &event, (&counted, list_etag))
            .map_err(StoreError::during("write a transaction"))?;
        let Some([subject_etag, event_etag]) = self.execute(batch).await? else {
            return Ok(None);
        };
        Ok(Some(Committed {
            subject: Versioned {
                value: now,
                etag: subject_etag,
            },
            event: Some(Versioned {
                value: event,
                etag: event_etag,
            }),
        }))
    }

    /// The new versions of the first two documents; `None` when a condition did
    /// not hold.
    async fn execute(&self, batch: TransactionalBatch) -> Result<Option<[Etag; 2]>, StoreError> {
        let during = StoreError::during("commit a transaction");
        let container = self.container().await?;
        let response = match container.execute_transactional_batch(batch, None).await {
            Ok(response) => response.into_model().map_err(during)?,
            Err(error) if is_conflict(error.status().status_code().into()) => return Ok(None),
            Err(error) => return Err(during(error)),
        };
        judge(response.results())
    }
}

fn event<T: Subject>(counted: &List, subject: &T, kind: EventKind) -> Event {
    Event {
        id: EventId::new(),
        list: counted.id.clone(),
        sequence: counted.sequence,
        kind,
        subject: subject.id(),
        text: subject.text().to_owned(),
        at: instant::now(),
        trace: None,
    }
}

fn batch<T: Subject>(
    before: Option<&Versioned<T>>,
    now: &T,
    event: &Event,
    (list, list_etag): (&List, Option<Etag>),
) -> azure_data_cosmos::Result<TransactionalBatch> {
    let batch = TransactionalBatch::new(partition(&event.list));
    let batch = match before {
        Some(before) => batch.replace_item(
            now.id().to_string(),
            now.document(),
            Some(only_if(before.etag.clone())),
        )?,
        None => batch.create_item(now.document())?,
    };
    let batch = batch.create_item(outbox_document(event))?;
    match list_etag {
        Some(etag) => batch.replace_item(LIST, Document::from(list), Some(only_if(etag))),
        None => batch.create_item(Document::from(list)),
    }
}

fn only_if(etag: Etag) -> BatchReplaceOptions {
    BatchReplaceOptions::default().with_precondition(Precondition::IfMatch(etag))
}

/// A transaction that failed answers with the status of each operation: that of
/// the one that failed, and 424 of all others.
fn judge(results: &[TransactionalBatchOperationResult]) -> Result<Option<[Etag; 2]>, StoreError> {
    let culprit = results
        .iter()
        .filter(|result| !result.is_success())
        .map(TransactionalBatchOperationResult::status_code)
        .min_by_key(|status| *status == FAILED_DEPENDENCY);
    match culprit {
        Some(status) if is_conflict(status) => Ok(None),
        Some(status) => Err(StoreError::Transaction(status)),
        None => {
            let etag = |index: usize| {
                results
                    .get(index)
                    .and_then(TransactionalBatchOperationResult::etag)
                    .map(|etag| Etag::from(etag.to_owned()))
                    .ok_or(StoreError::Incomplete("ETag"))
            };
            Ok(Some([etag(0)?, etag(1)?]))
        }
    }
}

/// 404: what was to be replaced is gone. 409: what was to be made is there. 412:
/// it is another. 449: two transactions met.
fn is_conflict(status: u16) -> bool {
    matches!(status, 404 | 409 | 412 | 449)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::todos::tests::todo;
    use serde_json::json;

    fn results(json: serde_json::Value) -> Vec<TransactionalBatchOperationResult> {
        serde_json::from_value(json).expect("results as of Cosmos DB")
    }

    #[test]
    fn a_transaction_that_succeeded_tells_the_new_versions() {
        let results = results(json!([
            { "statusCode": 201, "eTag": "\"1\"" },
            { "statusCode": 201, "eTag": "\"2\"" },
            { "statusCode": 200, "eTag": "\"3\"" }
        ]));

        let etags = judge(&results).expect("no failure").expect("no conflict");

        assert_eq!(etags, [Etag::from("\"1\""), Etag::from("\"2\"")]);
    }

    #[test]
    fn a_transaction_that_lost_is_told_from_one_that_failed() {
        for status in [404, 409, 412, 449] {
            let results = results(json!([
                { "statusCode": 424 }, { "statusCode": 424 }, { "statusCode": status }
            ]));
            assert!(judge(&results).expect("no failure").is_none(), "{status}");
        }

        let results = results(json!([{ "statusCode": 413 }, { "statusCode": 424 }]));
        assert!(matches!(judge(&results), Err(StoreError::Transaction(413))));
    }

    #[test]
    fn the_event_has_the_lists_next_number_and_the_subjects_words() {
        let list = List::new(todo().list).advanced();

        let event = event(&list, &todo(), EventKind::TodoAdded);

        assert_eq!(event.sequence, 1);
        assert_eq!(event.subject, todo().id.0);
        assert_eq!(event.text, "Buy milk");
    }
}
