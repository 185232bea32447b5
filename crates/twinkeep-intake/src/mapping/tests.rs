//! A mapping is read as specified, and a wrong one is refused with the key and the line.

use expect_test::{Expect, expect};

use super::{Mapping, MappingError, parse_mapping, shipped_mapping, shipped_names};

const HEAD: &str = "format = 1\nname = \"x\"\ntitle = \"X\"\nversion = 1\nsubject = [\"{id}\"]\n";
const TABLE: &str = "[[table]]\nname = \"t\"\n";

fn parse(text: &str) -> Result<Mapping, MappingError> {
    parse_mapping(&format!("{HEAD}{text}"))
}

fn refused(text: &str, expected: Expect) {
    let error = parse(text).unwrap_err();
    expected.assert_eq(&format!("{}: {error}", error.code()));
}

#[test]
fn every_shipped_mapping_is_right_and_called_like_its_file() {
    for name in shipped_names() {
        let mapping = shipped_mapping(name).unwrap();
        assert_eq!(mapping.name(), name);
        assert!(!mapping.table_names().is_empty());
    }
    assert!(matches!(shipped_mapping("x"), Err(MappingError::NotShipped { .. })));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let event = "[[table.event]]\ncode = [\"A\"]\n";
    assert!(parse(&format!("{TABLE}{event}")).is_ok());
    refused("", expect!["mapping-syntax: line 1: missing field `table`"]);
    refused(TABLE, expect!["mapping-syntax: line 6: missing field `event`"]);
    refused(
        &format!("{TABLE}{event}colour = 1\n"),
        expect![
            "mapping-syntax: line 10: unknown field `colour`, expected one of `code`, `columns`, `time`, `value`, `unit`, `text`, `text_with_value`, `optional`, `only`, `sum_over`"
        ],
    );
    refused(
        &format!("{TABLE}{event}time = [\"t\"]\n"),
        expect!["mapping-syntax: line 10: invalid type: string \"t\", expected a table"],
    );
}

#[test]
fn what_is_wrong_in_an_event_is_named_with_its_line() {
    let event = "[[table.event]]\ncode = [\"A\"]\n";
    for (line, expected) in [
        (
            "time = [{ column = \"t\", zone = \"Mars/Base\" }]",
            expect!["mapping-value: line 8: `zone` is none of the IANA time zone database"],
        ),
        (
            "time = [{ column = \"t\", at = \"noon\" }]",
            expect!["mapping-value: line 8: `at` must be a time of day such as `23:59:59`"],
        ),
        (
            "time = [{ column = \"t\", formats = [\"%!\"] }]",
            expect!["mapping-value: line 8: `formats` holds one that `strptime` does not know"],
        ),
        (
            "time = [{ zone = \"UTC\" }]",
            expect!["mapping-value: line 8: `time` needs one of `column`, `columns`, and `origin`"],
        ),
        (
            "time = [{ column = \"t\", offset = \"days\", epoch = \"days\" }]",
            expect![
                "mapping-value: line 8: `time` takes one of `offset`, `epoch`, and `year_minus`"
            ],
        ),
        (
            "value = { constant = inf }",
            expect!["mapping-value: line 8: `value` needs finite numbers"],
        ),
        (
            "value = { column = \"a\", constant = 1 }",
            expect![
                "mapping-value: line 8: `value` is a `column` (with `scale` or `map`), a `product`, or a `constant`"
            ],
        ),
        ("unit = [\"{u\"]", expect!["mapping-value: line 8: `unit` has a `{` without its `}`"]),
        (
            "columns = { a = \"A\" }",
            expect![
                "mapping-value: line 8: `columns` has codes and values of its own, so `code` and `value` must go"
            ],
        ),
        (
            "only = [{ column = \"a\" }]",
            expect!["mapping-value: line 8: `only` says nothing about its column"],
        ),
    ] {
        refused(&format!("{TABLE}{event}{line}\n"), expected);
    }
}

#[test]
fn what_is_wrong_in_a_table_is_named_with_its_line() {
    let event = "[[table.event]]\ncode = [\"A\"]\n";
    for (line, expected) in [
        (
            "dialect = { delimiter = \"ab\" }",
            expect!["mapping-value: line 6: `delimiter` must be one ASCII character"],
        ),
        (
            "dialect = { encoding = \"klingon\" }",
            expect!["mapping-value: line 6: `encoding` is none that the Encoding Standard knows"],
        ),
        (
            "dialect = { decimal = \",\", thousands = \",\" }",
            expect![
                "mapping-value: line 6: `decimal` must be `.` or `,`, and another one than `thousands`"
            ],
        ),
        (
            "join = [{ name = \"j\", lookup = \"l\", key = [\"{a}\"] }]",
            expect!["mapping-value: line 6: `lookup` names no lookup of the mapping"],
        ),
        (
            "subject = []",
            expect![
                "mapping-value: line 6: `subject` must be there, for the mapping or for each table"
            ],
        ),
    ] {
        refused(&format!("{TABLE}{line}\n{event}"), expected);
    }
    refused(
        "[[lookup]]\nname = \"l\"\nfiles = [\"l\"]\nkey = \"k\"\ncolumns = [\"a\"]\n\
         [[table]]\nname = \"t\"\njoin = [{ name = \"j\", lookup = \"l\", key = [\"{a}\"] }]\n\
         [[table.event]]\ncode = [\"{j.b}\"]\n",
        expect!["mapping-value: line 11: `join` has a column that its lookup does not take"],
    );
    let newer = parse_mapping("format = 2\ncolor = 3\n").unwrap_err();
    expect!["the mapping has format 2; this program reads format 1"].assert_eq(&newer.to_string());
    assert!(matches!(parse(&"#".repeat(2 << 20)), Err(MappingError::TooLarge { .. })));
    let name = parse_mapping("format = 1\nname = \"X Y\"\ntitle = \"\"\nversion = 1\ntable = []\n");
    assert!(matches!(name, Err(MappingError::Value { key: "name", line: 2, .. })));
}
