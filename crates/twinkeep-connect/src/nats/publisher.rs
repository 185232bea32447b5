//! Gives messages to a stream.

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};

use super::{Connection, NatsError, NatsRequest};

/// A connection that publishes.
#[derive(Debug)]
pub struct NatsPublisher {
    context: Context,
    connection: Connection,
}

/// Where a message went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The stream.
    pub stream: String,
    /// Its number in the stream.
    pub number: u64,
    /// Whether the stream had it already.
    pub duplicate: bool,
}

impl NatsPublisher {
    /// Connects and logs in.
    pub fn open(request: NatsRequest<'_>) -> Result<Self, NatsError> {
        let connection = Connection::open(request)?;
        Ok(Self { context: connection.jetstream(), connection })
    }

    /// Returns how many bytes the server takes in one message, beside its id.
    pub fn message_len_max(&self) -> usize {
        self.connection.client.max_payload().saturating_sub(HEADERS_LEN_MAX)
    }

    /// Publishes a message; returns when the stream has it. The same id a second time within the
    /// stream's window for that is the same message.
    pub fn publish(
        &self,
        subject: &str,
        id: &str,
        payload: Vec<u8>,
    ) -> Result<Published, NatsError> {
        let size = payload.len();
        if self.message_len_max() < size {
            let limit = format!("the server takes {}", self.message_len_max());
            return Err(NatsError::TooLarge { size, limit });
        }
        let message = PublishMessage::build().payload(payload.into()).message_id(id);
        let sent = self.connection.runtime.block_on(async {
            self.context.send_publish(subject.to_owned(), message).await?.await
        });
        let known = sent.map_err(|error| self.refuse(&error, subject, size))?;
        Ok(Published { stream: known.stream, number: known.sequence, duplicate: known.duplicate })
    }

    fn refuse(&self, error: &PublishError, subject: &str, size: usize) -> NatsError {
        let source = std::error::Error::source(error);
        let answer = source.and_then(|source| source.downcast_ref::<jetstream::Error>());
        match (error.kind(), answer) {
            (_, Some(answer))
                if answer.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM =>
            {
                NatsError::TooLarge { size, limit: "the stream takes fewer".to_owned() }
            }
            (_, Some(answer)) => self.connection.answered(answer.to_string()),
            (PublishErrorKind::StreamNotFound, _) => {
                NatsError::NoTaker { subject: subject.to_owned() }
            }
            _ => self.connection.silent(),
        }
    }
}

/// Room for the id and what is around it: an id of ours has 70 bytes.
const HEADERS_LEN_MAX: usize = 256;
