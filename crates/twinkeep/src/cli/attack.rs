//! The words of attacks on a model, which are run to measure it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `attack ...`
#[derive(Debug, Subcommand)]
pub(crate) enum AttackCommand {
    /// Who was in the training data? Shadow models and likelihood ratios (LiRA)
    Membership(MembershipArgs),
    /// Can the model be copied by asking it? Students of its answers
    Extraction(ExtractionArgs),
    /// What do planted people and planted values do? Canaries, and poison with and without screening
    Poisoning(PoisoningArgs),
    /// Show what attacks on a version found
    Show {
        /// The version, from `model list`
        version: String,
    },
}

/// What all attacks take.
#[derive(Debug, Args)]
pub(crate) struct AttackedArgs {
    /// The version, from `model list` [default: the one in service]
    #[arg(long, value_name = "VERSION")]
    pub(crate) model: Option<String>,

    /// The file of splits that the version was trained with
    #[arg(long, value_name = "FILE")]
    pub(crate) splits: Option<PathBuf>,

    /// Threads; the result does not depend on it [default: from the configuration]
    #[arg(long)]
    pub(crate) threads: Option<u32>,

    /// Start of the attacker's choices
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Arguments of `attack membership`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep attack membership --model VERSION --search --shadows 8")]
pub(crate) struct MembershipArgs {
    #[command(flatten)]
    pub(crate) attacked: AttackedArgs,

    /// How many shadow models: even, at least 4; more find more, and each takes as long as `train`
    #[arg(long, value_name = "NUMBER", default_value_t = 16)]
    pub(crate) shadows: usize,

    /// Then try models with at least so many subjects in a leaf, each with shadows of its own, and
    /// recommend one
    #[arg(
        long,
        value_name = "NUMBER,…",
        value_delimiter = ',',
        num_args = 0..=1,
        default_missing_value = "0,100",
    )]
    pub(crate) search: Vec<usize>,

    /// With `--search`: so many teachers to try with each of them; 0 is none
    #[arg(
        long,
        value_name = "NUMBER,…",
        value_delimiter = ',',
        default_values_t = [0, 3],
        requires = "search",
    )]
    pub(crate) teachers: Vec<usize>,
}

/// Arguments of `attack extraction`.
#[derive(Debug, Args)]
pub(crate) struct ExtractionArgs {
    #[command(flatten)]
    pub(crate) attacked: AttackedArgs,

    /// How many answers a student learns from
    #[arg(
        long,
        value_name = "NUMBER,…",
        value_delimiter = ',',
        default_values_t = [100, 1_000, 10_000],
    )]
    pub(crate) answers: Vec<usize>,
}

/// Arguments of `attack poisoning`.
#[derive(Debug, Args)]
pub(crate) struct PoisoningArgs {
    #[command(flatten)]
    pub(crate) attacked: AttackedArgs,

    /// How many canaries are planted of each kind
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    pub(crate) canaries: usize,

    /// Which poison; may be given several times [default: value flip, outliers, backdoor]
    #[arg(long, value_name = "NAME")]
    pub(crate) kind: Vec<String>,

    /// Which shares of the rows or people are poisoned
    #[arg(
        long,
        value_name = "SHARE,…",
        value_delimiter = ',',
        default_values_t = [0.005, 0.01, 0.05],
    )]
    pub(crate) rates: Vec<f64>,
}
