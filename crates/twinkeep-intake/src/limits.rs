//! How much one feed may ask for, each limit with its reason.

/// The limits that one reading obeys; tests use smaller ones.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Longest line of a text file, in bytes.
    pub line_len_max: usize,
    /// Largest text file, in bytes.
    pub text_file_size_max: u64,
    /// Largest Parquet file, in bytes.
    pub parquet_size_max: u64,
    /// Most bytes that an archive may hold once expanded.
    pub expanded_size_max: u64,
    /// How many times larger than its compressed form an archive may be ...
    pub expansion_ratio_max: u64,
    /// ... once it is larger than this, in bytes.
    pub expansion_free: u64,
    /// Most files in one feed.
    pub file_count_max: u64,
    /// Most rows in one feed.
    pub row_count_max: u64,
    /// Most rows of one feed that may go to quarantine.
    pub quarantined_count_max: u64,
}

impl Limits {
    /// What the program uses.
    pub(crate) const STANDARD: Self = Self {
        // A PhysioNet row has about 20 bytes; longer than this is not a row.
        line_len_max: 1024,
        // A stay is held whole in memory; the largest of PhysioNet has 40 KiB.
        text_file_size_max: 64 << 20,
        // A Parquet file is held whole in memory, as its directory is at its end.
        parquet_size_max: 2 << 30,
        // 200 times set-a of PhysioNet 2012.
        expanded_size_max: 8 << 30,
        // Text of this kind shrinks 5 to 20 times; a bomb shrinks 1,000 times.
        expansion_ratio_max: 200,
        expansion_free: 64 << 20,
        // More stays than any hospital sends at once; bounds the bookkeeping of a file.
        file_count_max: 1_000_000,
        // An event takes 56 bytes in memory: 2.8 GB.
        row_count_max: 50_000_000,
        // A refused row takes about 200 bytes. A feed with more is not dirty but of another kind.
        quarantined_count_max: 10_000_000,
    };
}

/// Longest text of one event, in bytes: a discharge letter has about 10 KiB.
pub(crate) const TEXT_LEN_MAX: usize = 1 << 20;

/// Deepest folder that is looked into: data sets have two levels.
pub(crate) const FOLDER_DEPTH_MAX: usize = 8;

/// Longest name of an archive entry, in bytes: the longest path that Linux takes.
pub(crate) const ENTRY_NAME_LEN_MAX: u64 = 4096;
