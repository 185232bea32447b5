//! How much of an answer somebody who probes still gets: less with every alarm, for a time.
//!
//! # Life of a tier
//!
//! 1. An alarm makes a caller's answers coarser by a step: two significant digits, then only up or
//!    down, then nothing ([`Tier`]). It is in the catalog, sealed, with when it ends, and recorded.
//! 2. It holds from the next answer on in the process that saw the alarm, and within a second in all
//!    others; a successor of a key has it, too.
//! 3. It ends by itself, or an operator clears it.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Detail, Found, Query, Severity, search};
use twinkeep_vault::digest::{hmac_sha256, to_hex};
use twinkeep_vault::{Purpose, open, seal};

use crate::budget::Precision;
use crate::search_ledger::refused;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller};

/// In what form somebody gets answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// As they are.
    Full,
    /// With two significant digits.
    Coarse,
    /// Up, down, or the same; likely, possible, or unlikely.
    Labels,
    /// Not at all.
    Refused,
}

impl Tier {
    /// Returns the name on the command line and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Coarse => "coarse",
            Self::Labels => "labels",
            Self::Refused => "refused",
        }
    }

    /// Returns the next one.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Full => Self::Coarse,
            Self::Coarse => Self::Labels,
            Self::Labels | Self::Refused => Self::Refused,
        }
    }
}

/// Somebody whose answers are not as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierLine {
    /// Who: the first of a line of keys, or the subject of an issuer.
    pub caller: String,
    /// What they get.
    pub tier: Tier,
    /// How they probed the last time.
    pub probing: String,
    /// How many alarms there were since it was full.
    pub alarms: u64,
    /// Since when (RFC 3339).
    pub since: String,
    /// Until when, if nothing more happens (RFC 3339).
    pub until: String,
}

/// What is known of all tiers, in memory.
#[derive(Default)]
pub(crate) struct Tiers {
    known: Mutex<Option<BTreeMap<String, TierLine>>>,
    /// Whether coarse answers are not marked.
    pub(crate) unmarked: AtomicBool,
}

/// Lists whose answers are not as they are.
pub fn list_tiers(app: &App) -> Result<Vec<TierLine>, AppError> {
    let now = rfc3339(app.now());
    let tiers = app.read_tiers()?.into_values();
    Ok(tiers.filter(|line| now < line.until).collect())
}

/// Somebody whose answers are not as they are, and why.
#[derive(Debug, Serialize)]
pub struct TierReport {
    /// How it stands.
    #[serde(flatten)]
    pub line: TierLine,
    /// The newest alarms about them, oldest first.
    pub alarms: Vec<ProbeAlarm>,
}

/// An alarm, as the ledger has it.
#[derive(Debug, Serialize)]
pub struct ProbeAlarm {
    /// The index of the entry.
    pub entry: u64,
    /// When (RFC 3339).
    pub time: String,
    /// How they probed.
    pub probing: String,
    /// After how many questions since it began.
    pub questions: i64,
    /// With whom together, if it was seen in a group only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<String>,
    /// The digest of what was kept of the questions.
    pub evidence: String,
}

/// Shows somebody whose answers are not as they are.
pub fn show_tier(app: &App, whose: &str) -> Result<TierReport, AppError> {
    let line = list_tiers(app)?.into_iter().find(|line| line.caller == whose);
    let line = line.ok_or_else(unknown)?;
    let query = Query {
        action: Some("probing.detected".to_owned()),
        detail: Some(("caller".to_owned(), whose.to_owned())),
        ..Query::default()
    };
    let found = search(&app.ledger_view()?, None, &query, ALARMS_SHOWN).map_err(refused)?;
    let alarm = |Found { index, entry }| {
        let text = |name: &str| match entry.details.get(name) {
            Some(Detail::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let questions = match entry.details.get("questions") {
            Some(&Detail::Number(count)) => count,
            _ => 0,
        };
        ProbeAlarm {
            entry: index,
            time: rfc3339(Timestamp::from_micros(entry.time_ms.saturating_mul(1_000))),
            probing: text("probing").unwrap_or_default(),
            questions,
            together: text("together"),
            evidence: text("evidence").unwrap_or_default(),
        }
    };
    Ok(TierReport { line, alarms: found.into_iter().map(alarm).collect() })
}

fn unknown() -> AppError {
    AppError::refused("probe-unknown", "this caller gets full answers")
        .hint("`twinkeep probe list` shows who does not")
}

/// Gives somebody full answers again.
pub fn clear_tier(app: &App, caller: &Caller, whose: &str) -> Result<(), AppError> {
    let class = EventClass::EntityManagement;
    let entry = app.entry(caller, class, Activity::Delete, "probe.cleared");
    let entry = entry.severity(Severity::Medium);
    let cleared = app.clear(whose);
    // Only what is known to be a caller's name goes on record.
    let entry = match &cleared {
        Ok(line) => entry.with("caller", whose).with("tier", line.tier.name()),
        Err(_) => entry,
    };
    app.conclude(entry, cleared.map(drop))
}

impl App {
    /// Returns in what form a caller gets answers; an error if in none.
    pub(crate) fn precision_of(&self, caller: &Caller) -> Result<Precision, AppError> {
        match self.tier_of(caller)? {
            Tier::Full => Ok(Precision::Full),
            Tier::Coarse => Ok(Precision::Coarse),
            Tier::Labels => Ok(Precision::Labels),
            Tier::Refused => {
                let attempt = "this caller asked as one asks who copies a model";
                Err(AppError::refused("probing", attempt)
                    .hint("`twinkeep probe show CALLER` says why, `twinkeep probe clear` ends it"))
            }
        }
    }

    /// Returns the tier of a caller.
    pub(crate) fn tier_of(&self, caller: &Caller) -> Result<Tier, AppError> {
        let line = self.tier_line(caller)?.filter(|line| rfc3339(self.now()) < line.until);
        Ok(line.map_or(Tier::Full, |line| line.tier))
    }

    fn tier_line(&self, caller: &Caller) -> Result<Option<TierLine>, AppError> {
        if caller.is_operator() {
            return Ok(None);
        }
        let mut known = self.tiers.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            *known = Some(self.read_tiers()?);
        }
        let Some(tiers) = known.as_ref().filter(|tiers| !tiers.is_empty()) else { return Ok(None) };
        let whose = self.budget_of(caller)?;
        Ok(tiers.get(&whose).cloned())
    }

    /// Makes answers of somebody coarser by a step; returns what they get now.
    pub(crate) fn lower(
        &self,
        whose: &str,
        probing: &str,
        hours: f64,
    ) -> Result<TierLine, AppError> {
        let now = self.now();
        let name = self.tier_name(whose);
        let mut made = None;
        self.store.change_setting(&name, &mut |text| {
            let text_now = rfc3339(now);
            let known = text.and_then(|text| self.read_tier(&name, &text));
            let known = known.filter(|line| text_now < line.until);
            let line = TierLine {
                caller: whose.to_owned(),
                tier: known.as_ref().map_or(Tier::Full, |line| line.tier).next(),
                probing: probing.to_owned(),
                alarms: known.as_ref().map_or(0, |line| line.alarms) + 1,
                since: known.map_or(text_now, |line| line.since),
                until: rfc3339(now.plus_hours(hours)),
            };
            let text = self.write_tier(&name, &line);
            made = Some(line);
            text
        })?;
        self.refresh_tiers()?;
        made.ok_or_else(|| AppError::environment("probe-tier", "cannot make answers coarser"))
    }

    /// Takes in what other processes changed.
    pub(crate) fn refresh_tiers(&self) -> Result<(), AppError> {
        let read = self.read_tiers()?;
        *self.tiers.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(())
    }

    /// Returns the rows of tiers that ended: nobody is held by them any more.
    pub(crate) fn tiers_over(&self, now: Timestamp) -> Result<Vec<(String, String)>, AppError> {
        let now = rfc3339(now);
        let mut rows = self.store.settings_below(PREFIX)?;
        rows.retain(|(name, text)| {
            self.read_tier(name, text).is_some_and(|line| line.until <= now)
        });
        Ok(rows)
    }

    fn clear(&self, whose: &str) -> Result<TierLine, AppError> {
        let line = self.read_tiers()?.remove(whose).ok_or_else(unknown)?;
        let name = self.tier_name(whose);
        let row = self.store.setting(&name)?.ok_or_else(unknown)?;
        self.store.remove_settings(&[(name, row)])?;
        self.refresh_tiers()?;
        Ok(line)
    }

    fn read_tiers(&self) -> Result<BTreeMap<String, TierLine>, AppError> {
        let rows = self.store.settings_below(PREFIX)?;
        let read = |(name, text): (String, String)| {
            let damaged = || AppError::refused("probe-damaged", "a tier of answers cannot be read");
            let line = self.read_tier(&name, &text).ok_or_else(damaged)?;
            Ok((line.caller.clone(), line))
        };
        rows.into_iter().map(read).collect()
    }

    fn tier_name(&self, whose: &str) -> String {
        let digest = hmac_sha256(self.access_key(), format!("tier\0{whose}").as_bytes());
        format!("{PREFIX}{}", to_hex(&digest[..12]))
    }

    fn read_tier(&self, name: &str, text: &str) -> Option<TierLine> {
        let sealed = STANDARD.decode(text).ok()?;
        let bytes = open(self.access_key(), Purpose::Access, name.as_bytes(), &sealed).ok()?;
        serde_json::from_slice(bytes.expose()).ok()
    }

    fn write_tier(&self, name: &str, line: &TierLine) -> Option<String> {
        let bytes = serde_json::to_vec(line).ok()?;
        Some(STANDARD.encode(seal(self.access_key(), Purpose::Access, name.as_bytes(), &bytes)))
    }
}

const PREFIX: &str = "probe/";

/// A screen of them.
const ALARMS_SHOWN: usize = 20;
