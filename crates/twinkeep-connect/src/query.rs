//! Queries as they are sent: what the operator wrote, inside a frame that can only read.
//!
//! A query is prepared on its own before it is put into the frame. What stands on its own has all
//! its quotes, comments, and brackets closed, so it cannot reach out of the frame.

use crate::database::Column;

/// A query that gives rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(String);

/// Which rows are asked for: those that are as new as a mark, or almost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newer {
    /// The column that only grows.
    pub column: Column,
    /// The highest value that was seen, as [`Database::highest`](crate::Database::highest) gave it.
    pub mark: String,
    /// How far to reach back behind it, for rows that became visible late: an interval for times,
    /// a number for numbers. By default, what [`Column::overlap`] says.
    pub overlap: Option<String>,
}

/// Why a text is no query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// There is nothing in it.
    #[error("the query is empty")]
    Empty,
    /// No honest query is so long.
    #[error("the query has more than {QUERY_LEN_MAX} bytes")]
    TooLong,
    /// It holds a byte that no text of PostgreSQL has.
    #[error("the query or name holds a zero byte")]
    Zero,
    /// It names no table.
    #[error("a table is named as `TABLE` or `SCHEMA.TABLE`")]
    Table,
}

impl QueryError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        "database-query-text"
    }
}

impl Query {
    /// Takes one query; a semicolon at its end is left out.
    pub fn new(text: &str) -> Result<Self, QueryError> {
        let text = text.trim_end_matches(|c: char| c.is_whitespace() || c == ';').trim_start();
        if text.is_empty() {
            return Err(QueryError::Empty);
        }
        if QUERY_LEN_MAX < text.len() {
            return Err(QueryError::TooLong);
        }
        if text.contains('\0') {
            return Err(QueryError::Zero);
        }
        Ok(Self(text.to_owned()))
    }

    /// Asks for all columns of one table, named exactly: `TABLE` or `SCHEMA.TABLE`.
    pub fn table(name: &str) -> Result<Self, QueryError> {
        let parts: Vec<&str> = name.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) || 2 < parts.len() {
            return Err(QueryError::Table);
        }
        if name.contains('\0') {
            return Err(QueryError::Zero);
        }
        Ok(Self::all_of(&parts))
    }

    /// As [`Query::table`], for a table and a schema whose names may hold points.
    pub fn in_schema(schema: &str, table: &str) -> Result<Self, QueryError> {
        if schema.contains('\0') || table.contains('\0') {
            return Err(QueryError::Zero);
        }
        Ok(Self::all_of(&[schema, table]))
    }

    fn all_of(names: &[&str]) -> Self {
        let quoted: Vec<String> = names.iter().map(|name| quote_name(name)).collect();
        Self(format!("SELECT * FROM {}", quoted.join(".")))
    }

    /// Returns the query alone.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Returns the statement that gives the rows as CSV with a header.
    pub(crate) fn copy(&self, newer: Option<&Newer>) -> String {
        // The line break ends a comment that the query may end with.
        let rows = match newer {
            None => format!("{}\n", self.0),
            Some(newer) => {
                let column = quote_name(&newer.column.name);
                let floor = newer.floor();
                format!("SELECT * FROM (\n{}\n) AS source WHERE source.{column} >= {floor}", self.0)
            }
        };
        format!("COPY (\n{rows}) TO STDOUT WITH (FORMAT csv, HEADER)")
    }

    /// Returns the statement that gives the highest value of a column, as text.
    ///
    /// Times that are yet to come do not count: one wrong clock would hide every row after it.
    pub(crate) fn highest(&self, column: &Column) -> String {
        let name = quote_name(&column.name);
        let bound = if column.is_time() {
            format!(" WHERE source.{name} <= now() AND isfinite(source.{name})")
        } else {
            String::new()
        };
        format!("SELECT max(source.{name})::text FROM (\n{}\n) AS source{bound}", self.0)
    }
}

impl Newer {
    fn floor(&self) -> String {
        let kind = &self.column.kind;
        let overlap = self.overlap.as_deref().unwrap_or(self.column.overlap());
        let overlap_kind = if self.column.is_time() { "interval" } else { kind };
        let (mark, overlap) = (quote_text(&self.mark), quote_text(overlap));
        format!("{mark}::{kind} - {overlap}::{overlap_kind}")
    }
}

impl Column {
    /// Returns whether a mark can be kept of this column: it is a time or a whole number.
    pub fn can_be_marked(&self) -> bool {
        self.is_time() || ["smallint", "integer", "bigint"].contains(&self.kind.as_str())
    }

    /// Returns how far to reach back by default: a transaction may take some minutes to end, and
    /// numbers of a sequence may be used late.
    pub fn overlap(&self) -> &'static str {
        match self.kind.as_str() {
            "date" => "2 days",
            _ if self.is_time() => "10 minutes",
            _ => "1000",
        }
    }

    fn is_time(&self) -> bool {
        ["timestamp with time zone", "timestamp without time zone", "date"]
            .contains(&self.kind.as_str())
    }
}

/// A name as SQL takes it exactly.
fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL takes it, whatever `standard_conforming_strings` says.
fn quote_text(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A query that people write has a few hundred bytes.
const QUERY_LEN_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::{Newer, Query, QueryError, quote_text};
    use crate::Column;

    fn column(name: &str, kind: &str) -> Column {
        Column { name: name.to_owned(), kind: kind.to_owned() }
    }

    #[test]
    fn a_semicolon_at_the_end_is_left_out() {
        assert_eq!(Query::new(" SELECT 1 ;\n").unwrap().text(), "SELECT 1");
        assert_eq!(Query::new(" ; "), Err(QueryError::Empty));
        assert_eq!(Query::new("SELECT '\0'"), Err(QueryError::Zero));
    }

    #[test]
    fn a_comment_at_the_end_does_not_swallow_the_frame() {
        let text = Query::new("SELECT 1 -- all").unwrap().copy(None);
        assert_eq!(text, "COPY (\nSELECT 1 -- all\n) TO STDOUT WITH (FORMAT csv, HEADER)");
    }

    #[test]
    fn tables_are_named_exactly() {
        assert_eq!(
            Query::table("Ward.x\"; y").unwrap().text(),
            "SELECT * FROM \"Ward\".\"x\"\"; y\""
        );
        for name in ["", ".", "a.", ".a", "a.b.c"] {
            assert_eq!(Query::table(name), Err(QueryError::Table), "{name}");
        }
    }

    #[test]
    fn the_mark_is_a_quoted_text_of_the_columns_type() {
        let query = Query::new("SELECT * FROM t").unwrap();
        let newer = Newer {
            column: column("a\"b", "timestamp with time zone"),
            mark: "2026-01-01' OR true --".to_owned(),
            overlap: None,
        };
        let text = query.copy(Some(&newer));
        let condition = "source.\"a\"\"b\" >= \
                         '2026-01-01'' OR true --'::timestamp with time zone - \
                         '10 minutes'::interval";
        assert!(text.contains(condition), "{text}");
        let newer = Newer {
            column: column("id", "bigint"),
            mark: "7".to_owned(),
            overlap: Some("3".to_owned()),
        };
        assert!(query.copy(Some(&newer)).contains("source.\"id\" >= '7'::bigint - '3'::bigint"));
        assert!(!column("name", "text").can_be_marked());
    }

    #[test]
    fn a_backslash_ends_no_text() {
        assert_eq!(quote_text("a\\' b"), "E'a\\\\'' b'");
    }
}
