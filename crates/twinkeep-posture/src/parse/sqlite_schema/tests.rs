//! Tests of statements that make tables, and of files that are none.

use super::{Pages, SchemaError, columns, read};

struct Bytes(Vec<u8>);

impl Pages for Bytes {
    fn read(&mut self, position: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(self.0.len());
        let end = start.saturating_add(length).min(self.0.len());
        Ok(self.0[start..end].to_vec())
    }
}

#[test]
fn columns_are_taken_out_of_statements() {
    let of = |statement: &str| columns(statement).join("|");
    assert_eq!(of("CREATE TABLE t(a, b)"), "a|b");
    assert_eq!(
        of("CREATE TABLE \"a,b(\" ( -- x, y\n id INTEGER PRIMARY KEY, /* z, */ \"date of birth\" \
            TEXT DEFAULT ('a,b'), [first name] TEXT, `last` NUMERIC(10, 2) CHECK (x > 1), \
            PRIMARY KEY (id, x), CONSTRAINT c UNIQUE (a, b), FOREIGN KEY (a) REFERENCES o(b))"),
        "id|date of birth|first name|last"
    );
    assert_eq!(
        of("CREATE VIRTUAL TABLE notes USING fts5(patient_name, body)"),
        "patient_name|body"
    );
    assert_eq!(
        of("CREATE TABLE t(\"a\"\"b\" TEXT, \"check\" INT, größe REAL)"),
        "a\"b|check|größe"
    );
    for odd in ["", "(", "((((", "CREATE TABLE t(\"", "/*", "--", ")))", "CREATE TABLE t([a"] {
        columns(odd);
    }
}

#[test]
fn a_file_that_leads_in_a_circle_ends() {
    let mut page = vec![0_u8; 512];
    page[..16].copy_from_slice(super::MAGIC);
    page[16] = 2;
    // An interior page whose only child is itself.
    page[100] = 0x05;
    page[111] = 1;
    assert_eq!(read(&mut Bytes(page.clone())), Err(SchemaError::TooLarge));
    page[100] = 0x77;
    assert_eq!(read(&mut Bytes(page)), Err(SchemaError::Damaged));
    assert_eq!(read(&mut Bytes(b"hello".to_vec())), Err(SchemaError::Other));
}
