//! Use cases: record that somebody gave or withdrew consent, or that another basis holds; refuse
//! what is asked about whoever withdrew.
//!
//! Decisions are data: one for a person, found without looking at others. They are in the catalog,
//! sealed, and in memory as of the version that the catalog names, so that a withdrawal holds from
//! the next request on, in every process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use twinkeep_domain::Subject;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_store::ConsentRecord;

use crate::time_text::rfc3339;
use crate::{App, AppError, Caller};

/// On what the law lets somebody be asked about: Articles 6 and 9 of the GDPR, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegalBasis {
    /// They said yes.
    Consent,
    /// A contract with them.
    Contract,
    /// The law demands it.
    LegalObligation,
    /// Their life, or another's.
    VitalInterests,
    /// A task in the public interest.
    PublicInterest,
    /// Interests that outweigh theirs.
    LegitimateInterests,
    /// Their care, by who is bound to secrecy.
    Care,
    /// Research, with safeguards.
    Research,
}

impl LegalBasis {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Consent,
        Self::Contract,
        Self::LegalObligation,
        Self::VitalInterests,
        Self::PublicInterest,
        Self::LegitimateInterests,
        Self::Care,
        Self::Research,
    ];

    /// Returns the name on the command line and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Contract => "contract",
            Self::LegalObligation => "legal-obligation",
            Self::VitalInterests => "vital-interests",
            Self::PublicInterest => "public-interest",
            Self::LegitimateInterests => "legitimate-interests",
            Self::Care => "care",
            Self::Research => "research",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.name() == name)
    }
}

/// What is decided about somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentDecision {
    /// They may be asked about, on this basis.
    Give(LegalBasis),
    /// Nobody may ask about them.
    Withdraw,
}

/// How it stands with somebody.
#[derive(Debug, Serialize)]
pub struct ConsentReport {
    /// About whom.
    pub subject: String,
    /// `given`, `withdrawn`, or `none`: nothing was recorded.
    pub state: &'static str,
    /// On what basis, if it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<&'static str>,
    /// Since when (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Whether they may be asked about now.
    pub may_be_asked: bool,
}

/// What people decided, in memory.
#[derive(Default)]
pub(crate) struct Consents {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    version: Option<Vec<u8>>,
    decided: BTreeMap<Subject, Stand>,
}

#[derive(Clone)]
struct Stand {
    decision: ConsentDecision,
    since: String,
}

/// Records a decision about somebody; it holds from the next request on.
pub fn record_consent(
    app: &App,
    caller: &Caller,
    subject: &str,
    decision: ConsentDecision,
) -> Result<ConsentReport, AppError> {
    let class = EventClass::EntityManagement;
    let (word, basis) = match decision {
        ConsentDecision::Give(basis) => ("consent.given", Some(basis.name())),
        ConsentDecision::Withdraw => ("consent.withdrawn", None),
    };
    let entry = app.entry(caller, class, Activity::Update, word).severity(Severity::Low);
    let entry = basis.map_or(entry.clone(), |basis| entry.with("basis", basis));
    // Whoever is not here yet may withdraw as well: it holds when they come.
    let found = app.find_subject(subject);
    let entry = match &found {
        Ok(subject) => entry.about(&app.reference(*subject)),
        Err(_) => entry,
    };
    let result = found.and_then(|subject| {
        if app.store.is_erased(subject)? {
            let attempt = "the subject was erased: nothing is kept that could be asked about";
            return Err(AppError::refused("subject-erased", attempt));
        }
        let decision = format!("{} {}", basis.unwrap_or(WITHDRAWN), rfc3339(app.now()));
        app.store.set_consent(&ConsentRecord { subject, decision })?;
        report(app, subject)
    });
    app.conclude(entry, result)
}

/// Returns how it stands with somebody.
pub fn show_consent(app: &App, caller: &Caller, subject: &str) -> Result<ConsentReport, AppError> {
    let class = EventClass::DatastoreActivity;
    let entry = app.entry(caller, class, Activity::Read, "consent.read");
    let found = app.find_subject(subject);
    let entry = match &found {
        Ok(subject) => entry.about(&app.reference(*subject)),
        Err(_) => entry,
    };
    app.conclude(entry, found.and_then(|subject| report(app, subject)))
}

fn report(app: &App, subject: Subject) -> Result<ConsentReport, AppError> {
    let stand = app.consent_of(subject)?;
    let (state, basis) = match &stand {
        None => ("none", None),
        Some(Stand { decision: ConsentDecision::Withdraw, .. }) => ("withdrawn", None),
        Some(Stand { decision: ConsentDecision::Give(basis), .. }) => ("given", Some(basis.name())),
    };
    Ok(ConsentReport {
        subject: subject.reveal_text(),
        state,
        basis,
        since: stand.map(|stand| stand.since),
        may_be_asked: app.refusal_of(subject)?.is_none(),
    })
}

impl App {
    /// Refuses to ask about somebody who withdrew consent, unless the caller may break the glass.
    pub(crate) fn require_consent(
        &self,
        caller: &Caller,
        subject: Subject,
    ) -> Result<(), AppError> {
        match self.refusal_of(subject)? {
            Some(refusal) if !self.override_consent(caller, subject)? => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Returns whether somebody may be asked about.
    pub(crate) fn may_be_asked(&self, subject: Subject) -> Result<bool, AppError> {
        Ok(self.refusal_of(subject)?.is_none())
    }

    fn refusal_of(&self, subject: Subject) -> Result<Option<AppError>, AppError> {
        Ok(match self.consent_of(subject)?.map(|stand| stand.decision) {
            Some(ConsentDecision::Give(_)) => None,
            Some(ConsentDecision::Withdraw) => Some(
                AppError::refused(
                    "consent-withdrawn",
                    "this person does not want to be asked about",
                )
                .hint("`twinkeep subject consent SUBJECT` says since when"),
            ),
            None if self.settings.consent.required => Some(
                AppError::refused(
                    "consent-missing",
                    "no basis is recorded to ask about this person",
                )
                .hint("`twinkeep subject consent SUBJECT --give --basis BASIS`"),
            ),
            None => None,
        })
    }

    fn consent_of(&self, subject: Subject) -> Result<Option<Stand>, AppError> {
        let [_, version] = self.store.rules_version()?;
        let mut known = self.consents.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.version.as_ref() != Some(&version) {
            let read = |record: ConsentRecord| {
                let stand = parse(&record.decision).ok_or_else(damaged)?;
                Ok((record.subject, stand))
            };
            known.decided =
                self.store.consents()?.into_iter().map(read).collect::<Result<_, AppError>>()?;
            known.version = Some(version);
        }
        Ok(known.decided.get(&subject).cloned())
    }
}

fn parse(text: &str) -> Option<Stand> {
    let (word, since) = text.split_once(' ')?;
    let decision = match word {
        WITHDRAWN => ConsentDecision::Withdraw,
        basis => ConsentDecision::Give(LegalBasis::parse(basis)?),
    };
    Some(Stand { decision, since: since.to_owned() })
}

/// What cannot be read lets nobody be asked about.
fn damaged() -> AppError {
    AppError::refused("consent-damaged", "the record of consents cannot be read")
}

const WITHDRAWN: &str = "withdrawn";
