//! A change as one transaction: the thing itself, the event in the outbox, and
//! the list's count, which gives the event its place. All or nothing, and only if
//! nobody else was there first: then everything is read and decided again.

use std::time::Duration;

use azure_core::http::Etag;
use azure_data_cosmos::models::TransactionalBatchOperationResult;
use azure_data_cosmos::options::{BatchReplaceOptions, Precondition};
use azure_data_cosmos::{FeedScope, Query, TransactionalBatch};
use futures::future::{try_join, try_join3};
use platform::backoff::Backoff;
use platform::telemetry::context::current_traceparent;
use tokio::time::Instant;
use uuid::Uuid;

use super::documents::{Kept, LIST, Subject, outbox_document};
use super::{Store, StoreError, Versioned, partition};
use crate::instant;
use crate::todos::{
    Attachment, AttachmentId, Event, EventId, EventKind, List, ListId, Outcome, TodoId,
};

/// Attempts before a change gives up against those of others.
const ATTEMPTS: u32 = 40;

/// After this long no further attempt begins.
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

/// What is there, and what is to become of it.
struct Change<T> {
    before: Option<Versioned<T>>,
    outcome: Outcome<T>,
}

impl Store {
    /// Changes a todo or an attachment, or makes one, as `decide` says. It is
    /// asked with what is there, and again if that was changed meanwhile: also
    /// when an attempt was carried out but its answer lost, so that what is there
    /// already has to be [`Outcome::Unchanged`].
    // Identity backend or worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn change<T: Subject, E: From<StoreError>>(
        &self,
        list: &ListId,
        id: Uuid,
        decide: impl Fn(Option<&Versioned<T>>) -> Result<Outcome<T>, E>,
    ) -> Result<Committed<T>, E> {
        let id = id.to_string();
        let mut attempts = Attempts::at(list);
        loop {
            let both = try_join(self.list(list), self.read::<T>(list.as_str(), &id));
            let (counted, before) = Box::pin(both).await?;
            let outcome = decide(before.as_ref())?;
            let change = Change { before, outcome };
            match self.commit(counted, change).await? {
                Some(committed) => return Ok(committed),
                None => attempts.again().await?,
            }
        }
    }

    /// Attaches a file to a todo that is there, as `decide` says. It is asked with
    /// what is there, and with how many attachments the todo has.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn attach<E: From<StoreError>>(
        &self,
        (list, todo): (&ListId, TodoId),
        id: AttachmentId,
        decide: impl Fn(Option<&Versioned<Attachment>>, usize) -> Result<Outcome<Attachment>, E>,
    ) -> Result<Committed<Attachment>, E> {
        let id = id.to_string();
        let mut attempts = Attempts::at(list);
        loop {
            // First: the transaction holds only if nothing in the list has changed
            // since, neither the todo nor the number of its attachments.
            let counted = self.list(list).await?;
            let three = try_join3(
                self.read(list.as_str(), &id),
                self.todo(list, todo),
                self.attachments_of(list, todo),
            );
            let (before, _, others) = Box::pin(three).await?;
            let outcome = decide(before.as_ref(), others)?;
            let change = Change { before, outcome };
            match self.commit(counted, change).await? {
                Some(committed) => return Ok(committed),
                None => attempts.again().await?,
            }
        }
    }

    /// Changes a list itself, or makes one, as `decide` says; see
    /// [`change`](Self::change).
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn change_list<E: From<StoreError>>(
        &self,
        id: &ListId,
        decide: impl Fn(Option<&Versioned<List>>) -> Result<Outcome<List>, E>,
    ) -> Result<Committed<List>, E> {
        let mut attempts = Attempts::at(id);
        loop {
            let before = self.read(id.as_str(), LIST).await?;
            let outcome = decide(before.as_ref())?;
            let change = Change { before, outcome };
            match self.commit_list(change).await? {
                Some(committed) => return Ok(committed),
                None => attempts.again().await?,
            }
        }
    }

    /// `None` when somebody else was there first.
    async fn commit<T: Subject>(
        &self,
        counted: Versioned<List>,
        change: Change<T>,
    ) -> Result<Option<Committed<T>>, StoreError> {
        let (before, now, kind) = match change.decided()? {
            Decided::Nothing(committed) => return Ok(Some(committed)),
            Decided::Write { before, now, kind } => (before, now, kind),
        };
        let list = counted.value.advanced();
        let event = event(&list, &now, kind);
        let batch = TransactionalBatch::new(partition(&list.id));
        let batch = write(batch, &now, before)
            .and_then(|batch| batch.create_item(outbox_document(&event)))
            .and_then(|batch| write(batch, &list, Some(counted.etag)))
            .map_err(StoreError::during("write a transaction"))?;
        let etags = self.execute(batch).await?;
        Ok(etags.map(|etags| Committed::new(now, event, etags)))
    }

    /// `None` when somebody else was there first.
    async fn commit_list(
        &self,
        change: Change<List>,
    ) -> Result<Option<Committed<List>>, StoreError> {
        let (before, now, kind) = match change.decided()? {
            Decided::Nothing(committed) => return Ok(Some(committed)),
            Decided::Write { before, now, kind } => (before, now.advanced(), kind),
        };
        let event = event(&now, &now, kind);
        let batch = TransactionalBatch::new(partition(&now.id));
        let batch = write(batch, &now, before)
            .and_then(|batch| batch.create_item(outbox_document(&event)))
            .map_err(StoreError::during("write a transaction"))?;
        let etags = self.execute(batch).await?;
        Ok(etags.map(|etags| Committed::new(now, event, etags)))
    }

    /// How many attachments a todo has.
    async fn attachments_of(&self, list: &ListId, todo: TodoId) -> Result<usize, StoreError> {
        let during = StoreError::during("count the attachments of a todo");
        let query = Query::from(
            "SELECT VALUE COUNT(1) FROM c WHERE c.listId = @list AND c.kind = 'attachment' \
             AND c.todoId = @todo",
        );
        let query = query
            .with_parameter("@list", list.as_str())
            .and_then(|query| query.with_parameter("@todo", todo.to_string()))
            .map_err(during)?;
        let scope = FeedScope::partition(partition(list));
        let counts = self.query("count the attachments of a todo", query, scope, 1);
        Ok(counts.await?.first().copied().unwrap_or_default())
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

/// What a change comes to before anything is written.
enum Decided<T> {
    /// It is so already.
    Nothing(Committed<T>),
    Write {
        /// The version that is replaced; `None` when there is nothing yet.
        before: Option<Etag>,
        now: T,
        kind: EventKind,
    },
}

impl<T: Subject> Change<T> {
    fn decided(self) -> Result<Decided<T>, StoreError> {
        match (self.outcome, self.before) {
            (Outcome::Changed { now, event }, before) => Ok(Decided::Write {
                before: before.map(|before| before.etag),
                now,
                kind: event,
            }),
            (Outcome::Unchanged, Some(subject)) => Ok(Decided::Nothing(Committed {
                subject,
                event: None,
            })),
            (Outcome::Unchanged, None) => Err(StoreError::NotThere(T::THING)),
        }
    }
}

impl<T> Committed<T> {
    fn new(now: T, event: Event, [etag, event_etag]: [Etag; 2]) -> Self {
        Self {
            subject: Versioned { value: now, etag },
            event: Some(Versioned {
                value: event,
                etag: event_etag,
            }),
        }
    }
}

/// Attempts at a change of a list that others change too.
struct Attempts<'a> {
    list: &'a ListId,
    backoff: Backoff,
    begun: u32,
    until: Instant,
}

impl<'a> Attempts<'a> {
    fn at(list: &'a ListId) -> Self {
        Self {
            list,
            backoff: Backoff::new(Duration::from_millis(10), Duration::from_millis(200)),
            begun: 1,
            until: Instant::now() + PATIENCE,
        }
    }

    /// Waits for a while, unless there have been enough.
    async fn again(&mut self) -> Result<(), StoreError> {
        let list = self.list;
        if self.begun >= ATTEMPTS || Instant::now() >= self.until {
            return Err(StoreError::Contended(list.clone()));
        }
        tracing::debug!(%list, attempt = self.begun, "somebody else changed list {list}");
        self.begun += 1;
        tokio::time::sleep(self.backoff.pause()).await;
        Ok(())
    }
}

fn event<T: Subject>(counted: &List, subject: &T, kind: EventKind) -> Event {
    Event {
        id: EventId::new(),
        list: counted.id.clone(),
        sequence: counted.sequence,
        kind,
        subject: subject.subject(),
        text: subject.text().to_owned(),
        at: instant::now(),
        trace: current_traceparent(),
    }
}

/// Creates a document, or replaces this version of it.
fn write<T: Kept>(
    batch: TransactionalBatch,
    now: &T,
    before: Option<Etag>,
) -> azure_data_cosmos::Result<TransactionalBatch> {
    match before {
        Some(etag) => {
            let only_this =
                BatchReplaceOptions::default().with_precondition(Precondition::IfMatch(etag));
            batch.replace_item(now.id(), now.document(), Some(only_this))
        }
        None => batch.create_item(now.document()),
    }
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
    use crate::todos::tests::{list, todo};
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
        let list = list().advanced();

        let event = event(&list, &todo(), EventKind::TodoAdded);

        assert_eq!(event.sequence, 1);
        assert_eq!(event.subject, todo().id.0);
        assert_eq!(event.text, "Buy milk");
    }
}
