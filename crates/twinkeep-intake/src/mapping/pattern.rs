//! Names of files, as mappings speak of them: without folders, endings, and case.

/// A name in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// Takes a name in any case.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// Returns whether the name of a table, from [`table_name`], is meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// Returns what a file is called without its folder and endings, in lower case.
pub(crate) fn table_name(file: &str) -> String {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file).to_lowercase();
    let mut name = base.as_str();
    for _ in 0..ENDINGS_PER_NAME {
        let ending = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
        name = ending.filter(|shorter| !shorter.is_empty()).unwrap_or(name);
    }
    name.to_owned()
}

/// Endings that say how a file is written.
const ENDINGS: [&str; 8] = [".gz", ".zst", ".csv", ".tsv", ".psv", ".txt", ".parquet", ".sealed"];

/// `events.csv.gz.sealed` has three of them.
const ENDINGS_PER_NAME: usize = 3;

#[cfg(test)]
mod tests {
    use super::{Pattern, table_name};

    #[test]
    fn a_table_is_called_the_same_however_its_file_is_written() {
        for file in
            ["hosp/LABEVENTS.csv.gz", "labevents", "C:\\x\\labevents.CSV", "a/labevents.parquet"]
        {
            assert_eq!(table_name(file), "labevents", "{file}");
        }
        assert_eq!(table_name(".csv"), ".csv");
        assert_eq!(table_name("labevents.old.csv"), "labevents.old");
    }

    #[test]
    fn a_star_stands_for_anything() {
        let matches = |pattern, name| Pattern::new(pattern).matches(name);
        assert!(matches("online_retail*", "online_retail_2010-12"));
        assert!(matches("D_*", "d_items"));
        assert!(matches("*vital*s*", "my_vital_signs"));
        assert!(matches("*", ""));
        assert!(!matches("labevents", "labevents2"));
        assert!(!matches("a*a", "a"));
        assert!(!matches("*b*c", "cb"));
    }
}
