//! `[notes]` of a pack file: which notes models learn from, and how.

use serde::Deserialize;
use toml::Spanned;
use twinkeep_domain::{CodePattern, NotePlan};

use super::PackFileError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireNotes {
    codes: Vec<String>,
    #[serde(default = "buckets")]
    buckets: usize,
    #[serde(default = "ngram")]
    ngram: usize,
}

fn buckets() -> usize {
    BUCKET_COUNT
}

fn ngram() -> usize {
    NGRAM
}

/// Reads how notes become numbers, if the pack asks for it.
pub(super) fn notes(
    text: &str,
    format: u32,
    wire: Option<Spanned<WireNotes>>,
) -> Result<Option<NotePlan>, PackFileError> {
    let Some(wire) = wire else { return Ok(None) };
    let line = super::wire::line_of(text, wire.span().start);
    let refuse = |key, reason| PackFileError::Value { line, key, reason };
    if format < 3 {
        return Err(refuse("notes", "needs `format = 3`"));
    }
    let WireNotes { codes, buckets, ngram } = wire.into_inner();
    let reason = "take codes; a `*` at the end stands for all that begin so";
    let pattern = |text: &String| CodePattern::new(text).ok_or(refuse("codes", reason));
    let codes = codes.iter().map(pattern).collect::<Result<_, _>>()?;
    Ok(Some(NotePlan { codes, bucket_count: buckets, ngram }))
}

/// Enough that frequent words rarely meet, and few enough that trees look at all of them.
const BUCKET_COUNT: usize = 256;

/// Pairs tell "no fever" from "fever".
const NGRAM: usize = 2;

#[cfg(test)]
mod tests {
    use super::super::{parse_pack, shipped_text};

    fn with(pack: &str, table: &str) -> Result<(usize, usize), (&'static str, String)> {
        let text = format!("{}\n[notes]\n{table}\n", shipped_text(pack).unwrap());
        let plan = parse_pack(&text).map(|pack| pack.notes().cloned().unwrap());
        plan.map(|plan| (plan.bucket_count, plan.ngram)).map_err(|error| {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            (error.code(), reason.unwrap_or_else(|| error.to_string()))
        })
    }

    #[test]
    fn notes_are_groups_of_pairs_unless_the_pack_says_otherwise() {
        assert_eq!(with("ehr", "codes = [\"LOINC//34117-2\"]"), Ok((256, 2)));
        let table = "codes = [\"LOINC//34*\"]\nbuckets = 64\nngram = 3";
        assert_eq!(with("ehr", table), Ok((64, 3)));
    }

    #[test]
    fn notes_that_make_no_sense_are_refused() {
        let codes = "codes = [\"LOINC//34117-2\"]\n";
        for (pack, table, code, part) in [
            ("icu", codes.to_owned(), "pack-contradiction", "no code that is kept"),
            ("ehr", "codes = []".to_owned(), "pack-contradiction", "names no code"),
            ("ehr", "codes = [\"a*b\"]".to_owned(), "pack-value", "take codes"),
            ("ehr", "codes = [\"HR\"]".to_owned(), "pack-contradiction", "has no text"),
            ("ehr", format!("{codes}buckets = 8"), "pack-contradiction", "16 to 4,096"),
            ("ehr", format!("{codes}buckets = 4097"), "pack-contradiction", "16 to 4,096"),
            ("ehr", format!("{codes}ngram = 0"), "pack-contradiction", "1 to 3"),
            ("ehr", format!("{codes}ngram = 4"), "pack-contradiction", "1 to 3"),
            ("ehr", format!("{codes}stem = true"), "pack-syntax", "stem"),
        ] {
            let (found, reason) = with(pack, &table).unwrap_err();
            assert_eq!(found, code, "{table}");
            assert!(reason.contains(part), "{table}: {reason}");
        }
    }
}
