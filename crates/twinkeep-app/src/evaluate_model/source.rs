//! Reads the people of a source to measure a model on them. Nothing of it is stored.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use twinkeep_domain::{Code, Cohort, Event, Events, Subject, Timeline};
use twinkeep_intake::{
    Dates, IntakeError, Judgement, Mapping, Portion, ReadOptions, Source, Summary, read,
};
use twinkeep_vault::Pseudonymizer;
use twinkeep_vault::sealed_feed::{Expectation, FeedReader};

use super::People;
use crate::config::Deidentify;
use crate::ingest_feed::{is_sealed, refuse_intake};
use crate::open_feed::{open_file, refuse_feed};
use crate::sites::{LOCAL_SITE, check_site};
use crate::{App, AppError, Progress};

/// A source, and how it is read: as for an ingest.
#[derive(Clone, Copy, Debug)]
pub struct EvaluateSource<'a> {
    /// A sealed feed, or a plain file or folder.
    pub path: &'a Path,
    /// Whose record numbers a plain source speaks in; by default, `local`.
    pub site: Option<&'a str>,
    /// Whether its dates are real.
    pub dates: Dates,
    /// What the columns of tables mean; by default, the shipped mapping that fits.
    pub mapping: Option<&'a Mapping>,
    /// The rule by which it is de-identified.
    pub deidentify: Option<Deidentify>,
}

/// What became of the rows of a source: `accepted + missing + quarantined = read`.
#[derive(Debug, Serialize)]
pub struct ScreenedSource {
    /// Rows that were read.
    pub read: u64,
    /// Rows that became an event, or that named the subject.
    pub accepted: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that were refused, and not measured.
    pub quarantined: u64,
    /// Why rows were refused, and how many for each reason.
    pub reasons: BTreeMap<&'static str, u64>,
}

/// Reads the people of a source but for those whom the model `learned` from.
pub(super) fn read_people(
    app: &App,
    from: EvaluateSource<'_>,
    learned: &dyn Fn(Subject) -> Result<bool, AppError>,
    progress: &mut dyn FnMut(Progress),
) -> Result<People, AppError> {
    let sealed = !from.path.is_dir() && is_sealed(from.path)?;
    let mut gathered = Gathered::default();
    let summary = if sealed {
        read_sealed(app, from, &mut gathered, progress)?
    } else {
        let site = from.site.unwrap_or(LOCAL_SITE);
        check_site(site)?;
        let pseudonyms = app.site_pseudonyms(site);
        gathered
            .read(app, from, Source::Path(from.path), &pseudonyms, progress)
            .map_err(|error| refuse_intake(from.path, error))?
    };
    gathered.people(app, summary, learned)
}

/// Reads a sealed feed: its sender must be accepted, but it may be any feed of that sender's.
fn read_sealed(
    app: &App,
    from: EvaluateSource<'_>,
    gathered: &mut Gathered,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, AppError> {
    if from.site.is_some() {
        let attempt = "a sealed feed belongs to the site of its sender";
        return Err(AppError::usage("site-sealed", attempt)
            .hint("leave `--site` out; `twinkeep sender list` shows the site"));
    }
    let senders = app.accepted_senders()?;
    let expectation = Expectation::first().with_gaps_allowed();
    let refuse = |error| refuse_feed(from.path, error);
    let input = Box::new(open_file(from.path)?);
    let mut reader =
        FeedReader::open(input, &app.identity, &senders, &expectation).map_err(refuse)?;
    let media_type = reader.header().media_type().to_owned();
    let missing = || AppError::refused("site-missing", "the sender has no site");
    let site = app.sender_site(reader.header().sender())?.ok_or_else(missing)?;
    let pseudonyms = app.site_pseudonyms(&site);
    let name = from.path.display().to_string();
    let source = Source::Stream { name: &name, media_type: &media_type, reader: &mut reader };
    let read = gathered.read(app, from, source, &pseudonyms, progress);
    // If the feed itself was refused, that is the reason, whatever the reader of rows made of it.
    reader.finish().map_err(refuse)?;
    read.map_err(|error| refuse_intake(from.path, error))
}

/// What was read so far. Memory grows with the source, as it does when a model is trained.
#[derive(Default)]
struct Gathered {
    codes: Events,
    events: BTreeMap<Subject, Vec<Event>>,
    names: BTreeMap<Subject, String>,
    reasons: BTreeMap<&'static str, u64>,
}

impl Gathered {
    fn read(
        &mut self,
        app: &App,
        from: EvaluateSource<'_>,
        source: Source<'_>,
        pseudonyms: &Pseudonymizer,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Summary, IntakeError> {
        let options = ReadOptions {
            pack: &app.pack,
            pseudonyms,
            now: app.now(),
            spool: app.layout.root(),
            mapping: from.mapping,
            dates: from.dates,
            judgement: Judgement::ByThePack,
            deidentify: app.date_shift_by(from.deidentify),
            // Nothing is learned from these rows. To leave out what looks unlike the keep's own
            // data would flatter the model.
            panel: None,
        };
        let mut step = |step: twinkeep_intake::Progress| {
            progress(Progress { done: step.bytes_read, total: step.bytes_total.unwrap_or(0) });
        };
        read(source, &options, &mut step, &mut |portion| {
            self.add(portion);
            Ok(())
        })
    }

    fn add(&mut self, portion: Portion) {
        for row in &portion.quarantined {
            *self.reasons.entry(row.reason.code()).or_insert(0) += 1;
        }
        for (subject, source) in &portion.mapping {
            self.names.entry(*subject).or_insert_with(|| source.reveal().to_owned());
        }
        let events = portion.screened.into_events();
        let codes: Vec<u32> = events.codes().iter().map(|code| self.codes.intern(code)).collect();
        for event in events.rows {
            let code = codes.get(event.code as usize).copied().unwrap_or(u32::MAX);
            let own = self.events.entry(event.subject).or_default();
            own.push(Event { code, text: None, ..event });
        }
    }

    fn people(
        self,
        app: &App,
        summary: Summary,
        learned: &dyn Fn(Subject) -> Result<bool, AppError>,
    ) -> Result<People, AppError> {
        let codes: Vec<Code> = self.codes.codes().to_vec();
        let (mut timelines, mut left_out) = (Vec::new(), 0);
        for (subject, mut events) in self.events {
            if app.store.is_erased(subject)? || learned(subject)? {
                left_out += 1;
                continue;
            }
            // The same row in two portions is one event, as it is in the store.
            events.sort_by_key(key);
            events.dedup_by_key(|event| key(event));
            timelines.extend(Timeline::new(subject, events));
        }
        Ok(People {
            cohort: Cohort { codes, timelines },
            names: self.names,
            source: Some(ScreenedSource {
                read: summary.counts.read,
                accepted: summary.counts.accepted,
                missing: summary.counts.missing,
                quarantined: summary.counts.quarantined,
                reasons: self.reasons,
            }),
            left_out: Some(left_out),
        })
    }
}

fn key(event: &Event) -> (Option<twinkeep_domain::Timestamp>, u32, Option<u32>) {
    (event.time, event.code, event.value.map(f32::to_bits))
}
