//! How much one feed may ask for, each limit with its reason.

/// The limits that one reading obeys; tests use smaller ones.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Longest line of a text file, in bytes.
    pub line_len_max: usize,
    /// Largest text file, in bytes.
    pub text_file_size_max: u64,
    /// About how many bytes of rows are held before they are handed on.
    pub portion_size_max: u64,
    /// Most bytes that a file or an archive may hold once expanded.
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
        // About 350,000 rows. One portion is read while another is sorted and copied, so that five
        // times as much is taken in all; less would make more shards than there is use for.
        portion_size_max: 32 << 20,
        // Ten times MIMIC-IV, which has 100 GiB once expanded.
        expanded_size_max: 1 << 40,
        // Text of this kind shrinks 5 to 20 times; a bomb shrinks 1,000 times.
        expansion_ratio_max: 200,
        expansion_free: 64 << 20,
        // More stays than any hospital sends at once; bounds the bookkeeping of a file.
        file_count_max: 1_000_000,
        // Twenty times MIMIC-IV, which has 500 million.
        row_count_max: 10_000_000_000,
        // A refused row takes about 100 bytes on the disk. A feed with more is not dirty but of
        // another kind.
        quarantined_count_max: 1_000_000_000,
    };
}

/// Longest text of one event, in bytes: a discharge letter has about 10 KiB.
pub(crate) const TEXT_LEN_MAX: usize = 1 << 20;

/// Deepest folder that is looked into: data sets have two levels.
pub(crate) const FOLDER_DEPTH_MAX: usize = 8;

/// Longest name of an archive entry, in bytes: the longest path that Linux takes.
pub(crate) const ENTRY_NAME_LEN_MAX: u64 = 4096;

/// A Zstandard file may ask its reader to remember this much, as a power of 2: 128 MiB, which is
/// what its own tools take without being told to.
pub(crate) const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How far ahead of the present a time may be, in hours: clocks differ, and some sources give
/// local time without saying so.
pub(crate) const FUTURE_HOURS_MAX: f64 = 24.0;

/// Of how many subjects age and sex are remembered from one portion to the next: 64 MiB.
pub(crate) const DEMOGRAPHICS_COUNT_MAX: usize = 1_000_000;
