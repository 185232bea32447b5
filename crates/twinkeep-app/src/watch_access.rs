//! Use case: follow the ledger for access that is unusual, as it is written.
//!
//! Habits are learned anew at each start from the newest entries, in silence; after that each entry
//! is looked at once. An alarm is recorded, and reported as a detection.

use std::collections::{BTreeMap, BTreeSet};

use twinkeep_ledger::{Activity, Class as EventClass, Detail, Entry, Outcome, Severity};
use twinkeep_watch::probe::{AccessAlarm, AccessFact, AccessKind, AccessWatch};
use twinkeep_watch::{Detection, Detector, Severity as Weight, Target};

use crate::search_ledger::decode;
use crate::watch_queries::report;
use crate::{App, AppError, Caller};

/// Reads the ledger on.
pub struct AccessReader {
    watch: AccessWatch,
    next: u64,
    /// From here on alarms count.
    live: u64,
}

impl AccessReader {
    /// Begins with the newest entries; those that are there by now only teach habits.
    pub fn begin(app: &App) -> Result<Self, AppError> {
        let watch = AccessWatch::new(app.probe_parameters()?);
        let live = app.ledger_entries()?;
        Ok(Self { watch, next: live.saturating_sub(LEARNED_COUNT), live })
    }

    /// Reads some entries on, and reports what is unusual; returns whether there are more.
    pub fn look(&mut self, app: &App) -> Result<bool, AppError> {
        let view = app.ledger_view()?;
        let size = view.checkpoint().checkpoint.size;
        let end = size.min(self.next + READ_AT_ONCE);
        let entries = if self.next < end { view.entries(self.next..end)? } else { Vec::new() };
        for (index, bytes) in (self.next..).zip(&entries) {
            // Looked at once, even if reporting what it says fails: others come after it.
            self.next = index + 1;
            let entry = decode(index, bytes)?;
            let Some(fact) = fact(&entry) else { continue };
            for alarm in self.watch.take(&fact) {
                if self.live <= index {
                    report(app, &record(app, index, &fact, &alarm)?)?;
                }
            }
        }
        self.next = end;
        Ok(end < size)
    }
}

/// Returns what an entry says about access; nothing of what the keep does by itself.
fn fact(entry: &Entry) -> Option<AccessFact> {
    let at_us = entry.time_ms.saturating_mul(1_000);
    let made = |kind| Some(AccessFact { at_us, actor: entry.actor.clone(), kind });
    let code = match &entry.outcome {
        Outcome::Failure { code } => Some(code.as_str()),
        Outcome::Success => None,
    };
    let counted = |name: &str| match entry.details.get(name) {
        Some(Detail::Number(count)) => u64::try_from(*count).unwrap_or(0),
        _ => 0,
    };
    match (entry.action.as_str(), code) {
        // Reported where it happens, as is what a witness refuses: once is enough.
        ("glass.broken", None) => None,
        ("request.refused", Some(_)) if counted("status") == UNAUTHORIZED => {
            made(AccessKind::Refused(1))
        }
        // Whoever is locked out has an entry once in an interval.
        ("request.refused", Some("locked-out")) => made(AccessKind::Refused(LOCK_OUT_WEIGHT)),
        ("request.refused", _) => None,
        (_, Some(_)) => None,
        (_, None) if OWN.contains(&entry.actor.as_str()) => None,
        (action, None) => made(AccessKind::Done(action.to_owned())),
    }
}

fn record(
    app: &App,
    index: u64,
    fact: &AccessFact,
    alarm: &AccessAlarm,
) -> Result<Detection, AppError> {
    let found = describe(alarm);
    let class = EventClass::DetectionFinding;
    let entry = app
        .entry(&Caller::system(), class, Activity::Create, "access.unusual")
        .severity(match found.weight {
            Weight::High | Weight::Critical => Severity::High,
            _ => Severity::Medium,
        })
        .with("what", found.what)
        .with("who", fact.actor.as_str())
        .with("entry", i64::try_from(index).unwrap_or(i64::MAX));
    app.record(&entry)?;
    Ok(Detection {
        detector: found.detector,
        target: found.target,
        severity: found.weight,
        began_us: found.since_us.unwrap_or(fact.at_us),
        seen_us: app.now().micros(),
        says: found.says,
        figures: found.figures,
        evidence: BTreeMap::from([("ledger-entry".to_owned(), format!("entry:{index}"))]),
        subjects: BTreeSet::new(),
    })
}

struct Described {
    what: &'static str,
    detector: Detector,
    target: Target,
    weight: Weight,
    since_us: Option<i64>,
    says: String,
    figures: BTreeMap<String, f64>,
}

fn describe(alarm: &AccessAlarm) -> Described {
    let figures = |named: &[(&str, f64)]| {
        named.iter().map(|&(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>()
    };
    let unusual = |what, actor: &String, says, figures| Described {
        what,
        detector: Detector::UnusualAccess,
        target: Target::Identity(actor.clone()),
        weight: Weight::Medium,
        since_us: None,
        says,
        figures,
    };
    match alarm {
        AccessAlarm::NewActor { actor, chance, days } => unusual(
            "new-actor",
            actor,
            format!("{actor} asks for the first time, and hardly anybody new came in {days} days"),
            figures(&[("chance", *chance), ("days", f64::from(*days))]),
        ),
        AccessAlarm::NewKind { actor, action, chance, days } => unusual(
            "new-kind",
            actor,
            format!("{actor} does `{action}` for the first time in {days} days"),
            figures(&[("chance", *chance), ("days", f64::from(*days))]),
        ),
        AccessAlarm::NewHour { actor, hour, chance, days } => unusual(
            "new-hour",
            actor,
            format!("{actor} asks at {hour} h UTC for the first time in {days} days"),
            figures(&[("chance", *chance), ("days", f64::from(*days))]),
        ),
        AccessAlarm::Volume { actor, count, most, hours } => unusual(
            "volume",
            actor,
            format!("{actor} did {count} things in an hour, and never more than {most} before"),
            figures(&[("count", *count as f64), ("most", *most as f64), ("hours", *hours as f64)]),
        ),
        AccessAlarm::Refusals { count, limit, minutes, since_us } => Described {
            what: "refusals",
            detector: Detector::AuthenticationFailures,
            target: Target::Keep,
            weight: Weight::High,
            since_us: Some(*since_us),
            says: format!("{count} credentials were refused in {minutes} minutes"),
            figures: figures(&[("count", *count as f64), ("limit", *limit as f64)]),
        },
    }
}

/// Who acts for the keep itself, or for nobody.
const OWN: [&str; 4] = ["system", "gate", "operator", "anonymous"];

/// What HTTP calls a credential that is not taken.
const UNAUTHORIZED: u64 = 401;

/// Twenty failures lock an address.
const LOCK_OUT_WEIGHT: u64 = 20;

/// A month of a ward; a second of reading.
const LEARNED_COUNT: u64 = 100_000;

/// So that other work has its turn.
const READ_AT_ONCE: u64 = 2_048;

#[cfg(test)]
mod tests {
    use twinkeep_ledger::{Activity, Class, Entry, Outcome};

    use super::fact;

    #[test]
    fn what_is_reported_where_it_happens_is_not_reported_again() {
        let entry =
            |action: &str| Entry::new(0, Class::DetectionFinding, Activity::Other, action, "key:1");
        assert!(fact(&entry("twins.read")).is_some());
        assert!(fact(&entry("glass.broken")).is_none());
        for code in ["witness-fork", "witness-rolled-back"] {
            let failed = entry("witness.cosigned").failed(code);
            assert!(matches!(failed.outcome, Outcome::Failure { .. }) && fact(&failed).is_none());
        }
    }
}
