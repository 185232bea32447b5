//! Values that are the same in two units are the same afterwards, and nothing is guessed.

use twinkeep_domain::{Code, Range, Variable, VariableKind, VariableRules};

use super::conversion;

/// Converts to a unit, with grams in a mole and charges of an ion where they are known.
fn convert(value: f32, from: &str, to: &str, rules: VariableRules) -> Option<f32> {
    let variable = Variable {
        code: Code::new("X").unwrap(),
        title: "X".into(),
        unit: to.into(),
        loinc: None,
        kind: VariableKind::Series,
        target: false,
        range: Range { low: -1e9, high: 1e9 },
        missing: Vec::new(),
        aliases: Vec::new(),
        rules,
    };
    conversion(from, &variable).map(|conversion| conversion.apply(value))
}

fn plain(value: f32, from: &str, to: &str) -> Option<f32> {
    convert(value, from, to, VariableRules::default())
}

/// Compares with the last digit of a 32-bit float to spare.
fn same(found: Option<f32>, expected: f32) -> bool {
    found.is_some_and(|found| (found - expected).abs() <= expected.abs() * 1e-5)
}

#[test]
fn units_of_one_kind_are_converted() {
    let cases = [
        (98.6, "[degF]", "Cel", 37.0),
        (98.6, "°F", "Cel", 37.0),
        (310.15, "K", "Cel", 37.0),
        (80.0, "bpm", "/min", 80.0),
        (1.5, "Hz", "/min", 90.0),
        (16.0, "kPa", "mm[Hg]", 120.009_86),
        (120.0, "mmHg", "mm[Hg]", 120.0),
        (150.0, "lbs", "kg", 68.038_86),
        (70.0, "[in_i]", "cm", 177.8),
        (40.0, "%", "1", 0.4),
        (250.0, "10*9/L", "10*3/uL", 250.0),
        (250.0, "K/µL", "10*3/uL", 250.0),
        (1.2, "mg/L", "mg/dL", 0.12),
        (0.04, "ng/mL", "ug/L", 0.04),
        (35.0, "IU/L", "U/L", 35.0),
        (24.0, "mo", "a", 2.0),
    ];
    for (value, from, to, expected) in cases {
        assert!(
            same(plain(value, from, to), expected),
            "{from} to {to}: {:?}",
            plain(value, from, to)
        );
    }
}

#[test]
fn mass_and_amount_need_the_weight_of_a_mole() {
    let of =
        |molar_mass| VariableRules { molar_mass: Some(molar_mass), ..VariableRules::default() };
    assert!(same(convert(5.55, "mmol/L", "mg/dL", of(180.156)), 99.986_58));
    assert!(same(convert(99.986_58, "mg/dL", "mmol/L", of(180.156)), 5.55));
    assert!(same(convert(88.4, "umol/L", "mg/dL", of(113.12)), 0.999_981));
    assert_eq!(plain(5.55, "mmol/L", "mg/dL"), None);
}

#[test]
fn equivalents_need_the_charges_of_an_ion() {
    let of = |valence| VariableRules { valence: Some(valence), ..VariableRules::default() };
    assert!(same(convert(140.0, "mEq/L", "mmol/L", of(1)), 140.0));
    assert!(same(convert(2.0, "meq/L", "mmol/L", of(2)), 1.0));
    assert!(same(convert(1.0, "mmol/L", "meq/L", of(2)), 2.0));
    assert_eq!(plain(140.0, "mEq/L", "mmol/L"), None);
    let magnesium = VariableRules { molar_mass: Some(24.305), ..of(2) };
    assert!(same(convert(2.0, "meq/L", "mg/dL", magnesium), 2.4305));
}

#[test]
fn what_cannot_be_converted_is_not() {
    let cases = [
        ("mm[Hg]", "/min"),
        ("mg/dL", "U/L"),
        ("[IU]/L", "mmol/L"),
        ("furlongs", "cm"),
        ("", "cm"),
        ("((((((((", "cm"),
        ("mol/L", "[pH]"),
        ("10*999999999/L", "10*3/uL"),
        ("cm cm", "cm"),
    ];
    for (from, to) in cases {
        assert_eq!(plain(1.0, from, to), None, "{from} to {to}");
    }
    assert_eq!(plain(1.0, &"(".repeat(10_000), "cm"), None);
}
