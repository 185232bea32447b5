//! How a portion of events is cut into shards.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::files::FileNumbers;
use crate::layout::shard_file;
use twinkeep_domain::{Event, Split, Subject};

/// The rows of one subject, and where they go.
pub(crate) struct Placed {
    pub(crate) subject: Subject,
    pub(crate) range: Range<usize>,
    /// Row within the shard.
    pub(crate) first_row: usize,
}

/// A shard that is to be written.
pub(crate) struct Plan {
    pub(crate) split: Split,
    pub(crate) file: String,
    pub(crate) placed: Vec<Placed>,
    pub(crate) row_count: usize,
}

/// Cuts the events into shards: by split, at most [`SHARD_ROWS_MAX`] rows each, and one range of
/// rows for each subject in each shard.
pub(crate) fn plan(
    numbers: &mut FileNumbers,
    rows: &[Event],
    split: &dyn Fn(Subject) -> Split,
) -> Vec<Plan> {
    let mut open: BTreeMap<Split, Plan> = BTreeMap::new();
    let mut done = Vec::new();
    for range in subject_ranges(rows) {
        let subject = rows[range.start].subject;
        let split = split(subject);
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + SHARD_ROWS_MAX);
            let full = |plan: &Plan| SHARD_ROWS_MAX < plan.row_count + (end - start);
            if open.get(&split).is_some_and(full) {
                done.extend(open.remove(&split));
            }
            let plan = open.entry(split).or_insert_with(|| {
                let file = shard_file(split, numbers.next());
                Plan { split, file, placed: Vec::new(), row_count: 0 }
            });
            plan.placed.push(Placed { subject, range: start..end, first_row: plan.row_count });
            plan.row_count += end - start;
            start = end;
        }
    }
    done.extend(open.into_values());
    done
}

/// Returns the range of each subject's rows; they are sorted by subject.
pub(crate) fn subject_ranges(rows: &[Event]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    rows.chunk_by(|left, right| left.subject == right.subject).map(move |chunk| {
        start += chunk.len();
        start - chunk.len()..start
    })
}

/// About 10 MB encrypted: erasing a subject rewrites no more than this.
pub(crate) const SHARD_ROWS_MAX: usize = 1 << 20;
