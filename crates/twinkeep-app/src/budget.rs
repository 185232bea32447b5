//! Budgets: how much one caller may learn in a day or a month, whatever their rate.
//!
//! A rate lets a patient caller ask for ever; a budget ends. It is counted in what an answer gives
//! away: people asked about for the first time, inputs that are new, answers at full precision. A
//! key and its successors have one budget, and so has everything that an issuer says of one subject.
//!
//! # Life of a unit
//!
//! 1. A portion of the budget is set aside in the catalog, durably, before it is used: one write for
//!    many answers.
//! 2. Answers use up the portion, in memory.
//! 3. What a process set aside and did not use when it was killed is lost: the budget after a crash
//!    is smaller by at most a portion, never larger.
//!
//! # Invariants
//!
//! - No answer that costs something leaves before its cost is durable.
//! - Whom somebody asked about is in the catalog as keyed digests, sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::digest::{hmac_sha256, to_hex};
use twinkeep_vault::{Purpose, open, seal};

use crate::budget_config::{BudgetConfig, BudgetUnit, Exhausted, Period};
use crate::time_text::{parse_rfc3339, rfc3339};
use crate::{App, AppError, Caller};

#[cfg(test)]
mod tests;

/// How precise an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precision {
    /// As the model gives it.
    Full,
    /// Two significant digits.
    Coarse,
    /// No number at all: a direction, or how likely.
    Labels,
}

/// What this process set aside and did not use yet, by budget.
#[derive(Default)]
pub(crate) struct Budgets {
    portions: Mutex<BTreeMap<String, Portion>>,
}

struct Portion {
    /// Of which period and model it is.
    of: (String, String),
    left: u64,
    /// What costs nothing any more, as keyed digests.
    seen: BTreeSet<u64>,
    /// What of it the catalog does not have yet.
    unsaved: BTreeSet<u64>,
}

/// A budget as the catalog has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spent {
    caller: String,
    period: String,
    model: String,
    spent: u64,
    seen: Vec<u64>,
}

/// A budget, as a list shows it.
#[derive(Debug, Serialize)]
pub struct BudgetLine {
    /// Whose: the first of a line of keys, or the subject of an issuer.
    pub caller: String,
    /// In what it is counted.
    pub unit: &'static str,
    /// The day or the month, in UTC.
    pub period: String,
    /// The model version that answers cost a unit of, if each has a budget of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// What is used up or set aside.
    pub spent: u64,
    /// What there is.
    pub limit: u64,
}

impl App {
    /// Charges what an answer gives away; `item` is what costs something once only.
    ///
    /// Returns how precise the answer may be, or refuses it. Whoever probes gets no more than what
    /// that leaves them.
    pub(crate) fn spend(
        &self,
        caller: &Caller,
        unit: BudgetUnit,
        model: &str,
        item: &[u8],
    ) -> Result<Precision, AppError> {
        let most = match unit {
            BudgetUnit::FullAnswers => self.precision_of(caller)?,
            BudgetUnit::NewSubjects | BudgetUnit::DistinctInputs => Precision::Full,
        };
        Ok(self.spend_budget(caller, unit, model, item)?.max(most))
    }

    fn spend_budget(
        &self,
        caller: &Caller,
        unit: BudgetUnit,
        model: &str,
        item: &[u8],
    ) -> Result<Precision, AppError> {
        let Some(budget) = self.settings.budgets.iter().find(|budget| budget.is_of(caller, unit))
        else {
            return Ok(Precision::Full);
        };
        let now = self.now();
        let whose = self.budget_of(caller)?;
        let model = if unit.is_of_people() { "" } else { model };
        if self.take(budget, &whose, model, item, now)? {
            return Ok(Precision::Full);
        }
        match budget.exhausted {
            Exhausted::Coarse => Ok(Precision::Coarse),
            Exhausted::Refuse => {
                let (unit, per) = (unit.name(), budget.per.name());
                let attempt = format!("the budget of {unit} for this {per} is used up");
                Err(AppError::refused("budget-exhausted", attempt)
                    .worth_another_try_after(seconds_left(budget.per, now))
                    .hint("`twinkeep budget list` shows the budgets"))
            }
        }
    }

    /// Returns whether there is a budget to be charged.
    pub(crate) fn is_budgeted(&self, caller: &Caller, unit: BudgetUnit) -> bool {
        self.settings.budgets.iter().any(|budget| budget.is_of(caller, unit))
    }

    /// As [`App::spend`], where there is no coarser answer.
    pub(crate) fn spend_or_refuse(
        &self,
        caller: &Caller,
        unit: BudgetUnit,
        model: &str,
        item: &[u8],
    ) -> Result<(), AppError> {
        if unit == BudgetUnit::FullAnswers && Precision::Full < self.precision_of(caller)? {
            let attempt = "this caller gets coarser answers, and this one has no coarser form";
            return Err(
                AppError::refused("probing", attempt).hint("`twinkeep probe show CALLER` says why")
            );
        }
        match self.spend_budget(caller, unit, model, item)? {
            Precision::Full => Ok(()),
            Precision::Coarse | Precision::Labels => {
                let attempt = format!("the budget of {} is used up", unit.name());
                let budget = self.settings.budgets.iter().find(|it| it.is_of(caller, unit));
                let wait = budget.map_or(0, |budget| seconds_left(budget.per, self.now()));
                Err(AppError::refused("budget-exhausted", attempt).worth_another_try_after(wait))
            }
        }
    }

    /// Takes one unit, if there is one.
    fn take(
        &self,
        budget: &BudgetConfig,
        whose: &str,
        model: &str,
        item: &[u8],
        now: Timestamp,
    ) -> Result<bool, AppError> {
        let name = setting_name(budget.unit, &self.budget_name(whose));
        let of = (budget.per.of(now), model.to_owned());
        let mark = self.item_mark(&name, item);
        let mut portions = self.budgets.portions.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = portions.get(&name).is_some_and(|portion| portion.of == of);
        if !fresh {
            let empty = Portion {
                of: of.clone(),
                left: 0,
                seen: BTreeSet::new(),
                unsaved: BTreeSet::new(),
            };
            portions.insert(name.clone(), empty);
            if PORTION_COUNT_MAX < portions.len() {
                // What the others set aside is lost to them; the catalog has it as spent.
                portions.retain(|known, _| *known == name);
            }
        }
        let Some(portion) = portions.get_mut(&name) else { return Ok(false) };
        let counted_once = budget.unit.is_counted_once();
        if counted_once && portion.seen.contains(&mark) {
            return Ok(true);
        }
        if portion.left == 0 {
            self.set_aside(budget, whose, &name, portion)?;
            if counted_once && portion.seen.contains(&mark) {
                return Ok(true);
            }
        }
        if portion.left == 0 {
            return Ok(false);
        }
        portion.left -= 1;
        if counted_once {
            portion.seen.insert(mark);
            portion.unsaved.insert(mark);
        }
        Ok(true)
    }

    /// Sets a portion aside in the catalog, and learns what is known there.
    fn set_aside(
        &self,
        budget: &BudgetConfig,
        whose: &str,
        name: &str,
        portion: &mut Portion,
    ) -> Result<(), AppError> {
        let (period, model) = &portion.of;
        let mut granted = 0;
        let mut damaged = false;
        let mut seen = BTreeSet::new();
        self.store.change_setting(name, &mut |known| {
            let known = match known.map(|text| self.read_spent(name, &text)) {
                None => Spent::default(),
                Some(Some(known)) => known,
                Some(None) => {
                    damaged = true;
                    return None;
                }
            };
            let same = known.period == *period && known.model == *model;
            let known = if same { known } else { Spent::default() };
            granted = portion_of(budget.limit).min(budget.limit.saturating_sub(known.spent));
            seen = known.seen.iter().copied().chain(portion.unsaved.iter().copied()).collect();
            let spent = Spent {
                caller: whose.to_owned(),
                period: period.clone(),
                model: model.clone(),
                spent: known.spent + granted,
                seen: seen.iter().copied().collect(),
            };
            // Nothing changes for who has nothing left: no write for each refusal.
            (0 < granted).then(|| self.write_spent(name, &spent)).flatten()
        })?;
        if damaged {
            return Err(AppError::refused("budget-damaged", "a budget cannot be read")
                .hint("`twinkeep budget reset CALLER` begins it anew"));
        }
        if 0 < granted {
            portion.unsaved.clear();
        }
        portion.left = granted;
        portion.seen.extend(seen);
        Ok(())
    }

    fn read_spent(&self, name: &str, text: &str) -> Option<Spent> {
        let sealed = STANDARD.decode(text).ok()?;
        let bytes = open(self.access_key(), Purpose::Access, name.as_bytes(), &sealed).ok()?;
        serde_json::from_slice(bytes.expose()).ok()
    }

    fn write_spent(&self, name: &str, spent: &Spent) -> Option<String> {
        let bytes = serde_json::to_vec(spent).ok()?;
        Some(STANDARD.encode(seal(self.access_key(), Purpose::Access, name.as_bytes(), &bytes)))
    }

    /// Returns whose budget a caller uses: that of the first of a line of keys or certificates.
    pub(crate) fn budget_of(&self, caller: &Caller) -> Result<String, AppError> {
        if let Some(lineage) = self.certificate_lineage(&caller.id)? {
            return Ok(lineage);
        }
        match caller.id.strip_prefix(crate::api_keys::CALLER_PREFIX) {
            Some(key) => Ok(crate::api_keys::caller_id(&self.key_lineage(key)?)),
            None => Ok(caller.id.clone()),
        }
    }

    fn budget_name(&self, whose: &str) -> String {
        to_hex(&hmac_sha256(self.access_key(), whose.as_bytes())[..12])
    }

    fn item_mark(&self, name: &str, item: &[u8]) -> u64 {
        let digest = hmac_sha256(self.access_key(), &[name.as_bytes(), b"\0", item].concat());
        digest.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
    }
}

/// Lists what of every budget of this period is used up or set aside.
pub fn list_budgets(app: &App) -> Result<Vec<BudgetLine>, AppError> {
    let now = app.now();
    let mut lines = Vec::new();
    for (name, text) in app.store.settings_below(PREFIX)? {
        let Some(spent) = app.read_spent(&name, &text) else { continue };
        let caller = Caller::named(&spent.caller);
        let of_this = |budget: &&BudgetConfig| {
            name == setting_name(budget.unit, &app.budget_name(&spent.caller))
                && budget.is_of(&caller, budget.unit)
                && budget.per.of(now) == spent.period
        };
        if let Some(budget) = app.settings.budgets.iter().find(of_this) {
            lines.push(BudgetLine {
                caller: spent.caller.clone(),
                unit: budget.unit.name(),
                period: spent.period,
                model: spent.model,
                spent: spent.spent,
                limit: budget.limit,
            });
        }
    }
    Ok(lines)
}

/// Begins the budgets of a caller anew. A server that runs uses up what it set aside first.
pub fn reset_budgets(app: &App, caller: &Caller, whose: &str) -> Result<(), AppError> {
    let class = EventClass::EntityManagement;
    let entry =
        app.entry(caller, class, Activity::Update, "budget.reset").severity(Severity::Medium);
    let known = app.settings.budgets.iter().map(|budget| budget.unit).collect::<BTreeSet<_>>();
    let mut found = false;
    let reset = || {
        for unit in known {
            let name = setting_name(unit, &app.budget_name(whose));
            app.store.change_setting(&name, &mut |text| {
                found |= text.is_some();
                let spent = Spent { caller: whose.to_owned(), ..Spent::default() };
                text.and_then(|_| app.write_spent(&name, &spent))
            })?;
        }
        Ok(())
    };
    let done: Result<(), AppError> = reset();
    let entry = if found { entry.with("caller", whose) } else { entry };
    let done = done.and_then(|()| match found {
        true => Ok(()),
        false => Err(AppError::refused("budget-unknown", "this caller has used no budget")
            .hint("`twinkeep budget list` shows who has")),
    });
    app.conclude(entry, done)
}

fn setting_name(unit: BudgetUnit, name: &str) -> String {
    format!("{PREFIX}{}/{name}", unit.name())
}

/// How much is set aside at a time: little enough that a crash costs little, and enough that few
/// answers wait for the disk.
fn portion_of(limit: u64) -> u64 {
    (limit / 32).clamp(1, 256)
}

/// When a period ends, for who asks.
pub(crate) fn period_of(period: Period, now: Timestamp) -> String {
    let text = rfc3339(now);
    let length = match period {
        Period::Day => 10,
        Period::Month => 7,
    };
    text.get(..length).unwrap_or_default().to_owned()
}

/// Returns how long a period still is, rounded up: until it is whole again.
fn seconds_left(period: Period, now: Timestamp) -> u64 {
    let today = rfc3339(now);
    let month = |text: &str| text.get(..7).map(str::to_owned);
    let begin = today.get(..10).and_then(|day| parse_rfc3339(&format!("{day}T00:00:00Z")));
    let next = |days: u32| Some(begin?.plus_hours(24.0 * f64::from(days)));
    let end = match period {
        Period::Day => next(1),
        Period::Month => {
            (1..=31).filter_map(next).find(|day| month(&rfc3339(*day)) != month(&today))
        }
    };
    let left = end.map_or(0, |end| end.micros().saturating_sub(now.micros()));
    u64::try_from(left).unwrap_or(0).div_ceil(1_000_000)
}

impl App {
    /// Returns the rows of budgets whose day or month is over: nobody is charged by them any more.
    pub(crate) fn budgets_over(&self) -> Result<Vec<(String, String)>, AppError> {
        // A clock that was set back a little must not make a budget whole.
        let since = self.now().plus_hours(-KEPT_AFTER_HOURS);
        let mut rows = self.store.settings_below(PREFIX)?;
        rows.retain(|(name, text)| {
            let Some(spent) = self.read_spent(name, text) else { return false };
            let unit = name.strip_prefix(PREFIX).and_then(|rest| rest.split('/').next());
            let of_unit = |it: &&BudgetConfig| Some(it.unit.name()) == unit;
            let mut budgets = self.settings.budgets.iter().filter(of_unit);
            // Days and months are written so that they are in order.
            !budgets.any(|it| it.per.of(since) <= spent.period)
        });
        Ok(rows)
    }
}

const PREFIX: &str = "budget/";

/// After which a row of a period that is over may go.
const KEPT_AFTER_HOURS: f64 = 48.0;

/// Callers by budgets that are remembered at a time.
const PORTION_COUNT_MAX: usize = 10_000;
