//! Takes messages out of a stream, one at a time, through a durable consumer.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer};
use async_nats::jetstream::stream::{ConsumerError, ConsumerErrorKind};
use async_nats::jetstream::{AckKind, ErrorCode, Message};
use tokio::task::JoinHandle;
use tokio::time::interval;

use super::pull::{Pull, Pulled};
use super::{ANSWER_TIME_MAX, Connection, NatsError, NatsRequest};

/// Which stream, and which consumer of it.
#[derive(Clone, Copy, Debug)]
pub struct StreamRequest<'a> {
    /// The stream; it must be there.
    pub stream: &'a str,
    /// The durable consumer; it is made if it is missing.
    pub consumer: &'a str,
    /// Only messages of these subjects; all without it.
    pub subject: Option<&'a str>,
}

/// A durable consumer, and the connection to its server.
pub struct NatsConsumer {
    /// The request that is under way, if there is one.
    pull: Option<Pull>,
    consumer: PullConsumer,
    context: Context,
    connection: Connection,
}

/// A message, until it is settled.
pub struct NatsMessage {
    message: Message,
    number: u64,
    deliveries: u32,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is done, for good.
    Done,
    /// It is to come again, after this long at least.
    Again(Duration),
    /// It can never be done, and is not to come again.
    Never,
}

/// Tells the server that a message is being worked on, until it is dropped.
pub struct Holding(JoinHandle<()>);

impl NatsConsumer {
    /// Connects, logs in, and finds the consumer or makes it.
    pub fn open(request: NatsRequest<'_>, stream: StreamRequest<'_>) -> Result<Self, NatsError> {
        check_names(&stream)?;
        let connection = Connection::open(request)?;
        let context = connection.jetstream();
        let consumer = bind(&connection, &context, &stream)?;
        Ok(Self { pull: None, consumer, context, connection })
    }

    /// Finds the consumer again, or makes it again, after somebody removed it.
    pub fn reopen(&mut self, stream: StreamRequest<'_>) -> Result<(), NatsError> {
        self.pull = None;
        self.consumer = bind(&self.connection, &self.context, &stream)?;
        Ok(())
    }

    /// Returns whether the connection is up; if it is not, it is being made again.
    pub fn is_connected(&self) -> bool {
        self.connection.is_up()
    }

    /// Returns what the server is called in messages.
    pub fn place(&self) -> &str {
        &self.connection.place
    }

    /// Returns the next message, or `None` if there is none within this time. A message may
    /// come a second time if the server did not hear what became of it.
    pub fn next(&mut self, wait: Duration) -> Result<Option<NatsMessage>, NatsError> {
        if self.pull.is_none() && !self.is_connected() {
            // What is asked now would wait in a buffer, and be answered to nobody.
            std::thread::sleep(wait);
            return Ok(None);
        }
        match self.pull(Some(REQUEST_TIME), wait)? {
            Pulled::Message(message) => self.read(*message).map(Some),
            Pulled::Ended => Ok(None),
            Pulled::Waits => {
                let cuts = self.connection.cuts();
                // The server would have answered by now, or will not any more.
                self.pull.take_if(|pull| pull.is_late(REQUEST_TIME * 2) || pull.is_cut(cuts));
                Ok(None)
            }
        }
    }

    /// Returns a message that is there now, or `None`. If the connection is lost meanwhile, which
    /// a message with malformed headers does to the library, it is asked again.
    pub fn now(&mut self) -> Result<Option<NatsMessage>, NatsError> {
        let mut left = CUT_COUNT_MAX;
        loop {
            match self.pull(None, WAIT_STEP)? {
                Pulled::Message(message) => return self.read(*message).map(Some),
                Pulled::Ended => return Ok(None),
                Pulled::Waits => {}
            }
            let cuts = self.connection.cuts();
            if self.pull.take_if(|pull| pull.is_cut(cuts)).is_some() {
                left -= 1;
            }
            if left == 0 || self.pull.as_ref().is_some_and(|pull| pull.is_late(ANSWER_TIME_MAX)) {
                return Err(self.connection.silent());
            }
        }
    }

    /// Waits for the request that is under way, or makes one. It stays while it waits.
    fn pull(&mut self, expires: Option<Duration>, wait: Duration) -> Result<Pulled, NatsError> {
        let (client, consumer) = (&self.connection.client, &self.consumer);
        let (underway, cuts) = (self.pull.take(), self.connection.cuts());
        let pulled = self.connection.runtime.block_on(async {
            let mut pull = match underway {
                Some(pull) => pull,
                None => Pull::start(client, consumer, expires, cuts).await?,
            };
            let pulled = pull.wait(&self.context, wait).await?;
            Ok((pull, pulled))
        });
        let (pull, pulled) = pulled.map_err(|error| self.refuse(&error))?;
        if matches!(pulled, Pulled::Waits) {
            self.pull = Some(pull);
        }
        Ok(pulled)
    }

    fn read(&self, message: Message) -> Result<NatsMessage, NatsError> {
        let info = message.info().map_err(|error| self.refuse(&error))?;
        let (number, deliveries) = (info.stream_sequence, info.delivered);
        let deliveries = u32::try_from(deliveries).unwrap_or(1);
        Ok(NatsMessage { message, number, deliveries })
    }

    fn refuse(&self, error: &async_nats::Error) -> NatsError {
        self.connection.answered(error.to_string())
    }

    /// Tells the server that a message is being worked on, as long as the result lives.
    pub fn hold(&self, message: &NatsMessage) -> Holding {
        // Three chances within the time after which the server gives the message out again.
        let pause = self.consumer.cached_info().config.ack_wait / 3;
        let message = message.message.clone();
        Holding(self.connection.runtime.spawn(async move {
            let mut turns = interval(pause.max(HOLD_PAUSE_MIN));
            turns.tick().await;
            loop {
                turns.tick().await;
                // A connection that is lost comes back; the next turn tells.
                let _ = message.ack_with(AckKind::Progress).await;
            }
        }))
    }

    /// Tells the server what became of a message, and waits until it knows. If that fails, the
    /// message comes again.
    pub fn settle(&self, message: &NatsMessage, settlement: Settlement) -> Result<(), NatsError> {
        let kind = match settlement {
            Settlement::Done => AckKind::Ack,
            Settlement::Again(pause) => AckKind::Nak(Some(pause)),
            Settlement::Never => AckKind::Term,
        };
        if !self.is_connected() {
            return Err(self.connection.silent());
        }
        let settling = message.message.double_ack_with(kind);
        self.connection.runtime.block_on(settling).map_err(|_| self.connection.silent())
    }
}

impl std::fmt::Debug for NatsConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NatsConsumer({})", self.connection.place)
    }
}

impl NatsMessage {
    /// Returns what is in it.
    pub fn payload(&self) -> &[u8] {
        &self.message.payload
    }

    /// Returns its number in the stream.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns how often it was given out, with this time.
    pub fn deliveries(&self) -> u32 {
        self.deliveries
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn check_names(request: &StreamRequest<'_>) -> Result<(), NatsError> {
    let wrong = |c: char| c.is_whitespace() || c.is_control();
    for (what, name) in [("stream", request.stream), ("consumer", request.consumer)] {
        if name.is_empty() || name.contains(['.', '*', '>', '/', '\\']) || name.contains(wrong) {
            return Err(NatsError::Name { what });
        }
    }
    match request.subject {
        Some(subject) if subject.split('.').any(str::is_empty) || subject.contains(wrong) => {
            Err(NatsError::Name { what: "subject" })
        }
        _ => Ok(()),
    }
}

/// Finds the consumer, or makes it.
fn bind(
    connection: &Connection,
    context: &Context,
    request: &StreamRequest<'_>,
) -> Result<PullConsumer, NatsError> {
    let filter = request.subject.unwrap_or_default();
    let config = Config {
        durable_name: Some(request.consumer.to_owned()),
        description: Some("a keep of twinkeep".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: PENDING_COUNT_MAX,
        filter_subject: filter.to_owned(),
        ..Config::default()
    };
    let finding = async {
        let stream = context
            .get_stream_no_info(request.stream)
            .await
            .map_err(|_| ConsumerError::new(ConsumerErrorKind::InvalidName))?;
        stream.get_or_create_consumer(request.consumer, config).await
    };
    let found = connection.runtime.block_on(finding);
    let consumer = found.map_err(|error| refuse_consumer(connection, request, &error))?;
    let config = &consumer.cached_info().config;
    let problem = if config.ack_policy != AckPolicy::Explicit {
        Some("it does not wait for each message to be settled")
    } else if 0 < config.max_deliver {
        Some("it gives up on a message that was given out several times")
    } else if config.filter_subject != filter {
        Some("it is for other subjects")
    } else {
        None
    };
    match problem {
        Some(problem) => Err(unfit(request, problem)),
        None => Ok(consumer),
    }
}

fn refuse_consumer(
    connection: &Connection,
    request: &StreamRequest<'_>,
    error: &ConsumerError,
) -> NatsError {
    match error.kind() {
        ConsumerErrorKind::JetStream(answer)
            if answer.error_code() == ErrorCode::STREAM_NOT_FOUND =>
        {
            NatsError::NoStream { stream: request.stream.to_owned() }
        }
        ConsumerErrorKind::JetStream(answer) => connection.answered(answer.to_string()),
        ConsumerErrorKind::InvalidConsumerType => unfit(request, "messages are pushed to it"),
        ConsumerErrorKind::InvalidName => NatsError::Name { what: "stream" },
        _ => connection.silent(),
    }
}

fn unfit(request: &StreamRequest<'_>, problem: &'static str) -> NatsError {
    NatsError::Consumer { consumer: request.consumer.to_owned(), problem }
}

/// How long a message may be silent before the server gives it out again: a receiver that died is
/// noticed soon, and one that works says so three times within it.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// Messages that may wait for an earlier one of their sender before nothing else is given out.
const PENDING_COUNT_MAX: i64 = 20_000;

/// How long the server keeps a request for a message. Short, because one that was lost with a
/// connection is only then made again.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// How long to wait before looking whether the connection was lost.
const WAIT_STEP: Duration = Duration::from_millis(200);

/// How often a connection may be lost while one message is asked for.
const CUT_COUNT_MAX: u32 = 16;

/// A consumer with a very short wait is told no more often than this.
const HOLD_PAUSE_MIN: Duration = Duration::from_millis(100);
