//! The words of `synth`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `synth`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep synth monday.tar.gz --stays 600 --poisoned 40")]
pub(crate) struct SynthArgs {
    /// File to write: a tar.gz of one text file a stay, as in PhysioNet 2012
    #[arg(value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// How many stays
    #[arg(long, default_value_t = 400)]
    pub(crate) stays: u32,

    /// How many bad rows to hide among them
    #[arg(long, default_value_t = 0)]
    pub(crate) poisoned: u32,

    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,

    /// Who comes: in winter, more people who are old and very sick
    #[arg(long, value_enum, value_name = "SEASON", default_value = "usual")]
    pub(crate) season: SeasonName,
}

/// Who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeasonName {
    /// Whoever comes most of the year
    Usual,
    /// More old and very sick people among them
    Winter,
}
