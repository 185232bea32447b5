//! Use case: take sealed feeds out of a stream of NATS JetStream.
//!
//! # Life of a message
//!
//! 1. The durable consumer gives it out, and again if it does not hear in time what became of it.
//! 2. Stored, with the entry in the ledger: done. Stored before, with the same bytes: done too, so
//!    that what is delivered twice is stored once.
//! 3. Early, because a feed of its sender is missing: it comes again later.
//! 4. The machine failed (a full disk, a busy keep): it comes again later.
//! 5. It can never be stored: it is [kept](crate::refused_message), recorded, and does not come
//!    again.
//!
//! # Invariants
//!
//! - The server hears "done" after the feed is durable, and "never" after the message is kept.
//! - What fails for a reason of ours is never given up.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use twinkeep_connect::NatsError;
use twinkeep_connect::nats::{NatsConsumer, NatsMessage, Settlement, StreamRequest};
use twinkeep_ledger::{Activity, Class as EventClass, Severity};

use crate::handed_feed::{Handed, address_of, hand_over};
use crate::incoming::FeedAddress;
use crate::nats_server::{NatsServer, refuse_nats};
use crate::refused_message::RefusedMessages;
use crate::{App, AppError, Caller, Class};

/// Which stream, and how it is read.
#[derive(Clone, Copy, Debug)]
pub struct NatsFeedsRequest<'a> {
    /// The server.
    pub server: NatsServer<'a>,
    /// The stream.
    pub stream: &'a str,
    /// The durable consumer; it is made if it is missing.
    pub consumer: &'a str,
    /// Only messages of these subjects.
    pub subject: Option<&'a str>,
    /// Take what is there now and return; otherwise, until told to stop.
    pub once: bool,
    /// With `once`: take feeds that are early when nothing else is left.
    pub allow_gap: bool,
}

/// What became of one message.
#[derive(Debug, Serialize)]
pub struct MessageLine {
    /// Its number in the stream.
    pub message: u64,
    /// `stored`, `known` (stored before), `early` (comes again), or `refused`.
    pub outcome: &'static str,
    /// The sender's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The feed's number among the sender's feeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The feed that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// Why it was refused, or is early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Where a refused one is kept: a file in `incoming/refused`, or a feed in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// What happens while a stream is being read.
#[derive(Debug)]
pub enum NatsNews<'a> {
    /// The server of this place gives out messages: at first, and when it does again.
    Reading(&'a str),
    /// A message was dealt with.
    Settled(&'a MessageLine),
    /// Something went wrong; it is tried again.
    Failed(&'a AppError),
}

/// Takes feeds out of a stream until `stop` says so; tells what happens.
pub fn receive_nats(
    app: &App,
    caller: &Caller,
    request: NatsFeedsRequest<'_>,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&NatsNews<'_>),
) -> Result<(), AppError> {
    let NatsFeedsRequest { stream, consumer, subject, .. } = request;
    let place = StreamRequest { stream, consumer, subject };
    let Some(consumer) = open(request, place, stop, tell)? else { return Ok(()) };
    tell(&NatsNews::Reading(consumer.place()));
    let mut receiver = Receiver {
        app,
        caller,
        request,
        consumer,
        refused: RefusedMessages::default(),
        told: BTreeSet::new(),
        gaps: BTreeMap::new(),
        tell,
    };
    match request.once {
        true => receiver.take_all(stop),
        false => receiver.take_on(place, stop),
    }
}

/// Connects; waits for a server that is not there yet, unless once is enough.
fn open(
    request: NatsFeedsRequest<'_>,
    place: StreamRequest<'_>,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&NatsNews<'_>),
) -> Result<Option<NatsConsumer>, AppError> {
    let url = request.server.parse_url()?;
    let mut tries = 0;
    while !stop() {
        match NatsConsumer::open(request.server.request(&url), place) {
            Ok(consumer) => return Ok(Some(consumer)),
            Err(error @ NatsError::Unreachable { .. }) if !request.once => {
                if tries == 0 {
                    let error = refuse_nats(error).hint("it is tried again until it is there");
                    tell(&NatsNews::Failed(&error));
                }
                pause(longer(TROUBLE_PAUSE_FIRST, tries), stop);
                tries += 1;
            }
            Err(error) => return Err(refuse_nats(error)),
        }
    }
    Ok(None)
}

/// A stream that is being read.
struct Receiver<'a> {
    app: &'a App,
    caller: &'a Caller,
    request: NatsFeedsRequest<'a>,
    consumer: NatsConsumer,
    refused: RefusedMessages,
    /// Messages of which it was told that they are early.
    told: BTreeSet<u64>,
    /// For each sender, the early feed that is taken although others are missing.
    gaps: BTreeMap<String, u64>,
    tell: &'a mut dyn FnMut(&NatsNews<'_>),
}

/// What is to be done with a message.
enum Fate {
    Stored(String),
    Known,
    Early,
    Later(AppError),
    Never(AppError),
}

/// What one look at everything that is there has given.
#[derive(Default)]
struct Round {
    stored: bool,
    /// Messages that were early.
    early: BTreeSet<u64>,
    /// For each sender, the first feed that was early.
    first: BTreeMap<String, u64>,
}

impl Receiver<'_> {
    /// Takes what is there. What was early is looked at again as long as others came before it.
    fn take_all(&mut self, stop: &dyn Fn() -> bool) -> Result<(), AppError> {
        loop {
            let round = self.take_round(stop)?;
            if stop() || round.early.is_empty() {
                return Ok(());
            }
            if !round.stored {
                if !self.request.allow_gap || !self.gaps.is_empty() {
                    return Ok(());
                }
                self.gaps = round.first;
            } else {
                self.gaps.clear();
            }
            pause(EARLY_PAUSE_FIRST + Duration::from_millis(500), stop);
        }
    }

    fn take_round(&mut self, stop: &dyn Fn() -> bool) -> Result<Round, AppError> {
        let mut round = Round::default();
        while !stop() {
            let Some(message) = self.consumer.now().map_err(refuse_nats)? else { break };
            // The first one that comes a second time has seen all others go by.
            let again = round.early.contains(&message.number());
            if let Some(error) = self.take(&message, &mut round) {
                return Err(error);
            }
            if again {
                break;
            }
        }
        Ok(round)
    }

    /// Takes what comes, until told to stop.
    fn take_on(
        &mut self,
        place: StreamRequest<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), AppError> {
        let (mut tries, mut cut) = (0, false);
        while !stop() {
            match self.consumer.next(WAIT) {
                Ok(found) => {
                    let connected = self.tell_connection(&mut cut);
                    if 0 < tries && connected {
                        (self.tell)(&NatsNews::Reading(self.consumer.place()));
                    }
                    tries = 0;
                    if let Some(message) = found
                        && let Some(error) = self.take(&message, &mut Round::default())
                    {
                        (self.tell)(&NatsNews::Failed(&error));
                    }
                }
                Err(error) => {
                    // The consumer may be gone, or its server going down.
                    if tries == 0 {
                        (self.tell)(&NatsNews::Failed(&refuse_nats(error)));
                    }
                    pause(longer(TROUBLE_PAUSE_FIRST, tries), stop);
                    tries += 1;
                    // If it is not there again, the next turn says so.
                    let _ = self.consumer.reopen(place);
                }
            }
        }
        Ok(())
    }

    /// Tells when the connection is lost and when it is there again; returns whether it is there.
    fn tell_connection(&mut self, cut: &mut bool) -> bool {
        let connected = self.consumer.is_connected();
        if *cut == connected {
            *cut = !connected;
            let place = self.consumer.place();
            if connected {
                (self.tell)(&NatsNews::Reading(place));
            } else {
                let attempt = format!("`{place}` went away; it is waited for");
                let error = AppError::environment("nats-cut", attempt);
                (self.tell)(&NatsNews::Failed(&error));
            }
        }
        connected
    }

    /// Deals with a message; returns what went wrong on our side.
    fn take(&mut self, message: &NatsMessage, round: &mut Round) -> Option<AppError> {
        let holding = self.consumer.hold(message);
        let (address, fate) = self.judge(message.payload());
        let mut line = MessageLine {
            message: message.number(),
            outcome: "stored",
            sender: address.as_ref().map(|address| address.sender().to_owned()),
            sequence: address.as_ref().map(FeedAddress::sequence),
            feed: None,
            code: None,
            kept: None,
        };
        let mut wrong = None;
        let settlement = match fate {
            Fate::Stored(feed) => {
                round.stored = true;
                line.feed = Some(feed);
                Settlement::Done
            }
            Fate::Known => {
                line.outcome = "known";
                Settlement::Done
            }
            Fate::Early => {
                (line.outcome, line.code) = ("early", Some("feed-gap"));
                self.remember_early(message, address.as_ref(), round)
            }
            Fate::Later(error) => {
                wrong = Some(error);
                Settlement::Again(longer(LATER_PAUSE_FIRST, message.deliveries().saturating_sub(1)))
            }
            Fate::Never(error) => match self.give_up(message, &line, &error) {
                Ok(kept) => {
                    (line.outcome, line.code, line.kept) = ("refused", Some(error.code()), kept);
                    Settlement::Never
                }
                Err(error) => {
                    wrong = Some(error);
                    Settlement::Again(longer(
                        LATER_PAUSE_FIRST,
                        message.deliveries().saturating_sub(1),
                    ))
                }
            },
        };
        drop(holding);
        // If the server does not hear it the message comes again, and is known then.
        let heard = self.consumer.settle(message, settlement);
        let news = line.outcome != "early" || self.tell_early(message.number());
        if wrong.is_none() && news {
            (self.tell)(&NatsNews::Settled(&line));
        }
        wrong.or_else(|| heard.err().map(refuse_nats))
    }

    /// Looks what a message is, and stores it if it can be stored.
    fn judge(&self, bytes: &[u8]) -> (Option<FeedAddress>, Fate) {
        let address = match address_of(self.app, bytes) {
            Ok(address) => address,
            Err(error) => return (None, fate_of(error)),
        };
        let allow_gap = self.gaps.get(address.sender()) == Some(&address.sequence());
        let fate = match hand_over(self.app, self.caller, &address, bytes, allow_gap) {
            Ok(Handed::Stored(report)) => {
                let name = report.report.as_ref().and_then(|report| report["feed"].as_str());
                Fate::Stored(name.unwrap_or_default().to_owned())
            }
            Ok(Handed::Known) => Fate::Known,
            Err(error) => fate_of(error),
        };
        (Some(address), fate)
    }

    fn remember_early(
        &self,
        message: &NatsMessage,
        address: Option<&FeedAddress>,
        round: &mut Round,
    ) -> Settlement {
        round.early.insert(message.number());
        if let Some(address) = address {
            let first = round.first.entry(address.sender().to_owned());
            let first = first.or_insert(address.sequence());
            *first = (*first).min(address.sequence());
        }
        let tries = if self.request.once { 0 } else { message.deliveries().saturating_sub(1) };
        Settlement::Again(longer(EARLY_PAUSE_FIRST, tries))
    }

    /// Returns whether this is the first time that a message is early.
    fn tell_early(&mut self, number: u64) -> bool {
        if TOLD_COUNT_MAX <= self.told.len() {
            self.told.clear();
        }
        self.told.insert(number)
    }

    /// Keeps and records a message that can never be stored.
    fn give_up(
        &mut self,
        message: &NatsMessage,
        line: &MessageLine,
        error: &AppError,
    ) -> Result<Option<String>, AppError> {
        let bytes = message.payload();
        let kept = self.refused.keep(self.app, self.caller, bytes, error)?;
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let class = EventClass::DatastoreActivity;
        let entry = self.app.entry(self.caller, class, Activity::Create, "message.refused");
        let entry = entry
            .severity(Severity::Medium)
            .failed(error.code())
            .with("message", number(message.number()))
            .with("size", number(bytes.len() as u64))
            .with("kept", kept.as_deref().unwrap_or("no"));
        let entry = match (&line.sender, line.sequence) {
            (Some(sender), Some(sequence)) => {
                entry.with("sender", sender.as_str()).with("sequence", number(sequence))
            }
            _ => entry,
        };
        self.app.record(&entry)?;
        Ok(kept)
    }
}

/// Only what lies in the message itself is given up; what may lie in this keep comes again.
fn fate_of(error: AppError) -> Fate {
    let code = error.code();
    if code == "feed-gap" {
        return Fate::Early;
    }
    let of_the_feed = code.starts_with("feed-") && !matches!(code, "feed-busy" | "feed-missing");
    let of_its_content =
        code.starts_with("intake-") || matches!(code, "subject-too-long" | "subject-collision");
    match error.class() {
        Class::Refused | Class::Usage if of_the_feed || of_its_content => Fate::Never(error),
        _ => Fate::Later(error),
    }
}

/// Doubles with each try, up to a bound.
fn longer(first: Duration, tries: u32) -> Duration {
    first.saturating_mul(1 << tries.min(10)).min(PAUSE_MAX)
}

/// Waits, and not long after it is told to stop.
fn pause(time: Duration, stop: &dyn Fn() -> bool) {
    let mut left = time;
    while !left.is_zero() && !stop() {
        let step = left.min(WAIT);
        thread::sleep(step);
        left -= step;
    }
}

/// How long a stop may wait.
const WAIT: Duration = Duration::from_millis(500);

/// A feed that overtook the one before it is next in a moment; one whose predecessor is lost is
/// looked at every minute.
const EARLY_PAUSE_FIRST: Duration = Duration::from_secs(1);
const LATER_PAUSE_FIRST: Duration = Duration::from_secs(5);
const TROUBLE_PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Numbers of messages that are remembered, so that each is told of once.
const TOLD_COUNT_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Fate, LATER_PAUSE_FIRST, PAUSE_MAX, fate_of, longer};
    use crate::AppError;

    fn fate(error: AppError) -> &'static str {
        match fate_of(error) {
            Fate::Stored(_) | Fate::Known => "done",
            Fate::Early => "early",
            Fate::Later(_) => "later",
            Fate::Never(_) => "never",
        }
    }

    #[test]
    fn only_what_lies_in_the_message_itself_is_given_up() {
        for code in [
            "feed-not-sealed",
            "feed-unknown-sender",
            "feed-truncated",
            "feed-forked",
            "feed-replayed",
            "feed-already-ingested",
            "feed-size",
            "intake-unrecognized",
        ] {
            assert_eq!(fate(AppError::refused(code, "")), "never", "{code}");
            // The same word about a machine that failed is another thing.
            assert_eq!(fate(AppError::environment(code, "")), "later", "{code}");
        }
        for code in ["feed-busy", "feed-missing", "store-damaged", "site-missing", "scope-missing"]
        {
            assert_eq!(fate(AppError::refused(code, "")), "later", "{code}");
        }
        assert_eq!(fate(AppError::environment("disk-full", "")), "later");
        assert_eq!(fate(AppError::refused("feed-gap", "")), "early");
    }

    #[test]
    fn pauses_grow_and_end() {
        assert_eq!(longer(LATER_PAUSE_FIRST, 0), LATER_PAUSE_FIRST);
        assert_eq!(longer(Duration::from_secs(1), 3), Duration::from_secs(8));
        assert_eq!(longer(LATER_PAUSE_FIRST, u32::MAX), PAUSE_MAX);
    }
}
