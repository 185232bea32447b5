//! Tables that other tables refer to: what a concept id stands for, when an admission ended.
//!
//! A lookup holds the whole table in memory, so it is compact: all texts in one run of bytes, and
//! one number a row. OHDSI's full vocabulary of nine million concepts takes about 350 MiB.

/// One such table.
pub(crate) struct Lookup {
    /// Each row: the key and the values, each behind its length.
    arena: Vec<u8>,
    /// Where the rows begin, sorted by key once it is complete.
    rows: Vec<u32>,
    columns: usize,
}

/// The table is larger than any real one.
#[derive(Debug)]
pub(crate) struct LookupFull;

impl Lookup {
    /// Makes an empty table of so many values a row.
    pub(crate) fn new(columns: usize) -> Self {
        Self { arena: Vec::new(), rows: Vec::new(), columns }
    }

    /// Adds a row. Texts are cut to [`TEXT_LEN_MAX`].
    pub(crate) fn add<'v>(
        &mut self,
        key: &str,
        mut values: impl Iterator<Item = &'v str>,
    ) -> Result<(), LookupFull> {
        let start = u32::try_from(self.arena.len()).map_err(|_| LookupFull)?;
        if LOOKUP_LEN_MAX < self.arena.len() || LOOKUP_COUNT_MAX < self.rows.len() {
            return Err(LookupFull);
        }
        self.rows.push(start);
        for column in 0..=self.columns {
            let text = if column == 0 { key } else { values.next().unwrap_or_default() };
            let text = &text[..text.floor_char_boundary(TEXT_LEN_MAX)];
            self.arena.push(text.len() as u8);
            self.arena.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }

    /// Sorts the rows. Of rows with one key, the first counts.
    pub(crate) fn finish(&mut self) {
        let arena = &self.arena;
        self.rows.sort_by_key(|&row| (text_at(arena, row as usize).0, row));
    }

    /// Finds the row with this key.
    pub(crate) fn find(&self, key: &str) -> Option<Joined<'_>> {
        let before = |row: &u32| text_at(&self.arena, *row as usize).0 < key.as_bytes();
        let row = *self.rows.get(self.rows.partition_point(before))?;
        let (found, values) = text_at(&self.arena, row as usize);
        (found == key.as_bytes()).then_some(Joined { arena: &self.arena, values })
    }
}

/// The values of one row.
#[derive(Clone, Copy)]
pub(crate) struct Joined<'l> {
    arena: &'l [u8],
    values: usize,
}

impl<'l> Joined<'l> {
    /// Returns the value of a column.
    pub(crate) fn value(&self, column: usize) -> &'l str {
        let mut at = self.values;
        let mut text: &[u8] = &[];
        for _ in 0..=column {
            (text, at) = text_at(self.arena, at);
        }
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// Returns the text at `at`, and where the next one begins.
fn text_at(arena: &[u8], at: usize) -> (&[u8], usize) {
    let length = arena.get(at).map_or(0, |&length| usize::from(length));
    let end = at + 1 + length;
    (arena.get(at + 1..end).unwrap_or_default(), end)
}

/// Longest key or value, in bytes: concept codes have 50, times 30.
const TEXT_LEN_MAX: usize = 255;

/// Most bytes in one lookup: three times OHDSI's full vocabulary.
pub(crate) const LOOKUP_LEN_MAX: usize = 1 << 30;

/// Most rows in one lookup.
const LOOKUP_COUNT_MAX: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::Lookup;

    #[test]
    fn what_was_added_is_found_and_nothing_else() {
        let mut lookup = Lookup::new(2);
        for number in 0..1000 {
            let (one, two) = (format!("v{number}"), "ü".repeat(number % 200));
            lookup.add(&number.to_string(), [one.as_str(), two.as_str()].into_iter()).unwrap();
        }
        lookup.add("7", ["second", ""].into_iter()).unwrap();
        lookup.add("short", std::iter::empty()).unwrap();
        lookup.finish();
        assert_eq!(lookup.find("short").unwrap().value(1), "");
        for number in 0..1000 {
            let row = lookup.find(&number.to_string()).unwrap();
            assert_eq!(row.value(0), format!("v{number}"));
            assert!(row.value(1).len() <= 255 && row.value(1).chars().all(|char| char == 'ü'));
        }
        for key in ["", "1000", "07", "v7", "70000"] {
            assert!(lookup.find(key).is_none(), "{key}");
        }
    }
}
