//! Use case: score every sender by what its feeds add up to, and hold the feed of one whose rows
//! contradict everybody else's.
//!
//! The sums of a feed are made while it is screened, and kept sealed, a sender, beside the
//! reference that measured them. A feed that is held for its sender's sake counts for the sender
//! once somebody has released it; from then on the sender is compared with itself as well, so that
//! a hospital that is only different is not held again and again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twinkeep_intake::panel::{
    Panel, Reference, SenderFinding, SenderJudgement, SenderStats, Verdict,
};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::{FeedId, FeedState};

use crate::feeds::feed_name;
use crate::{App, AppError, Caller};

/// How one sender is, beside the others.
#[derive(Debug, Serialize)]
pub struct SenderScore {
    /// The sender's name, or the site of plain feeds.
    pub name: String,
    /// The sender's key; absent for plain feeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Feeds that count.
    pub feeds: u64,
    /// Rows that were screened.
    pub rows: u64,
    /// People, once a feed.
    pub subjects: u64,
    /// Share of the rows that is suspect.
    pub suspect_share: f64,
    /// How much worse a forecast of other people becomes by this sender's rows, as a share.
    pub influence: f64,
    /// `too-few`, `alike`, `departs`, or `contradicts`.
    pub verdict: &'static str,
    /// A feed that is held for this sender's sake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Why, the most significant first.
    pub findings: Vec<ScoreFinding>,
}

/// One thing in which a sender is not like the others.
#[derive(Debug, Serialize)]
pub struct ScoreFinding {
    /// The code of the variable; absent if it is about all rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// What was measured.
    pub measure: &'static str,
    /// The difference, in standard deviations between people; of `influence`, as a share.
    pub effect: f64,
    /// The difference, in standard errors.
    pub significance: f64,
    /// Whether feeds are held for it.
    pub contradicts: bool,
}

/// Scores every sender.
pub fn score_senders(app: &App, caller: &Caller) -> Result<Vec<SenderScore>, AppError> {
    let class = EventClass::DatastoreActivity;
    let entry = app.entry(caller, class, Activity::Read, "sender.scored");
    let result = score(app, caller);
    app.conclude(entry, result)
}

fn score(app: &App, caller: &Caller) -> Result<Vec<SenderScore>, AppError> {
    let Some(panel) = app.panel(caller)? else {
        let attempt = "the keep does not know enough people to score senders";
        return Err(AppError::refused("reference-missing", attempt)
            .hint("ingest data of at least 200 people of the `train` split first"));
    };
    let reference = panel.reference();
    let book = Book::open(app, reference)?;
    let names: BTreeMap<String, String> =
        crate::list_senders(app)?.into_iter().map(|sender| (sender.key_id, sender.name)).collect();
    let score = |(who, account): (&String, &Account)| {
        let judgement = panel.judge(&account.admitted, &book.others(who, reference));
        let name = names.get(who).map_or_else(|| site_of(who).to_owned(), Clone::clone);
        let rows = account.admitted.row_count();
        SenderScore {
            name,
            key_id: names.contains_key(who).then(|| who.clone()),
            feeds: account.feeds,
            rows,
            subjects: account.admitted.subject_count(),
            suspect_share: account.admitted.suspect_count() as f64 / rows.max(1) as f64,
            influence: judgement.influence,
            verdict: judgement.verdict.code(),
            held: account.held.as_ref().map(|(feed, _)| feed_name(FeedId(*feed))),
            findings: judgement.findings.iter().map(finding).collect(),
        }
    };
    Ok(book.accounts.iter().map(score).collect())
}

fn finding(found: &SenderFinding) -> ScoreFinding {
    let SenderFinding { variable, measure, effect, significance, contradicts } = found.clone();
    ScoreFinding { variable, measure, effect, significance, contradicts }
}

/// A feed that was screened, before it is stored.
pub(crate) struct ScoredFeed {
    who: String,
    stats: SenderStats,
    /// Why it is to be held; empty if it is not.
    pub(crate) reasons: Vec<String>,
}

impl ScoredFeed {
    /// Compares a feed with those of other senders.
    pub(crate) fn new(
        app: &App,
        panel: &Panel,
        who: String,
        stats: SenderStats,
    ) -> Result<Self, AppError> {
        let reference = panel.reference();
        let book = Book::open(app, reference)?;
        let own = book.accounts.get(&who);
        let mut whole = stats.clone();
        // A small feed says little alone.
        if whole.subject_count() < FEED_SUBJECTS_MIN
            && let Some(own) = own
        {
            whole.merge(&own.admitted);
        }
        let judgement = panel.judge(&whole, &book.others(&who, reference));
        let as_released = own.is_some_and(|own| {
            own.released && panel.judge(&whole, &own.admitted).verdict < Verdict::Contradicts
        });
        let held = judgement.verdict == Verdict::Contradicts && !as_released;
        let reasons = if held { sentences(&judgement) } else { Vec::new() };
        Ok(Self { who, stats, reasons })
    }

    /// Remembers what the feed adds up to, now that it is stored.
    pub(crate) fn remember(self, app: &App, panel: &Panel, feed: FeedId) -> Result<(), AppError> {
        // Another process may be remembering its feed right now.
        let _turn = app.screening_turn()?;
        let mut book = Book::open(app, panel.reference())?;
        let account = book.accounts.entry(self.who).or_insert_with(|| Account {
            admitted: SenderStats::new(panel.reference()),
            feeds: 0,
            held: None,
            released: false,
        });
        if self.reasons.is_empty() {
            account.admitted.merge(&self.stats);
            account.feeds += 1;
        } else {
            account.held = Some((feed.0, self.stats));
        }
        app.write_sealed(BOOK, &postcard::to_allocvec(&book).unwrap_or_default())
    }
}

/// Returns how the book calls whoever brings plain feeds of a site.
pub(crate) fn plain_sender(site: &str) -> String {
    format!("{SITE}{site}")
}

fn site_of(who: &str) -> &str {
    who.strip_prefix(SITE).unwrap_or(who)
}

fn sentences(judgement: &SenderJudgement) -> Vec<String> {
    let telling = judgement.findings.iter().filter(|finding| finding.contradicts);
    let sentence = |finding: &SenderFinding| {
        let of = finding.variable.as_deref().unwrap_or("all rows");
        let SenderFinding { measure, effect, significance, .. } = finding;
        format!(
            "sender: the {measure} of {of} is {effect:+.2} beside other senders \
             ({significance:.0} standard errors)"
        )
    };
    telling.take(REASONS_MAX).map(sentence).collect()
}

/// What the feeds of all senders add up to.
#[derive(Default, Serialize, Deserialize)]
struct Book {
    accounts: BTreeMap<String, Account>,
}

/// What the feeds of one sender add up to.
#[derive(Serialize, Deserialize)]
struct Account {
    admitted: SenderStats,
    feeds: u64,
    /// The last feed that was held for the sender's sake.
    held: Option<(i64, SenderStats)>,
    /// Whether one that was held was released.
    released: bool,
}

impl Book {
    /// Reads the book; what another reference measured is left out.
    fn open(app: &App, reference: &Reference) -> Result<Self, AppError> {
        let Some(bytes) = app.read_sealed(BOOK)? else { return Ok(Self::default()) };
        let damaged = || {
            AppError::refused("screening-read", "the book of senders is not what was written")
                .hint("delete `screening/senders` of the keep: scores begin anew")
        };
        let mut book: Self = postcard::from_bytes(bytes.expose()).map_err(|_| damaged())?;
        book.accounts.retain(|_, account| account.admitted.is_of(reference));
        if book.accounts.values().any(|account| account.held.is_some()) {
            book.settle(app)?;
        }
        Ok(book)
    }

    /// Looks what became of feeds that were held.
    fn settle(&mut self, app: &App) -> Result<(), AppError> {
        let states: BTreeMap<i64, FeedState> =
            app.store.feeds()?.into_iter().map(|feed| (feed.id.0, feed.state)).collect();
        for account in self.accounts.values_mut() {
            let Some((feed, stats)) = account.held.take() else { continue };
            match states.get(&feed) {
                Some(FeedState::Admitted) => {
                    account.admitted.merge(&stats);
                    account.feeds += 1;
                    account.released = true;
                }
                Some(FeedState::Held) => account.held = Some((feed, stats)),
                Some(FeedState::Rejected) | None => (),
            }
        }
        Ok(())
    }

    /// Adds up everybody but one; if they are too few, the people of the reference stand in.
    fn others(&self, who: &str, reference: &Reference) -> SenderStats {
        let mut all = SenderStats::new(reference);
        for (_, account) in self.accounts.iter().filter(|(other, _)| *other != who) {
            all.merge(&account.admitted);
        }
        match reference.baseline() {
            Some(baseline) if all.subject_count() < OTHERS_MIN => baseline.clone(),
            _ => all,
        }
    }
}

const BOOK: &str = "senders";

/// Tells a site from a key.
const SITE: &str = "site:";

/// Fewer people in a feed are looked at together with the sender's earlier ones.
const FEED_SUBJECTS_MIN: u64 = 100;

/// Fewer people of other senders are no measure.
const OTHERS_MIN: u64 = 200;

/// Reasons that a person reads.
const REASONS_MAX: usize = 5;
