//! The synthesiser: made-up stays in the text format of PhysioNet 2012, for the demo and tests.
//!
//! A stay is a body whose hidden state drifts (`body`), seen through many channels at irregular
//! times (`channel`), with some rows spoiled on purpose (`poison`). Nobody real is behind it, but
//! what makes a forecast better than the last value is there: noise to be averaged, values that
//! return to their mean, channels that tell about each other, treatment that works.
//!
//! # Invariants
//!
//! - The same [`Synth`] gives the same bytes, on any platform: only addition, multiplication,
//!   and square roots are used, which IEEE 754 pins, and no function of a system's library.
//! - Each spoiled row is refused by the shipped pack `icu`, and no other row is.

use std::io;

use flate2::{Compression, GzBuilder};

use crate::synth::body::Health;
use crate::synth::stay::Stay;

mod body;
mod channel;
mod poison;
mod random;
mod stay;

#[cfg(test)]
mod tests;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synth {
    /// Chooses one of many possible cohorts.
    pub seed: u64,
    /// How many stays.
    pub stays: u32,
    /// How many rows to spoil.
    pub poisoned_rows: u32,
}

/// Who comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Season {
    /// Whoever comes most of the year.
    #[default]
    Usual,
    /// More old and very sick people among them: each of them is like such people of any season.
    Winter,
}

/// What was made.
#[derive(Clone)]
pub struct SynthCohort {
    /// Name and content of each file, by name.
    pub files: Vec<(String, Vec<u8>)>,
    /// Rows in all files, without their headers.
    pub rows: u64,
    /// Rows that say "not recorded".
    pub missing: u64,
    /// Rows that were spoiled.
    pub poisoned: u64,
}

impl Synth {
    /// Makes the cohort.
    pub fn make(&self) -> SynthCohort {
        self.make_in(Season::Usual)
    }

    /// Makes the cohort of a season.
    pub fn make_in(&self, season: Season) -> SynthCohort {
        let mut cohort = SynthCohort { files: Vec::new(), rows: 0, missing: 0, poisoned: 0 };
        let spoiled = poison::spread(self);
        for (number, spoiled) in (0..self.stays).zip(spoiled) {
            let mut random = random::Random::new(self.seed, u64::from(number) + 1);
            // Another stream: who comes in winter is otherwise who comes at any time.
            let mut chance = random::Random::new(self.seed, u64::MAX - u64::from(number));
            let health = match season {
                Season::Winter if chance.chance(FRAIL) => Health::Frail,
                _ => Health::Usual,
            };
            let stay = Stay::make(FIRST_RECORD + number, health, &mut random);
            let mut lines = stay.lines;
            poison::spoil(&mut lines, spoiled, &mut random);
            cohort.rows += lines.len() as u64;
            cohort.missing += stay.missing;
            cohort.poisoned += u64::from(spoiled);
            let mut text = String::from("Time,Parameter,Value\n");
            for line in lines {
                text.push_str(&line.text);
                text.push('\n');
            }
            let name = format!("synth/{}.txt", FIRST_RECORD + number);
            cohort.files.push((name, text.into_bytes()));
        }
        cohort
    }
}

impl SynthCohort {
    /// Packs the files into a tar.gz: sorted, without times or owners, so always the same bytes.
    pub fn tar_gz(&self) -> io::Result<Vec<u8>> {
        let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
        let mut builder = tar::Builder::new(gzip);
        for (name, bytes) in &self.files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, bytes.as_slice())?;
        }
        builder.into_inner()?.finish()
    }
}

/// How many of those who come in winter are old and very sick.
const FRAIL: f64 = 0.7;

/// Far from the numbers of PhysioNet 2012 (132539 to 163017), so that nobody takes them for it.
const FIRST_RECORD: u32 = 900_001;
