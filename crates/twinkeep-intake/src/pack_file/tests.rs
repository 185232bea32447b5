//! A pack file is read as specified, and a wrong one is refused with the key and the line.

use twinkeep_domain::{PackError, Rule, Sex, VariableKind};

use super::{PackFileError, parse_pack, shipped_names, shipped_pack, shipped_text};

const SMALL: &str = r#"
format = 1
name = "small"
title = "Small"
version = 1

[words]
subject = "patient"
subjects = "patients"

[forecast]
cuts_hours = [24]
evaluation_cut_hours = 24
horizon_hours = 24
step_hours = 1
memory_hours = [2, 6, 24]
buckets_hours = [24]
history_event_count_min = 1
splits = { train_percent = 60, tuning_percent = 20, held_out_percent = 20 }

[[variable]]
code = "T"
title = "Temperature"
unit = "Cel"
kind = "series"
target = true
range = [25, 44]
missing = [-1]
aliases = [{ name = "T_F", factor = 0.5555556, offset = -17.777779 }]
"#;

#[test]
fn the_small_pack_is_read() {
    let pack = parse_pack(SMALL).unwrap();
    assert_eq!(pack.find("T_F"), Some(0));
    let alias = &pack.variables()[0].aliases[0];
    assert_eq!(98.6f32.mul_add(alias.factor, alias.offset).round(), 37.0);
}

#[test]
fn each_wrong_line_is_named() {
    let cases = [
        ("version = 1", "vorsion = 1", "line 5: unknown field `vorsion`"),
        ("version = 1", "", "line 1: missing field `version`"),
        ("title = \"Small\"", "title = 1", "line 4: invalid type"),
        ("unit = \"Cel\"", "unit = \"\"", "line 21: `unit` must be"),
        ("code = \"T\"", "code = \"\"", "line 21: `code` must not"),
        ("kind = \"series\"", "kind = \"static\"", "line 21: `target` cannot"),
        ("kind = \"series\"", "kind = \"sometimes\"", "line 25: unknown variant"),
        ("missing = [-1]", "missing = [nan]", "line 21: `missing` must"),
        ("factor = 0.5555556", "factor = 0", "line 21: `aliases` need"),
        ("factor = 0.5555556", "facter = 1", "line 29: unknown field `facter`"),
        ("train_percent = 60", "train_percent = 61", "line 11: `splits` must add up"),
        ("name = \"small\"", "name = \"../small\"", "line 3: `name` must be"),
        ("format = 1", "format = 6", "the pack file has format 6"),
        ("format = 1", "format = 0", "the pack file has format 0"),
        ("missing = [-1]", "values = [30]", "line 21: `values` needs `format = 2`"),
        ("missing = [-1]", "resolution = 1", "line 21: `resolution` needs `format = 5`"),
        ("[words]", "[codes]\nother = \"keep\"\n[words]", "line 7: `codes` needs `format = 2`"),
        ("[words]", "[words", "line 7: "),
    ];
    for (right, wrong, message) in cases {
        assert!(SMALL.contains(right), "{right}");
        let error = parse_pack(&SMALL.replacen(right, wrong, 1)).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error} should start with {message}");
        assert!(!error.to_string().contains('\n'));
    }
}

#[test]
fn contradictions_and_sizes_are_refused() {
    let error = parse_pack(&SMALL.replace("[25, 44]", "[44, 25]")).unwrap_err();
    let source = PackError::Range("T".into());
    assert_eq!(error, PackFileError::Contradiction { source });
    let long = format!("{SMALL}#{}", "x".repeat(1 << 20));
    assert_eq!(parse_pack(&long).unwrap_err().code(), "pack-too-large");
    assert_eq!(shipped_pack("icv").unwrap_err().code(), "pack-not-shipped");
}

#[test]
fn every_shipped_pack_is_valid() {
    for name in shipped_names() {
        assert_eq!(shipped_pack(name).unwrap().name(), name);
        assert!(shipped_text(name).is_some());
    }
}

#[test]
fn the_icu_pack_has_the_variables_of_physionet_2012() {
    let pack = shipped_pack("icu").unwrap();
    assert_eq!(pack.variables().len(), 41);
    assert_eq!(pack.targets().count(), 36);
    let statics: Vec<_> = pack
        .variables()
        .iter()
        .filter(|variable| variable.kind == VariableKind::Static)
        .map(|variable| variable.code.as_str())
        .collect();
    assert_eq!(statics, ["Age", "Gender", "Height", "ICUType"]);
    assert!(!pack.variables()[pack.find("MechVent").unwrap()].target);
    let decided = |code: &str| pack.is_intervention(pack.find(code).unwrap());
    assert!(decided("FiO2") && decided("MechVent") && !decided("HR"));
    for variable in pack.variables() {
        let sentinel = variable.missing.as_slice();
        assert_eq!(sentinel, [-1.0], "{}", variable.code);
        assert!(!variable.range.contains(-1.0), "{}: -1 means missing", variable.code);
        let has_loinc = variable.loinc.as_deref().is_some_and(loinc_check_digit_holds);
        let without_loinc = ["ICUType", "MechVent"].contains(&variable.code.as_str());
        assert!(has_loinc != without_loinc, "{}", variable.code);
    }
}

/// LOINC codes end in a check digit by the Mod 10 (Luhn) algorithm.
fn loinc_check_digit_holds(code: &str) -> bool {
    let Some((number, check)) = code.split_once('-') else { return false };
    let digits: Vec<u32> = number.chars().filter_map(|digit| digit.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, digit * 2) {
            (0, double) if 9 < double => double - 9,
            (0, double) => double,
            _ => digit,
        })
        .sum();
    check.parse() == Ok((10 - sum % 10) % 10) && digits.len() == number.len()
}

#[test]
fn the_rules_of_format_2_are_read() {
    let text = SMALL.replace("format = 1", "format = 2").replace(
        "[words]",
        "[codes]\nother = \"keep\"\n\n[subject]\nsex = \"S\"\n\n[[rule]]\nless = [\"T\", \"U\"]\n\n[words]",
    );
    let second = |code: &str| {
        format!(
            "\n[[variable]]\ncode = \"{code}\"\ntitle = \"X\"\nunit = \"1\"\nkind = \"series\"\n\
             target = false\nrange = [0, 9]\ntexts = {{ HIGH = 9 }}\nchange_max_per_hour = 2\n\
             required_percent = 50\nranges = [{{ sex = \"female\", age_max = 17, range = [1, 2] }}]\n"
        )
    };
    let pack = parse_pack(&format!("{text}{}{}", second("S"), second("U"))).unwrap();
    assert!(pack.screening().codes.keeps("anything"));
    assert_eq!(pack.screening().rules, [Rule::Less(vec!["T".into(), "U".into()])]);
    let rules = &pack.variables()[2].rules;
    assert_eq!(rules.number_of("high"), Some(9.0));
    assert_eq!(rules.change_max_per_hour, Some(2.0));
    assert_eq!(rules.required_percent, Some(50.0));
    assert!(rules.ranges[0].fits(Some(17.0), Some(Sex::Female)));
    let error = parse_pack(&format!("{text}{}", second("S"))).unwrap_err();
    assert_eq!(error.code(), "pack-contradiction", "there is no `U`");
}

#[test]
fn the_steps_in_which_a_variable_is_written_down_are_read() {
    let pack = shipped_pack("icu").unwrap();
    let of = |code| pack.variables()[pack.find(code).unwrap()].rules.resolution;
    assert_eq!([of("Temp"), of("HR"), of("Age")], [Some(0.1), Some(1.0), None]);
    for resolution in ["0", "-1", "inf"] {
        let text = SMALL.replace("format = 1", "format = 5");
        let text = text.replace("missing = [-1]", &format!("resolution = {resolution}"));
        assert_eq!(parse_pack(&text).unwrap_err().code(), "pack-contradiction", "{resolution}");
    }
}

#[test]
fn the_loss_of_a_target_is_squared_unless_the_pack_says_otherwise() {
    let shipped = shipped_text("icu").unwrap();
    let with = |code: &str, lines: &str| {
        let own = format!("code = \"{code}\"\n");
        parse_pack(&shipped.replacen(&own, &format!("{own}{lines}\n"), 1))
    };
    let pack = with("HR", "loss = \"huber\"\ndelta = 12.5").unwrap();
    let (rate, temperature) = (pack.find("HR").unwrap(), pack.find("Temp").unwrap());
    assert_eq!((pack.huber_delta(rate), pack.huber_delta(temperature)), (Some(12.5), None));
    for (code, lines, found) in [
        ("HR", "loss = \"huber\"", "pack-value"),
        ("HR", "delta = 1", "pack-value"),
        ("HR", "loss = \"absolute\"", "pack-syntax"),
        ("HR", "loss = \"huber\"\ndelta = 0", "pack-contradiction"),
        ("Age", "loss = \"huber\"\ndelta = 1", "pack-contradiction"),
    ] {
        assert_eq!(with(code, lines).unwrap_err().code(), found, "{code}: {lines}");
    }
}
