//! Subgroups of a pack: what the shipped pack says, and what is refused.

use crate::pack_file::{parse_pack, shipped_pack, shipped_text};

#[test]
fn the_shipped_pack_divides_by_age_sex_and_unit() {
    let pack = shipped_pack("icu").unwrap();
    let groups: Vec<(String, Vec<String>)> = pack
        .subgroups()
        .iter()
        .map(|one| {
            let names = (0..one.group_count(&pack)).map(|at| one.group_name(&pack, at));
            (one.title.clone(), names.collect())
        })
        .collect();
    let expected = [
        ("Age", vec!["below 45", "45 to below 65", "65 to below 80", "80 and above"]),
        ("Sex", vec!["female", "male"]),
        ("Unit", vec!["coronary", "cardiac surgery", "medical", "surgical"]),
    ];
    let expected = expected.map(|(title, names)| {
        (title.to_owned(), names.into_iter().map(str::to_owned).collect::<Vec<_>>())
    });
    assert_eq!(groups, expected);
    let [age, sex, unit] = pack.subgroups() else { panic!("three ways to divide") };
    // A bound belongs to the group above it.
    let ages = [0.0, 44.9, 45.0, 64.9, 65.0, 80.0, 120.0].map(|years| age.group_of(&pack, years));
    assert_eq!(ages, [0, 0, 1, 1, 2, 3, 3].map(Some));
    assert_eq!([0.0, 1.0, 0.5].map(|value| sex.group_of(&pack, value)), [Some(0), Some(1), None]);
    assert_eq!(
        [4.0, 5.0, f32::NAN].map(|value| unit.group_of(&pack, value)),
        [Some(3), None, None]
    );
}

#[test]
fn subgroups_that_make_no_sense_are_refused() {
    let shipped = shipped_text("icu").unwrap();
    let with = |table: &str| {
        let text = format!("{shipped}\n[[subgroup]]\ntitle = \"X\"\n{table}\n");
        parse_pack(&text).map(drop).map_err(|error| {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            (error.code(), reason.unwrap_or_else(|| error.to_string()))
        })
    };
    assert_eq!(with("by = \"Height\"\ncuts = [160, 175]"), Ok(()));
    for (table, code, part) in [
        ("by = \"Nothing\"", "pack-value", "`by` must be"),
        ("by = \"HR\"\ncuts = [80]", "pack-contradiction", "a static variable"),
        ("by = \"Height\"", "pack-contradiction", "there are no groups"),
        ("by = \"age\"", "pack-contradiction", "there are no groups"),
        ("by = \"age\"\ncuts = [65, 45]", "pack-contradiction", "increase"),
        ("by = \"age\"\ncuts = [nan]", "pack-contradiction", "increase"),
        ("by = \"age\"\ncuts = [45]\nnames = [\"young\"]", "pack-contradiction", "one name"),
        ("by = \"age\"\nevery = 10", "pack-syntax", "every"),
    ] {
        let (found, reason) = with(table).unwrap_err();
        assert_eq!(found, code, "{table}");
        assert!(reason.contains(part), "{table}: {reason}");
    }
    let many: Vec<String> = (1..40).map(|at| at.to_string()).collect();
    let (_, reason) = with(&format!("by = \"age\"\ncuts = [{}]", many.join(","))).unwrap_err();
    assert!(reason.contains("too many groups"), "{reason}");
    // Without the target about a window, which an older pack cannot have either.
    let (before, target) = shipped.split_once("[[target]]").unwrap();
    let after = target.find("\n[").map_or("", |end| &target[end..]);
    let older = format!("{before}{after}").replacen("format = 5", "format = 2", 1);
    let newer = |line: &&str| line.starts_with("resolution = ");
    let older: Vec<&str> = older.lines().filter(|line| !newer(line)).collect();
    let older = older.join("\n");
    let error = parse_pack(&older).unwrap_err();
    assert!(error.to_string().ends_with("`subgroup` needs `format = 3`"), "{error}");
}
