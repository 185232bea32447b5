//! Writing a feed: a portion at a time into files, then one transaction that makes them count.
//!
//! # Life of a feed
//!
//! 1. [`Store::begin_feed`] takes the lock for writers and refuses a sender's feed out of turn.
//! 2. [`FeedWriter::add`] takes a portion: what is there already goes to quarantine, the rest into
//!    shards, the people into `staged`. All of it is durable and counts for nothing.
//! 3. [`FeedWriter::finish`] makes the feed exist, admitted or held, in one transaction.
//!
//! A writer that is dropped, and a process that dies, leave garbage, which is removed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use twinkeep_domain::{Event, Events, Screened, SourceSubject, Split, Subject, Timestamp};
use twinkeep_vault::digest::{Sha256, hmac_sha256};
use twinkeep_vault::{Purpose, SplitHasher};

use crate::duplicates::{Own, key_of};
use crate::error::catalog;
use crate::feeds::{FeedId, FeedState};
use crate::files::{FileNumbers, WriterLock, remove_garbage};
use crate::keyring::Ring;
use crate::layout::quarantine_file;
use crate::plan::{plan, subject_ranges};
use crate::quarantine::{ParsedFields, QuarantineWriter, RefusedRow, quarantine};
use crate::releases::Release;
use crate::rows::{FEEDS, PROFILES, QUARANTINE, RELEASES, SENDERS, SETTINGS, SHARDS};
use crate::senders::find_sender;
use crate::shard::{shards, write_shard};
use crate::staged::People;
use crate::table::Written;
use crate::{Store, StoreError};

/// How a feed begins.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// Whose record numbers it speaks in.
    pub site: &'a str,
    /// Whose turn it is, if it is a sealed feed.
    pub turn: Option<Turn<'a>>,
    /// Chooses the split of a subject.
    pub splits: &'a SplitHasher,
}

/// A feed of a sender, by its place in the sender's order.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    /// The name of the sender's key.
    pub sender: &'a str,
    /// Its number among the sender's feeds.
    pub sequence: u64,
}

/// Events that were screened, and whom they are about. Refused rows come beside it.
pub struct NewPortion<'a> {
    /// The events, sorted by subject, time, and code.
    pub screened: Screened,
    /// Where each of them was: name of the file within the source, and row.
    pub origin: &'a dyn Fn(usize) -> (&'a str, u64),
    /// Who is behind each pseudonym, as the source calls them.
    pub mapping: &'a [(Subject, SourceSubject)],
}

/// A feed that has come to its end.
#[derive(Clone, Copy)]
pub struct NewFeed<'a> {
    /// What the person called it; kept sealed.
    pub source: &'a str,
    /// SHA-256 of its content: the same content is refused the second time.
    pub digest: [u8; 32],
    /// When.
    pub ingested_at: Timestamp,
    /// What screening made of its rows. The writer counts duplicates itself.
    pub counts: FeedCounts,
    /// Who sent it, if it was a sealed feed.
    pub delivery: Option<Delivery<'a>>,
    /// What is known of its distribution; kept sealed, and given back as it is.
    pub profile: Option<&'a [u8]>,
    /// Whose refused rows these are, if they were screened again.
    pub replayed: Option<Replayed<'a>>,
}

/// Refused rows of a feed that were screened again and passed.
#[derive(Clone, Copy)]
pub struct Replayed<'a> {
    /// Of which feed.
    pub feed: FeedId,
    /// Which ones, by their positions; in order, and none twice.
    pub rows: &'a [Range<u64>],
    /// Why somebody accepted them although they were refused; empty if the pack did. Kept sealed.
    pub because: &'a str,
}

/// Whether a feed counts at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition<'a> {
    /// Its events are read from now on.
    Admit,
    /// Its events are not read until somebody has looked at the reasons.
    Hold {
        /// Why; kept sealed, and given back as it is.
        reasons: &'a str,
    },
}

/// What became of the rows of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounts {
    /// Rows that were read.
    pub read: u64,
    /// Rows that passed.
    pub accepted: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that were refused.
    pub quarantined: u64,
}

impl FeedCounts {
    /// Moves what the store refused from the accepted to the refused rows.
    #[must_use]
    pub fn after(self, outcome: PortionOutcome) -> Self {
        let refused = outcome.refused();
        Self {
            accepted: self.accepted.saturating_sub(refused),
            quarantined: self.quarantined + refused,
            ..self
        }
    }
}

/// Who sent a sealed feed, and where it is in the sender's order.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The name of the sender's key.
    pub sender: &'a str,
    /// Its number among the sender's feeds.
    pub sequence: u64,
    /// The digest of its manifest, which the sender's next feed names.
    pub manifest_digest: [u8; 32],
}

/// What became of the events of a portion, or of all portions so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortionOutcome {
    /// Events that were stored.
    pub stored: u64,
    /// Events that were there already, and went to quarantine.
    pub duplicates: u64,
    /// Events of subjects who were erased: counted in quarantine, and not kept.
    pub erased: u64,
}

impl PortionOutcome {
    /// Returns how many events were refused.
    pub fn refused(&self) -> u64 {
        self.duplicates + self.erased
    }
}

/// Points between which a crash is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Locked,
    Planned,
    ShardWritten,
    Staged,
    QuarantineWritten,
    RowsInserted,
    Committed,
}

/// A feed that is being written. Dropped before it is finished, it was never there.
pub struct FeedWriter<'a> {
    store: &'a Store,
    opening: Opening<'a>,
    id: i64,
    numbers: FileNumbers,
    refused: Option<QuarantineWriter>,
    files: BTreeMap<String, Written>,
    splits: BTreeMap<String, Split>,
    staged: Sha256,
    totals: PortionOutcome,
    after: &'a (dyn Fn(Step) + Sync),
    /// Whether what was written may be removed as garbage when this is dropped.
    discards: bool,
    lock: WriterLock,
}

/// Who was erased: nothing about them is kept.
pub struct Erased(Arc<Ring>);

impl Erased {
    /// Returns whether one of these people was. People cost nothing while nobody was.
    pub fn any(&self, mut people: &mut dyn Iterator<Item = Subject>) -> bool {
        self.0.any_erased() && Iterator::any(&mut people, |subject| self.0.is_erased(subject))
    }
}

impl Store {
    /// Begins a feed. Takes one caller at a time across all processes; a second one waits a little,
    /// and is told [`StoreError::Busy`].
    pub fn begin_feed<'a>(&'a self, opening: Opening<'a>) -> Result<FeedWriter<'a>, StoreError> {
        self.begin_feed_stepwise(opening, &|_| ())
    }

    pub(crate) fn begin_feed_stepwise<'a>(
        &'a self,
        opening: Opening<'a>,
        after: &'a (dyn Fn(Step) + Sync),
    ) -> Result<FeedWriter<'a>, StoreError> {
        let lock = WriterLock::soon(&self.dir)?;
        after(Step::Locked);
        let ring = self.keyring.now()?;
        let (id, numbers) = self.read(|connection| {
            self.check_turn(connection, opening.turn)?;
            let numbers = FileNumbers::after(connection, &ring, &lock)?;
            Ok((self.check_content(connection, None)?, numbers))
        })?;
        Ok(FeedWriter {
            store: self,
            opening,
            id,
            numbers,
            refused: None,
            files: BTreeMap::new(),
            splits: BTreeMap::new(),
            staged: Sha256::default(),
            totals: PortionOutcome::default(),
            after,
            discards: true,
            lock,
        })
    }

    /// Returns the feed that has this content, if it is there.
    pub fn feed_with_content(&self, digest: &[u8; 32]) -> Result<Option<FeedId>, StoreError> {
        let content = self.content_name(digest);
        match self.read(|connection| self.check_content(connection, Some(&content))) {
            Ok(_) => Ok(None),
            Err(StoreError::FeedAlreadyIngested { feed }) => Ok(Some(FeedId(feed))),
            Err(error) => Err(error),
        }
    }

    /// The keep's own name for a content: who has the disk cannot test a guess.
    pub(crate) fn content_name(&self, digest: &[u8; 32]) -> [u8; 32] {
        hmac_sha256(&self.root.derive(Purpose::CatalogColumn, b"feeds/content"), digest)
    }

    /// Refuses a content that is there already; returns the number of the next feed.
    pub(crate) fn check_content(
        &self,
        connection: &Connection,
        content: Option<&[u8; 32]>,
    ) -> Result<i64, StoreError> {
        let mut known = None;
        let mut last = 0;
        self.rows.scan(connection, &FEEDS, &mut |row| {
            last = row.get(1)?;
            if content.is_some_and(|content| {
                row.get_ref(2).is_ok_and(|found| found.as_blob() == Ok(content))
            }) {
                known = Some(last);
            }
            Ok(())
        })?;
        match known {
            Some(feed) => Err(StoreError::FeedAlreadyIngested { feed }),
            None => Ok(last + 1),
        }
    }

    /// Refuses a sender that is not trusted, and a feed out of its order; returns the sender's row.
    fn check_turn(
        &self,
        connection: &Connection,
        turn: Option<Turn<'_>>,
    ) -> Result<Option<i64>, StoreError> {
        let Some(turn) = turn else { return Ok(None) };
        let refused = |state| Err(StoreError::Refused { what: "sender", state });
        let found = find_sender(&self.rows, connection, turn.sender)?;
        let Some((row, sender)) = found else { return refused("not known") };
        if sender.revoked_at.is_some() {
            return refused("revoked");
        }
        match sender.last_sequence {
            Some(last) if turn.sequence <= last => {
                Err(StoreError::FeedReplayed { sequence: turn.sequence, last })
            }
            _ => Ok(Some(row)),
        }
    }
}

impl FeedWriter<'_> {
    /// Returns the number that the feed will have.
    pub fn id(&self) -> FeedId {
        FeedId(self.id)
    }

    /// Returns who was erased; nobody is while this writer lives.
    pub fn erased(&self) -> Result<Erased, StoreError> {
        Ok(Erased(self.store.keyring.now()?))
    }

    /// Returns what became of the events so far.
    pub fn totals(&self) -> PortionOutcome {
        self.totals
    }

    /// Returns how many subjects the feed names so far.
    pub fn subject_count(&self) -> Result<u64, StoreError> {
        let select = "SELECT count(DISTINCT subject) FROM staged WHERE feed = ?1";
        let connection = self.store.connection();
        let count = connection.query_row(select, [self.id], |row| row.get::<_, i64>(0));
        count.map(|count| count as u64).map_err(catalog("count the subjects"))
    }

    /// Writes a portion, and the rows that were refused in it. It counts for nothing until the
    /// feed is finished.
    ///
    /// Events that are in an admitted feed or in an earlier portion (same subject, time, code,
    /// value, and text) are not stored again but go to quarantine as `duplicate`.
    pub fn add(
        &mut self,
        portion: NewPortion<'_>,
        refused: &mut dyn Iterator<Item = RefusedRow<'_>>,
    ) -> Result<PortionOutcome, StoreError> {
        let added = self.add_portion(portion, refused);
        self.trust(added)
    }

    /// Adds a refused row without a portion, such as a part of a file that was not read at all.
    pub fn add_refused(&mut self, row: &RefusedRow<'_>) -> Result<(), StoreError> {
        let refused = self.refuse(row);
        self.trust(refused)
    }

    /// Makes the feed exist, in one transaction: admitted, or held.
    pub fn finish(
        mut self,
        feed: &NewFeed<'_>,
        disposition: Disposition<'_>,
    ) -> Result<FeedId, StoreError> {
        let finished = self.commit(feed, disposition);
        let id = self.trust(finished)?;
        self.discards = false;
        (self.after)(Step::Committed);
        Ok(id)
    }

    /// Nothing is removed on the word of a catalog that does not hold.
    fn trust<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.discards &= !matches!(result, Err(StoreError::RowChanged { .. }));
        result
    }

    fn add_portion(
        &mut self,
        portion: NewPortion<'_>,
        refused: &mut dyn Iterator<Item = RefusedRow<'_>>,
    ) -> Result<PortionOutcome, StoreError> {
        let NewPortion { screened, origin, mapping } = portion;
        let mut events = screened.into_events();
        if !events.rows.is_sorted_by_key(key_of) {
            return Err(StoreError::Refused { what: "portion", state: "not sorted" });
        }
        for row in refused {
            self.refuse(&row)?;
        }
        let ring = self.store.keyring.now()?;
        let outcome = self.leave_out(&mut events, origin, mapping, &ring)?;
        let splits = self.opening.splits;
        let plans = plan(&mut self.numbers, &events.rows, &|subject| splits.split(subject));
        (self.after)(Step::Planned);
        let sealed = shards(&self.store.dir, Arc::clone(&ring));
        for plan in &plans {
            let ranges: Vec<_> = plan.placed.iter().map(|placed| placed.range.clone()).collect();
            let written = write_shard(&sealed, &plan.file, &events, &ranges)?;
            self.files.insert(plan.file.clone(), written);
            self.splits.insert(plan.file.clone(), plan.split);
            (self.after)(Step::ShardWritten);
        }
        let names = name_sources(self.opening.site, mapping, &ring)?;
        let people =
            People { feed: self.id, names: &names, splits: self.opening.splits, ring: &ring };
        self.store.stage(&people, &plans, &events.rows, &mut self.staged)?;
        (self.after)(Step::Staged);
        self.totals.stored += outcome.stored;
        self.totals.duplicates += outcome.duplicates;
        self.totals.erased += outcome.erased;
        Ok(outcome)
    }

    /// Sends to quarantine what is there already and what is about erased subjects.
    fn leave_out<'o>(
        &mut self,
        events: &mut Events,
        origin: &dyn Fn(usize) -> (&'o str, u64),
        mapping: &[(Subject, SourceSubject)],
        ring: &Ring,
    ) -> Result<PortionOutcome, StoreError> {
        let mut outcome = PortionOutcome::default();
        let own = Own { feed: self.id, files: &self.files };
        let found = self.store.find_duplicates(events, &own)?;
        let mut out = found.unwrap_or_else(|| vec![false; events.rows.len()]);
        let people: BTreeMap<Subject, &SourceSubject> =
            mapping.iter().map(|(subject, source)| (*subject, source)).collect();
        for range in subject_ranges(&events.rows) {
            let subject = events.rows[range.start].subject;
            let erased = ring.is_erased(subject);
            for index in range {
                if erased {
                    out[index] = true;
                    outcome.erased += 1;
                    self.refuse_erased(origin(index).1)?;
                } else if out[index] {
                    outcome.duplicates += 1;
                    let event = &events.rows[index];
                    let source = people.get(&subject).map_or("", |source| source.reveal());
                    let code = events.codes().get(event.code as usize);
                    let code = code.map_or("", |code| code.as_str());
                    self.refuse_duplicate(event, code, source, origin(index))?;
                }
            }
        }
        if 0 < outcome.refused() {
            let mut out = out.iter();
            events.rows.retain(|_| !out.next().copied().unwrap_or_default());
        }
        outcome.stored = events.rows.len() as u64;
        Ok(outcome)
    }

    /// Nothing is kept of who was erased, not even the name of a file.
    fn refuse_erased(&mut self, row: u64) -> Result<(), StoreError> {
        self.refuse(&RefusedRow { row, ..RefusedRow::ERASED })
    }

    fn refuse_duplicate(
        &mut self,
        event: &Event,
        code: &str,
        source: &str,
        (file, row): (&str, u64),
    ) -> Result<(), StoreError> {
        let value = event.value.map(|value| value.to_string());
        let parsed = ParsedFields {
            source,
            time: event.time,
            name: code,
            value: value.as_deref(),
            unit: None,
            text: event.text.as_deref(),
        };
        let field = None;
        self.refuse(&RefusedRow {
            file,
            row,
            field,
            reason: DUPLICATE,
            raw: b"",
            parsed: Some(parsed),
        })
    }

    fn refuse(&mut self, row: &RefusedRow<'_>) -> Result<(), StoreError> {
        let refused = match &mut self.refused {
            Some(refused) => refused,
            none => {
                let sealed = quarantine(&self.store.dir, self.store.keyring.now()?);
                let name = quarantine_file(self.numbers.next());
                none.insert(QuarantineWriter::begin(&sealed, &name)?)
            }
        };
        refused.add(row)
    }

    fn commit(
        &mut self,
        feed: &NewFeed<'_>,
        disposition: Disposition<'_>,
    ) -> Result<FeedId, StoreError> {
        let quarantined = self.refused.take().map(QuarantineWriter::finish).transpose()?;
        (self.after)(Step::QuarantineWritten);
        let store = self.store;
        let content = store.content_name(&feed.digest);
        let staged = std::mem::take(&mut self.staged).finish();
        let tables = [&FEEDS, &SENDERS, &SHARDS, &QUARANTINE, &RELEASES, &SETTINGS];
        store.change(&tables, |transaction| {
            let turn = feed.delivery.map(|it| Turn { sender: it.sender, sequence: it.sequence });
            let sender = store.check_turn(transaction, turn)?;
            if store.check_content(transaction, Some(&content))? != self.id {
                return Err(StoreError::Busy);
            }
            self.insert_feed(transaction, feed, disposition, &content, &staged)?;
            if let (Some(sender), Some(delivery)) = (sender, feed.delivery) {
                store.advance_sender(transaction, sender, &delivery)?;
            }
            if let Some(replayed) = feed.replayed {
                store.insert_releases(transaction, self.id, replayed)?;
            }
            let shards = self.insert_shards(transaction)?;
            if let Some(written) = &quarantined {
                store.insert_quarantine(transaction, self.id, written)?;
            }
            if disposition == Disposition::Admit {
                // Before the row of `store` is changed, which this reads.
                store.note_admitted(transaction, self.id)?;
                store.admit(transaction, self.id, &staged, &shards)?;
            }
            (self.after)(Step::RowsInserted);
            Ok(FeedId(self.id))
        })
    }

    fn insert_feed(
        &self,
        transaction: &Transaction<'_>,
        feed: &NewFeed<'_>,
        disposition: Disposition<'_>,
        content: &[u8; 32],
        staged: &[u8; 32],
    ) -> Result<(), StoreError> {
        let (store, id) = (self.store, self.id);
        let seal = |column, text: &str| store.columns.seal("feeds", column, id, text.as_bytes());
        let (state, reasons) = match disposition {
            Disposition::Admit => (FeedState::Admitted, ""),
            Disposition::Hold { reasons } => (FeedState::Held, reasons),
        };
        let FeedCounts { read, accepted, missing, quarantined } = feed.counts.after(self.totals);
        let [read, accepted, missing, quarantined] =
            [read, accepted, missing, quarantined].map(|count| count as i64);
        let sender = match feed.delivery {
            Some(delivery) => find_sender(&store.rows, transaction, delivery.sender)?,
            None => None,
        };
        store.rows.insert(
            transaction,
            &FEEDS,
            &[
                &id,
                content,
                &seal("source", feed.source),
                &self.opening.site,
                &feed.ingested_at.micros(),
                &sender.map(|(row, _)| row),
                &feed.delivery.map(|delivery| delivery.sequence as i64),
                &read,
                &accepted,
                &missing,
                &quarantined,
                &feed.replayed.map(|replayed| replayed.feed.0),
                &state.name(),
                &seal("reasons", reasons),
                &seal("decision", feed.replayed.map_or("", |replayed| replayed.because)),
                &None::<i64>,
                &i64::from(feed.profile.is_some()),
                staged,
            ],
        )?;
        if let Some(profile) = feed.profile {
            let sealed = store.columns.seal("profiles", "profile", id, profile);
            store.rows.insert(transaction, &PROFILES, &[&id, &sealed])?;
        }
        Ok(())
    }

    /// Inserts the shards of the feed; returns their rows, by file.
    fn insert_shards(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<BTreeMap<String, i64>, StoreError> {
        let mut ids = BTreeMap::new();
        for (file, written) in &self.files {
            let split = self.splits.get(file).map_or("", |split| split.name());
            ids.insert(
                file.clone(),
                self.store.insert_shard(transaction, self.id, split, written)?,
            );
        }
        Ok(ids)
    }
}

impl Store {
    /// Inserts a shard of a feed; returns its row.
    pub(crate) fn insert_shard(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
        split: &str,
        written: &Written,
    ) -> Result<i64, StoreError> {
        let Written { file, row_count, sha256 } = written;
        let select = "SELECT coalesce(max(id), 0) + 1 FROM shards";
        let id: i64 = transaction
            .query_row(select, [], |row| row.get(0))
            .map_err(catalog("add the shards"))?;
        self.rows.insert(transaction, &SHARDS, &[&id, &feed, &split, file, row_count, sha256])?;
        Ok(id)
    }

    /// Inserts a file of refused rows of a feed.
    pub(crate) fn insert_quarantine(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
        written: &Written,
    ) -> Result<(), StoreError> {
        let Written { file, row_count, sha256 } = written;
        let select = "SELECT coalesce(max(id), 0) + 1 FROM quarantine";
        let id: i64 = transaction
            .query_row(select, [], |row| row.get(0))
            .map_err(catalog("add the quarantine"))?;
        let values: [&dyn rusqlite::ToSql; 5] = [&id, &feed, file, row_count, sha256];
        self.rows.insert(transaction, &QUARANTINE, &values).map(drop)
    }

    /// Marks refused rows as released. A row is released once.
    fn insert_releases(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
        replayed: Replayed<'_>,
    ) -> Result<(), StoreError> {
        let known = self.releases(transaction)?;
        let mut ids = known.iter().map(|release| release.id).max().unwrap_or(0) + 1..;
        for rows in replayed.rows {
            let again = |known: &Release| known.feed == replayed.feed && known.meets(rows);
            if known.iter().any(again) {
                return Err(StoreError::Refused { what: "row", state: "already released" });
            }
            let (first, count) = (rows.start as i64, (rows.end - rows.start) as i64);
            let id = ids.next().unwrap_or(i64::MAX);
            let values: [&dyn rusqlite::ToSql; 5] = [&id, &replayed.feed.0, &first, &count, &feed];
            self.rows.insert(transaction, &RELEASES, &values)?;
        }
        Ok(())
    }

    fn advance_sender(
        &self,
        transaction: &Transaction<'_>,
        sender: i64,
        delivery: &Delivery<'_>,
    ) -> Result<(), StoreError> {
        transaction
            .execute(
                "UPDATE senders SET last_sequence = ?2, last_manifest = ?3 WHERE id = ?1",
                (sender, delivery.sequence as i64, delivery.manifest_digest),
            )
            .map_err(catalog("add the feed"))?;
        self.rows.seal(transaction, &SENDERS, &sender)
    }
}

impl Drop for FeedWriter<'_> {
    fn drop(&mut self) {
        if self.discards {
            self.refused = None;
            // Should this fail, the next opening removes it.
            let _ = remove_garbage(&self.store.dir, &self.store.connection(), &self.lock);
        }
    }
}

/// Puts the site before each identifier: record 1 of two sites is two people. Erased subjects are
/// left out.
fn name_sources(
    site: &str,
    mapping: &[(Subject, SourceSubject)],
    ring: &Ring,
) -> Result<BTreeMap<Subject, SourceSubject>, StoreError> {
    let name = |(subject, source): &(Subject, SourceSubject)| {
        let named = SourceSubject::new(&format!("{site}/{}", source.reveal()));
        Ok((*subject, named.ok_or(StoreError::SubjectTooLong)?))
    };
    mapping.iter().filter(|(subject, _)| !ring.is_erased(*subject)).map(name).collect()
}

/// The permanent names of the reasons; intake has the first too.
pub(crate) const ERASED: &str = "erased-subject";
pub(crate) const DUPLICATE: &str = "duplicate";
