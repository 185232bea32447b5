//! Stays of PhysioNet 2012 for benchmarks of the engine, read as the product reads them.

use std::path::Path;

use twinkeep_domain::{Cohort, Pack, Timeline, Timestamp};
use twinkeep_intake::{Dates, Judgement, ReadOptions, Source, read_at_once};
use twinkeep_vault::{Pseudonymizer, SecretKey};

/// All stays of an archive, in five parts.
pub(crate) struct Parts(Cohort);

impl Parts {
    /// Reads an archive.
    pub(crate) fn read(pack: &Pack, path: &Path) -> Self {
        let key = SecretKey::from_slice(&[7; 32]).expect("32 bytes are a key");
        let pseudonyms = Pseudonymizer::new(&key);
        let options = ReadOptions {
            pack,
            pseudonyms: &pseudonyms,
            now: Timestamp::RELATIVE_ORIGIN,
            spool: &std::env::temp_dir(),
            mapping: None,
            dates: Dates::Shifted,
            judgement: Judgement::ByThePack,
            deidentify: None,
            panel: None,
        };
        let (portion, _) = read_at_once(Source::Path(path), &options, &mut |_| ())
            .expect("the archive is readable");
        let events = portion.screened.into_events();
        let timelines = events
            .rows
            .chunk_by(|one, other| one.subject == other.subject)
            .filter_map(|rows| Timeline::new(rows[0].subject, rows.to_vec()))
            .collect();
        Self(Cohort { codes: events.codes().to_vec(), timelines })
    }

    /// Returns the stays of some of the parts.
    pub(crate) fn cohort(&self, parts: &[usize]) -> Cohort {
        let own = self.0.timelines.iter().enumerate().filter(|(at, _)| parts.contains(&(at % 5)));
        Cohort {
            codes: self.0.codes.clone(),
            timelines: own.map(|(_, timeline)| timeline.clone()).collect(),
        }
    }
}
