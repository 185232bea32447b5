//! The names of columns for a message: only if they are names, and nothing that a person's row
//! could hold.

use std::io::Cursor;

use crate::csv::{Dialect, Record, Records};

/// Returns the names of the columns of a file that begins like this; `None` if its first line may
/// be something else.
///
/// A first line of names consists of words, and the line below it holds a number, a date, or
/// nothing in at least one place. So a file without a header never shows its first row.
pub(crate) fn presentable(head: &[u8]) -> Option<String> {
    // What is not UTF-8 is most often this; for a message that is good enough.
    let is_utf8 = std::str::from_utf8(head).is_ok() || is_cut(head);
    let encoding = (!is_utf8).then_some(encoding_rs::WINDOWS_1252);
    let dialect = Dialect { encoding, ..Dialect::STANDARD };
    let mut records = Records::open(Box::new(Cursor::new(head)), &dialect).ok()?;
    let (mut names, mut row) = (Record::default(), Record::default());
    let found = records.next(&mut names).ok()? && records.next(&mut row).ok()?;
    if !found || names.len() < 2 || names.len() != row.len() || !names.is_text() {
        return None;
    }
    let columns: Option<Vec<&str>> =
        (0..names.len()).map(|index| name(names.field(index))).collect();
    let differs = (0..row.len()).any(|index| {
        let field = row.field(index);
        field.is_empty() || field.iter().any(u8::is_ascii_digit)
    });
    let mut columns = columns.filter(|_| differs)?;
    if COLUMN_COUNT_MAX < columns.len() {
        columns.truncate(COLUMN_COUNT_MAX);
        columns.push("…");
    }
    Some(columns.join(", "))
}

/// Returns whether a text is UTF-8 but for a last character that is cut off.
fn is_cut(head: &[u8]) -> bool {
    std::str::from_utf8(head).is_err_and(|error| error.error_len().is_none())
}

/// Returns a word that begins with a letter and has no digits in a row that could be a number of
/// a person.
fn name(field: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(field).ok()?.trim();
    let plain = |char: char| char.is_alphanumeric() || "_ -./()".contains(char);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let valid = text.len() <= NAME_LEN_MAX
        && text.starts_with(|char: char| char.is_alphabetic() || char == '_')
        && text.chars().all(plain)
        && digits <= DIGIT_COUNT_MAX;
    valid.then_some(text)
}

/// Names of columns are short.
const NAME_LEN_MAX: usize = 48;

/// `icd9_code` and `doses_per_24_hrs` have digits; a record number has more.
const DIGIT_COUNT_MAX: usize = 3;

/// A message that names more is not read.
const COLUMN_COUNT_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::presentable;

    #[test]
    fn only_what_is_a_header_is_shown() {
        let show = |text: &str| presentable(text.as_bytes());
        assert_eq!(
            show("Patient ID;When;Pulse\n10006;2164-10-23;80\n").unwrap(),
            "Patient ID, When, Pulse"
        );
        let latin = b"Gr\xf6\xdfe;Puls\n180;80\n";
        assert_eq!(presentable(latin).unwrap(), "Größe, Puls");
        // Rows of people without a header.
        for text in [
            "10006,John Smith,80\n10011,Jane Doe,81\n",
            "Smith,John,Boston\nDoe,Jane,Leeds\n",
            "Smith,John,1950-01-01\nDoe,Jane,1960-01-01\n",
            "MRN0012345,HR\nMRN0012346,80\n",
            "one line only,a\n",
            "not a table\nat all\n",
        ] {
            assert_eq!(show(text), None, "{text}");
        }
    }
}
