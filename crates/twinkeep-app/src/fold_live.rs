//! Use case: move live events into files, when enough of them wait.
//!
//! A live event lies in the catalog, which is read whole at opening and has room for a million.
//! Moved into files, the events of a site are a feed like any other, and what was refused can be
//! looked at and screened again like the refused rows of any other.

use serde::{Deserialize, Serialize};
use twinkeep_domain::{SourceSubject, Subject};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::{Folded, ParsedRecord, QuarantinedRecord};

use crate::time_text::parse_rfc3339;
use crate::{App, AppError, Caller};

/// What was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FoldReport {
    /// Feeds that the events became, one for each site and portion.
    pub feeds: u64,
    /// Events.
    pub events: u64,
    /// Events that had been refused.
    pub refused: u64,
}

/// Moves live events into files if as many wait as the configuration says. Nothing happens, and
/// nothing is recorded, while somebody else writes to the keep.
pub fn fold_live_when_due(app: &App) -> Result<Option<FoldReport>, AppError> {
    if app.store.live_count()? < u64::from(app.settings.gate.live_event_count) {
        return Ok(None);
    }
    let class = EventClass::DatastoreActivity;
    let entry = app.entry(&Caller::system(), class, Activity::Update, "live-events.folded");
    match fold(app) {
        Err(error) if error.code() == "store-busy" => Ok(None),
        Ok(report) => {
            let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let entry = entry
                .with("events", number(report.events))
                .with("refused", number(report.refused))
                .with("feeds", number(report.feeds));
            app.conclude(entry, Ok(Some(report)))
        }
        Err(error) => app.conclude(entry, Err(error)),
    }
}

/// Moves all live events into files.
pub(crate) fn fold(app: &App) -> Result<FoldReport, AppError> {
    // Read once: a site that is new since then has no refused event among the rows to fold, or one
    // whose site is not known.
    let sites = app.sites()?;
    let origin = |subject: Option<Subject>, row: &QuarantinedRecord| match subject {
        Some(subject) => origin(app, &sites, subject, row.raw.expose()),
        None => (String::new(), None),
    };
    let Folded { feeds, events, refused } = app.store.fold_live(&app.splits, &origin, app.now())?;
    Ok(FoldReport { feeds, events, refused })
}

/// A refused event, as it was kept.
#[derive(Deserialize)]
struct Raw {
    subject: String,
    time: Option<String>,
    code: String,
    value: Option<f32>,
    unit: Option<String>,
    text: Option<String>,
}

/// Finds whose site an event came from, and its fields, so that an export and an erasure find it.
fn origin(
    app: &App,
    sites: &[String],
    subject: Subject,
    raw: &[u8],
) -> (String, Option<ParsedRecord>) {
    let Ok(raw) = serde_json::from_slice::<Raw>(raw) else { return (String::new(), None) };
    let known = app.store.source_of(subject).ok().flatten();
    let named = known.as_ref().and_then(|source| source.reveal().split_once('/'));
    let tried = || {
        let source = SourceSubject::new(&raw.subject)?;
        let is_it = |site: &&String| app.site_pseudonyms(site).pseudonym(&source) == subject;
        sites.iter().find(is_it).map(|site| (site.as_str(), raw.subject.as_str()))
    };
    let Some((site, identifier)) = named.or_else(tried) else { return (String::new(), None) };
    let parsed = ParsedRecord {
        source: identifier.to_owned(),
        time: raw.time.as_deref().and_then(parse_rfc3339),
        name: raw.code.clone(),
        value: raw.value.map(|value| value.to_string()),
        unit: raw.unit.clone(),
        text: raw.text.clone(),
    };
    (site.to_owned(), Some(parsed))
}
