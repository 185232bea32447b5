//! Every limit of the system that more than one crate must know, each with its reason.

/// Longest code, in bytes: MIMIC's longest MEDS codes have 80.
pub const CODE_LEN_MAX: usize = 256;

/// Longest identifier of a person in a source, in bytes: a UUID has 36, a URI some more.
pub const SOURCE_SUBJECT_LEN_MAX: usize = 256;

/// Most variables in a pack: features grow with it, and no domain needs more.
pub const PACK_VARIABLE_COUNT_MAX: usize = 1024;

/// Largest pack file, in bytes: 1,024 variables with long titles stay well below.
pub const PACK_SIZE_MAX: usize = 1 << 20;

/// Most events in one request for a forecast: two days in intensive care have about 500.
pub const REQUEST_EVENT_COUNT_MAX: usize = 20_000;

/// Longest horizon, in hours: ten years, the longest that any shipped pack could ask for.
pub const HORIZON_HOURS_MAX: f32 = 87_600.0;

/// Most targets of a pack that are about a window: each is a forest, and a person reads them all.
pub const WINDOW_TARGET_COUNT_MAX: usize = 64;

/// Most horizons at which the probability of an event is given: an hour each of a day.
pub const EVENT_HORIZON_COUNT_MAX: usize = 24;

/// Most causes that compete with an event: each leaf holds a number for each.
pub const COMPETING_COUNT_MAX: usize = 3;

/// Fewest and most groups of the words of notes: with fewer, all words meet; each is a feature.
pub const NOTE_BUCKET_COUNT_MIN: usize = 16;
/// See [`NOTE_BUCKET_COUNT_MIN`].
pub const NOTE_BUCKET_COUNT_MAX: usize = 4_096;

/// Longest sequence of words that counts as one: longer ones hardly ever come twice.
pub const NOTE_NGRAM_MAX: usize = 3;

/// Most groups into which a pack divides the subjects at once: a person reads the figures of each.
pub const SUBGROUP_COUNT_MAX: usize = 32;
