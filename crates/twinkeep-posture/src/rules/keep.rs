//! Rules about the keep itself.

use crate::facts::keep::{Feed, Keep, Papers};
use crate::outcome::{Judged, Outcome, Place};

pub(crate) mod alerts;
pub(crate) mod answers;
pub(crate) mod approvals;
pub(crate) mod attacked;
pub(crate) mod backup_model;
pub(crate) mod bill;
pub(crate) mod budgets;
pub(crate) mod calibrated;
pub(crate) mod canaries;
pub(crate) mod certificates;
pub(crate) mod clients;
pub(crate) mod danger;
pub(crate) mod decisions;
pub(crate) mod deidentified;
pub(crate) mod drift;
pub(crate) mod evaluated;
pub(crate) mod feeds_recorded;
pub(crate) mod feeds_screened;
pub(crate) mod feeds_signed;
pub(crate) mod file_modes;
pub(crate) mod groups;
pub(crate) mod influence;
pub(crate) mod issuers;
pub(crate) mod key_age;
pub(crate) mod key_lives;
pub(crate) mod keyring_backup;
pub(crate) mod ledger;
pub(crate) mod models;
pub(crate) mod noise;
pub(crate) mod origin;
pub(crate) mod panel;
pub(crate) mod policy;
pub(crate) mod probing;
pub(crate) mod rates;
pub(crate) mod rechecked;
pub(crate) mod retention;
pub(crate) mod shards;
pub(crate) mod snapshot;
pub(crate) mod witness;

/// Whether something was done within so many days, as the ledger has it.
fn recently(keep: &Keep, action: &str, days_max: i64) -> Outcome {
    const DAY_US: i64 = 86_400_000_000;
    let Some(last) = keep.last.get(action) else {
        return Outcome::fail(Place::of("ledger"), "it was never done");
    };
    let age_us = keep.taken_us.saturating_sub(*last);
    // Once the clock was set back, nobody can tell how long ago that was.
    if age_us < -CLOCK_STEP_US_MAX {
        let why = "the ledger has it later than now: the clock was wrong then, or is wrong now";
        return Outcome::not_checked(why);
    }
    if days_max.saturating_mul(DAY_US) < age_us {
        let days = age_us / DAY_US;
        return Outcome::fail(Place::of("ledger"), format!("it was done {days} days ago"));
    }
    Outcome::Pass
}

/// A clock that is set by others is set back by less, if at all.
const CLOCK_STEP_US_MAX: i64 = 60_000_000;

/// What every rule about the inside of a keep says of one that was not opened.
fn closed(keep: &Keep) -> Option<Vec<Judged>> {
    let why = keep.closed.as_ref()?;
    let outcome = Outcome::not_checked(format!("the keep was not opened ({why})"));
    Some(vec![Judged::new(&keep.root, outcome)])
}

/// Judges what is signed with each version that serves or stands by.
fn of_serving(keep: &Keep, judge: fn(&str, &Papers) -> Outcome) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let papers = match keep.papers.seen() {
        Ok(papers) => papers,
        Err(why) => return vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    };
    let serving = |status: &str| ["in-service", "released"].contains(&status);
    let judged = keep.models.iter().filter(|model| serving(&model.status)).map(|model| {
        let outcome = match papers.get(&model.version) {
            Some(papers) => judge(&model.version, papers),
            None => Outcome::not_checked("it does not verify, so that what it says is nothing"),
        };
        Judged::new(&model.version, outcome)
    });
    let judged: Vec<Judged> = judged.collect();
    if judged.is_empty() {
        return vec![Judged::new(&keep.root, Outcome::not_applicable("no version may serve"))];
    }
    judged
}

/// Judges each feed.
fn of_feeds(keep: &Keep, judge: fn(&Feed) -> Outcome) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.feeds.seen() {
        Ok(feeds) if feeds.is_empty() => {
            vec![Judged::new(&keep.root, Outcome::not_applicable("nothing was taken in yet"))]
        }
        Ok(feeds) => feeds.iter().map(|feed| Judged::new(&feed.name, judge(feed))).collect(),
        Err(why) => vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use crate::facts::keep::Keep;
    use crate::facts::{FactFile, Target};
    use crate::rules::RULES;
    use crate::scan::judge;

    /// A clock that is set back must not make what was done once count for ever.
    #[test]
    fn what_was_done_later_than_now_is_not_known_to_be_recent() {
        const NOW_US: i64 = 1_780_000_000_000_000;
        let word = |done_us| {
            let last = [("drift.checked".to_owned(), done_us)].into();
            let keep = Keep { taken_us: NOW_US, last, ..Keep::default() };
            super::recently(&keep, "drift.checked", 7).word()
        };
        assert_eq!(word(NOW_US), "pass");
        assert_eq!(word(NOW_US + super::CLOCK_STEP_US_MAX), "pass");
        assert_eq!(word(NOW_US + super::CLOCK_STEP_US_MAX + 1), "not-checked");
        assert_eq!(word(i64::MAX), "not-checked");
        assert_eq!(word(i64::MIN), "fail");
    }

    #[test]
    fn nothing_inside_a_closed_keep_passes_or_does_not_apply() {
        let keep = Keep { closed: Some("secret-wrong".into()), ..Keep::default() };
        let facts = FactFile::new(0, vec![keep.into()]);
        let report = judge(&facts, None, &crate::baseline::Baseline::default());
        let inside = report.findings.iter().filter(|it| it.rule != "keep-file-modes");
        let rules = RULES.iter().filter(|rule| rule.check.target() == Target::Keep).count();
        assert_eq!(inside.clone().count(), rules - 1);
        assert!(inside.clone().all(|it| it.outcome.word() == "not-checked"), "{report:?}");
    }
}
