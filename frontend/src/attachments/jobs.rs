//! Telling the worker that there is a file to read.

use async_trait::async_trait;
use platform::azure::{AzureFailure, QueueSender};
use serde::Serialize;
use service_bus::ServiceBusMessage;

use crate::id::{Id, ListId};

/// The body of a message in the queue `attachment-jobs`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job<'a> {
    schema: u32,
    list_id: &'a str,
    attachment_id: &'a str,
}

impl<'a> Job<'a> {
    pub(crate) fn new(list: &'a ListId, attachment: &'a Id) -> Self {
        Self {
            schema: 1,
            list_id: list.as_str(),
            attachment_id: attachment.as_str(),
        }
    }

    /// The message. Its id is that of the attachment: a job that is sent twice
    /// is the same job.
    fn message(&self) -> ServiceBusMessage {
        let body = serde_json::to_vec(self).expect("a number and two texts are JSON");
        let mut message = ServiceBusMessage::new(self.attachment_id, body);
        message.content_type = Some("application/json".to_owned());
        message
    }
}

/// Where jobs go.
#[async_trait]
pub(crate) trait Jobs: Send + Sync {
    /// Sends a job. It is in the queue when this succeeds, and may be there when
    /// it fails.
    async fn send(&self, job: Job<'_>) -> Result<(), AzureFailure>;
}

/// The queue of jobs.
#[derive(Debug)]
pub(crate) struct QueuedJobs(pub(crate) QueueSender);

#[async_trait]
impl Jobs for QueuedJobs {
    /// Sends a job to the queue.
    // Identity frontend, Azure Service Bus Data Sender on queue attachment-jobs.
    async fn send(&self, job: Job<'_>) -> Result<(), AzureFailure> {
        self.0
            .send_message(job.message())
            .await
            .map_err(AzureFailure::service_bus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_known_by_its_attachment() {
        let list = ListId::try_from("inbox".to_owned()).expect("a list");
        let id = "3b241101-e2bb-4255-8caf-4136c566a962";
        let attachment = Id::try_from(id.to_owned()).expect("an id");

        let message = Job::new(&list, &attachment).message();

        assert_eq!(message.message_id, id);
        assert_eq!(
            message.body,
            br#"{"schema":1,"listId":"inbox","attachmentId":"3b241101-e2bb-4255-8caf-4136c566a962"}"#
        );
    }
}
