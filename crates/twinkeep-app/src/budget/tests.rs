//! Budgets are exact, whole again by the calendar, and never larger after a crash.

use std::cell::Cell;
use std::path::PathBuf;

use tempfile::TempDir;
use twinkeep_domain::Timestamp;
use twinkeep_vault::KekSource;

use super::{Precision, portion_of};
use crate::budget_config::BudgetUnit::{DistinctInputs, FullAnswers, NewSubjects};
use crate::{
    App, BudgetConfig, Caller, Config, InitRequest, Surroundings, init_keep, list_budgets,
    reset_budgets, shipped_pack_text,
};

thread_local! {
    /// 2027-01-31, 23:00 in UTC, in seconds.
    static NOW: Cell<i64> = const { Cell::new(1_801_436_400) };
}

fn now() -> Timestamp {
    Timestamp::from_micros(NOW.get() * 1_000_000)
}

struct Place {
    dir: TempDir,
    root: PathBuf,
}

impl Place {
    fn new(budgets: &str) -> (Self, App) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("keep");
        let secret = KekSource::KeyFile(dir.path().join("kek"));
        let pack = shipped_pack_text("icu").unwrap();
        let config = Config::parse(budgets).unwrap();
        init_keep(&InitRequest { dir: &root, pack, secret: &secret, config, now: now() }).unwrap();
        let place = Self { dir, root };
        let app = place.open();
        (place, app)
    }

    fn open(&self) -> App {
        let secret = KekSource::KeyFile(self.dir.path().join("kek"));
        App::open(&self.root, &secret, &Surroundings { clock: now, state_dir: None }).unwrap()
    }
}

const BUDGETS: &str = r#"
[[budget]]
callers = "key:*"
unit = "full-answers"
limit = 100
per = "day"
exhausted = "coarse"

[[budget]]
callers = "key:*"
unit = "new-subjects"
limit = 3
per = "month"

[[budget]]
unit = "distinct-inputs"
limit = 2
per = "day"
"#;

fn ask(app: &App, caller: &str, model: &str) -> Precision {
    app.spend(&Caller::named(caller), FullAnswers, model, b"").unwrap()
}

fn answered(app: &App, caller: &str) -> usize {
    (0..300).take_while(|_| ask(app, caller, "m") == Precision::Full).count()
}

#[test]
fn a_budget_is_exact_for_each_caller_and_model() {
    let (_place, app) = Place::new(BUDGETS);
    assert_eq!(answered(&app, "key:a"), 100);
    assert_eq!(answered(&app, "key:b"), 100);
    assert_eq!(ask(&app, "key:a", "m"), Precision::Coarse);
    assert_eq!(ask(&app, "key:a", "other"), Precision::Full);
    // Nobody said anything of tokens, and whoever holds the keep's key has no budget.
    assert_eq!(answered(&app, "token:i/x"), 300);
    assert_eq!(answered(&app, "operator"), 300);
}

#[test]
fn what_was_asked_once_costs_nothing_again() {
    let (place, app) = Place::new(BUDGETS);
    let caller = Caller::named("key:a");
    let ask = |app: &App, person: &str| {
        app.spend_or_refuse(&caller, NewSubjects, "m", person.as_bytes()).map_err(|it| it.code())
    };
    for person in ["one", "two", "one", "three", "two", "three"] {
        assert_eq!(ask(&app, person), Ok(()), "{person}");
    }
    assert_eq!(ask(&app, "four"), Err("budget-exhausted"));
    assert_eq!(ask(&app, "one"), Ok(()));
    let inputs = |item: &[u8]| app.spend(&caller, DistinctInputs, "m", item).is_ok();
    assert!(inputs(b"x") && inputs(b"y") && inputs(b"x") && !inputs(b"z"));
    // Another process knows whom the budget was spent on, up to the last of a portion.
    let other = place.open();
    assert_eq!(ask(&other, "one"), Ok(()));
    assert_eq!(ask(&other, "four"), Err("budget-exhausted"));
}

#[test]
fn a_crash_makes_a_budget_smaller_by_at_most_a_portion() {
    let (place, app) = Place::new(BUDGETS);
    let portion = portion_of(100) as usize;
    for before in [0, 1, 10, 50] {
        let caller = format!("key:{before}");
        for _ in 0..before {
            assert_eq!(ask(&app, &caller, "m"), Precision::Full);
        }
        // Nothing closes the first: as if it had been killed.
        let after = answered(&place.open(), &caller);
        assert!(before + after <= 100, "{before} and {after}");
        assert!(100 - portion < before + after, "{before} and {after}");
    }
    // Two at a time share one budget.
    let (left, right) = (place.open(), place.open());
    let mut full = 0;
    for _ in 0..100 {
        for app in [&left, &right] {
            full += usize::from(ask(app, "key:shared", "m") == Precision::Full);
        }
    }
    assert_eq!(full, 100);
}

#[test]
fn a_budget_is_whole_again_by_the_calendar() {
    let (_place, app) = Place::new(BUDGETS);
    let people = |person: &str| {
        let caller = Caller::named("key:a");
        app.spend_or_refuse(&caller, NewSubjects, "m", person.as_bytes()).is_ok()
    };
    assert_eq!(answered(&app, "key:a"), 100);
    assert!(people("1") && people("2") && people("3") && !people("4"));
    NOW.set(NOW.get() + 3599);
    assert_eq!(answered(&app, "key:a"), 0);
    assert!(!people("4"));
    // February, in UTC.
    NOW.set(NOW.get() + 1);
    assert_eq!(answered(&app, "key:a"), 100);
    assert!(people("4"));
}

#[test]
fn budgets_are_listed_and_begun_anew_on_record() {
    let (place, app) = Place::new(BUDGETS);
    assert_eq!(answered(&app, "key:a"), 100);
    let lines = list_budgets(&app).unwrap();
    let found: Vec<_> =
        lines.iter().map(|line| (line.caller.as_str(), line.unit, line.spent)).collect();
    assert_eq!(found, [("key:a", "full-answers", 100)]);
    let operator = Caller::operator();
    reset_budgets(&place.open(), &operator, "key:a").unwrap();
    assert_eq!(answered(&app, "key:a"), 100);
    let error = reset_budgets(&app, &operator, "key:nobody").unwrap_err();
    assert_eq!(error.code(), "budget-unknown");
}

#[test]
fn a_budget_that_means_nothing_is_refused() {
    let budget = |more: &str| {
        let text = format!("[[budget]]\nper = \"day\"\n{more}\n");
        Config::parse(&text).and_then(|config| config.check(std::path::Path::new("keep")))
    };
    assert!(budget("unit = \"full-answers\"\nlimit = 1000000").is_ok());
    for wrong in [
        "unit = \"full-answers\"\nlimit = 0",
        "unit = \"new-subjects\"\nlimit = 10001",
        "unit = \"new-subjects\"\nlimit = 5\nexhausted = \"coarse\"",
        "unit = \"answers\"\nlimit = 5",
        "unit = \"full-answers\"\nlimit = 5\ncallers = \"\"",
    ] {
        assert!(budget(wrong).is_err(), "{wrong}");
    }
    let name = |budget: &BudgetConfig| budget.unit.name();
    let config = Config::parse(BUDGETS).unwrap();
    assert_eq!(config.budget.iter().map(name).collect::<Vec<_>>().len(), 3);
    assert_eq!(Config::parse(&config.to_text()).unwrap(), config);
}

#[test]
fn who_used_up_a_budget_is_told_when_it_is_whole_again() {
    let (_place, app) = Place::new(BUDGETS);
    let caller = Caller::named("key:a");
    let spend =
        |unit, item: &[u8]| app.spend(&caller, unit, "m", item).map_err(|it| it.wait_seconds());
    for item in [b"1", b"2", b"3"] {
        assert!(spend(NewSubjects, item).is_ok());
    }
    // One hour before the day ends, and the month with it.
    assert_eq!(spend(NewSubjects, b"4").unwrap_err(), Some(3600));
    NOW.set(NOW.get() + 3600);
    assert!(spend(NewSubjects, b"4").is_ok());
    for item in [b"1", b"2", b"3"] {
        let _ = spend(NewSubjects, item);
    }
    assert_eq!(spend(NewSubjects, b"5").unwrap_err(), Some(28 * 86_400), "all of February");
    let inputs = [b"1", b"2", b"3"].map(|item| spend(DistinctInputs, item));
    assert_eq!(inputs[2].as_ref().unwrap_err(), &Some(86_400));
}

#[test]
fn budgets_that_are_over_are_let_go_of_and_others_are_not() {
    let (place, app) = Place::new(BUDGETS);
    ask(&app, "key:a", "m");
    assert!(app.spend(&Caller::named("key:a"), NewSubjects, "m", b"one").is_ok());
    let entries = app.ledger_entries().unwrap();
    let tidied = |app: &App| crate::tidy_catalog(app).unwrap().budgets;
    assert_eq!(tidied(&app), 0);
    NOW.set(NOW.get() + 86_400);
    assert_eq!(tidied(&app), 0, "a clock may be set back a little");
    assert_eq!(app.ledger_entries().unwrap(), entries, "nothing was done");
    NOW.set(NOW.get() + 2 * 86_400);
    assert!(app.spend(&Caller::named("key:b"), NewSubjects, "m", b"one").is_ok());
    assert_eq!(tidied(&app), 2, "the day and the month of the first");
    assert_eq!(app.ledger_entries().unwrap(), entries + 1);
    let left = list_budgets(&place.open()).unwrap();
    assert_eq!((left.len(), left[0].caller.as_str()), (1, "key:b"));
    assert_eq!(ask(&app, "key:a", "m"), Precision::Full);
}
