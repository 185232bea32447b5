//! One request for one message.
//!
//! The server answers it with a message or with a status. The library tells them apart by the
//! status alone, which whoever publishes can write into a message: it would pass for the server's
//! word, and never be seen. Here a message of the stream is what can be acknowledged.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::jetstream::{Context, Message};
use async_nats::{Client, StatusCode, Subscriber};
use futures_util::StreamExt as _;
use tokio::time::timeout;

/// A request that is under way: a message that answers it is ours.
pub(super) struct Pull {
    answers: Subscriber,
    /// How long it was waited for.
    waited: Duration,
    /// How often the connection had been lost before.
    cuts: u64,
}

/// What came of waiting for it.
pub(super) enum Pulled {
    /// A message.
    Message(Box<Message>),
    /// It ended without one.
    Ended,
    /// Nothing yet.
    Waits,
}

impl Pull {
    /// Asks for a message; with `expires` the server waits for one that long.
    pub(super) async fn start(
        client: &Client,
        consumer: &PullConsumer,
        expires: Option<Duration>,
        cuts: u64,
    ) -> Result<Self, async_nats::Error> {
        let inbox = client.new_inbox();
        let answers = client.subscribe(inbox.clone()).await?;
        let request =
            BatchConfig { batch: 1, expires, no_wait: expires.is_none(), ..Default::default() };
        consumer.request_batch(request, inbox.into()).await?;
        Ok(Self { answers, waited: Duration::ZERO, cuts })
    }

    /// Waits for the answer, and not longer than this.
    pub(super) async fn wait(
        &mut self,
        context: &Context,
        time: Duration,
    ) -> Result<Pulled, async_nats::Error> {
        loop {
            let Ok(answer) = timeout(time, self.answers.next()).await else {
                self.waited += time;
                return Ok(Pulled::Waits);
            };
            let Some(message) = answer else { return Ok(Pulled::Ended) };
            if message.reply.as_ref().is_some_and(|reply| reply.starts_with(ACK_PREFIX)) {
                let message = Message { message, context: context.clone() };
                return Ok(Pulled::Message(Box::new(message)));
            }
            match message.status {
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => return Ok(Pulled::Ended),
                status => {
                    let status = status.map(|status| status.to_string()).unwrap_or_default();
                    let text = message.description.unwrap_or_default();
                    return Err(format!("{status} {text}").trim().to_owned().into());
                }
            }
        }
    }

    /// Returns whether it went with the connection, which was lost so often by now.
    pub(super) fn is_cut(&self, cuts: u64) -> bool {
        self.cuts != cuts
    }

    /// Returns whether it was waited for longer than this.
    pub(super) fn is_late(&self, patience: Duration) -> bool {
        patience < self.waited
    }
}

/// Begins the subjects to which a message of a stream is acknowledged.
const ACK_PREFIX: &str = "$JS.ACK.";
