//! Targets about a window are read as specified, and nonsense is refused with the line and the key.

use twinkeep_domain::{Distinct, ObservedUntil, PackError, WindowKind};

use super::super::{PackFileError, parse_pack};
use super::hours;

const SHOP: &str = r#"
format = 3
name = "shop"
title = "Shop"
version = 1

[words]
subject = "customer"
subjects = "customers"

[codes]
accept = ["ENCOUNTER//", "DEATH"]

[forecast]
cuts_hours = [24]
cuts_every = "1w"
observed_until = "end-of-data"
evaluation_cut_hours = 24
horizon_hours = 24
step_hours = 1
memory_hours = [2, 6, 24]
buckets_hours = [24]
history_event_count_min = 1
splits = { train_percent = 60, tuning_percent = 20, held_out_percent = 20 }

[[variable]]
code = "Amount"
title = "Amount"
unit = "EUR"
kind = "series"
target = false
range = [0, 1000]
aliases = [{ name = "amt" }]

[[variable]]
code = "Warmth"
title = "Warmth"
unit = "Cel"
kind = "series"
target = false
range = [-50, 50]

[[variable]]
code = "Sex"
title = "Sex"
unit = "1"
kind = "static"
target = false
range = [0, 1]

[[target]]
code = "Amount"
kind = "value"

[[target]]
code = "Spend"
title = "Spent in four weeks"
kind = "sum"
codes = ["Amount"]
window = "4w"

[[target]]
code = "Days"
title = "Days with a purchase"
kind = "count"
distinct = "day"
codes = ["Amount"]
window = "28d"

[[target]]
code = "Admission"
title = "Admitted"
kind = "event"
codes = ["ENCOUNTER//IMP*"]
competing = ["DEATH"]
window = "30d"
horizons = ["36h", "7d", "30d"]
"#;

#[test]
fn each_kind_is_read() {
    let pack = parse_pack(SHOP).unwrap();
    assert_eq!(pack.targets().map(|(at, _)| at).collect::<Vec<_>>(), [0]);
    assert_eq!(pack.forecast().cuts_every_hours, Some(168.0));
    assert_eq!(pack.forecast().observed_until, ObservedUntil::EndOfData);
    let [spend, days, admission] = pack.windows() else { panic!("three windows") };
    assert_eq!((spend.window_hours, spend.unit(&pack)), (672.0, "EUR"));
    assert_eq!(days.kind, WindowKind::Count(Distinct::Day));
    assert_eq!(days.unit(&pack), "1");
    assert!(admission.is_about("ENCOUNTER//IMP") && admission.is_about("ENCOUNTER//IMP//END"));
    assert!(!admission.is_about("ENCOUNTER//AMB") && !spend.is_about("Amount2"));
    assert_eq!(
        (admission.competing("DEATH"), admission.competing("ENCOUNTER//IMP")),
        (Some(0), None)
    );
    let WindowKind::Event(plan) = &admission.kind else { panic!("an event") };
    assert_eq!(plan.horizons_hours, [36.0, 168.0, 720.0]);
    assert!(!plan.once && !plan.absent);
}

#[test]
fn horizons_that_are_not_given_are_quarters_of_the_window() {
    let pack = parse_pack(&SHOP.replace("horizons = [\"36h\", \"7d\", \"30d\"]", "")).unwrap();
    let WindowKind::Event(plan) = &pack.windows()[2].kind else { panic!("an event") };
    assert_eq!(plan.horizons_hours, [180.0, 360.0, 540.0, 720.0]);
}

#[test]
fn each_wrong_line_is_named() {
    let cases = [
        ("format = 3", "format = 2", "line 14: `cuts_every` needs `format = 3`"),
        ("cuts_every = \"1w\"", "cuts_every = \"1y\"", "line 14: `cuts_every` must be a number"),
        ("window = \"4w\"", "window = \"-4w\"", "line 55: `window` must be a number"),
        ("window = \"4w\"", "", "line 55: `window` is missing"),
        ("title = \"Spent in four weeks\"", "", "line 55: `title` is missing"),
        ("codes = [\"Amount\"]", "", "line 55: `codes` is missing"),
        ("codes = [\"Amount\"]", "codes = [\"A*B\"]", "line 55: `codes` take codes"),
        ("window = \"4w\"", "window = \"4w\"\nonce = true", "line 55: `once` means nothing"),
        (
            "kind = \"value\"",
            "kind = \"value\"\nwindow = \"4w\"",
            "line 51: `window` means nothing",
        ),
        ("code = \"Amount\"\nkind", "code = \"Amt\"\nkind", "line 51: `code` must be that of"),
        ("code = \"Amount\"\nkind", "code = \"Sex\"\nkind", "line 51: `code` is that of a static"),
        ("kind = \"sum\"", "kind = \"max\"", "line 58: unknown variant"),
        ("window = \"4w\"", "windows = \"4w\"", "line 60: unknown field `windows`"),
    ];
    for (right, wrong, message) in cases {
        assert!(SHOP.contains(right), "{right}");
        let error = parse_pack(&SHOP.replacen(right, wrong, 1)).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error} should start with {message}");
    }
}

#[test]
fn what_can_never_be_learned_is_refused() {
    let cases = [
        (
            "codes = [\"Amount\"]\nwindow = \"4w\"",
            "codes = [\"Warmth\"]\nwindow = \"4w\"",
            "below 0",
        ),
        (
            "codes = [\"Amount\"]\nwindow = \"4w\"",
            "codes = [\"DEATH\"]\nwindow = \"4w\"",
            "variables can be added",
        ),
        ("codes = [\"Amount\"]\nwindow = \"4w\"", "codes = [\"Sex\"]\nwindow = \"4w\"", "static"),
        (
            "codes = [\"Amount\"]\nwindow = \"4w\"",
            "codes = [\"amt\"]\nwindow = \"4w\"",
            "not other names",
        ),
        ("codes = [\"Amount\"]\nwindow = \"4w\"", "codes = []\nwindow = \"4w\"", "names nothing"),
        ("window = \"28d\"", "window = \"9000w\"", "ten years"),
        ("\"7d\", \"30d\"]", "\"7d\", \"29d\"]", "end at `window`"),
        ("[\"36h\", \"7d\"", "[\"7d\", \"7d\"", "increase"),
        ("competing = [\"DEATH\"]", "competing = [\"ENCOUNTER//IMP*\"]", "in `codes` and in"),
        ("competing = [\"DEATH\"]", "once = true\nabsent = true", "do not go together"),
    ];
    for (right, wrong, reason) in cases {
        assert!(SHOP.contains(right), "{right}");
        let error = parse_pack(&SHOP.replacen(right, wrong, 1)).unwrap_err();
        let PackFileError::Contradiction { source } = error else { panic!("{wrong}: {error}") };
        let text = source.to_string();
        assert!(text.starts_with("the target `") && text.contains(reason), "{wrong}: {text}");
    }
    let unknown = SHOP.replace("codes = [\"ENCOUNTER//IMP*\"]", "codes = [\"VISIT//IMP\"]");
    let source = PackError::UnknownCode("VISIT//IMP".into());
    assert_eq!(parse_pack(&unknown).unwrap_err(), PackFileError::Contradiction { source });
    let twice = SHOP.replace("code = \"Days\"", "code = \"Amount\"");
    let source = PackError::DuplicateName("Amount".into());
    assert_eq!(parse_pack(&twice).unwrap_err(), PackFileError::Contradiction { source });
}

#[test]
fn durations_have_a_unit() {
    assert_eq!(hours("36h"), Some(36.0));
    assert_eq!(hours("1.5d"), Some(36.0));
    assert_eq!(hours("4w"), Some(672.0));
    for text in ["", "4", "w", "4m", "0d", "-1d", "nand", "infd", "1e40d", "4 w", "4ü"] {
        assert_eq!(hours(text), None, "{text}");
    }
}
