//! The words of `probe`.

use std::path::PathBuf;

use clap::Subcommand;

/// Subcommands of `probe`.
///
/// While the gate serves, it follows who asks as one asks who copies the model, or who wants to know
/// whom it has learned from. With every alarm the answers of whoever asked get coarser, for a day:
/// two digits, then labels, then nothing. What has two digits is marked: a model that learned from it
/// can be told, and whose answers they were.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep probe list")]
pub(crate) enum ProbeCommand {
    /// List who gets coarser answers, and why
    List,
    /// Show one of them, and the alarms that the ledger has of them
    #[command(after_help = "Example: twinkeep probe show key:k2vx9")]
    Show {
        /// Who, as `probe list` calls them
        caller: String,
    },
    /// Give somebody full answers again
    #[command(after_help = "Example: twinkeep probe clear key:k2vx9")]
    Clear {
        /// Who, as `probe list` calls them
        caller: String,
    },
    /// Show how many different inputs in a day a version bears, and why
    Limits {
        /// The version, from `model list` [default: the one in service]
        #[arg(long, value_name = "VERSION")]
        model: Option<String>,
    },
    /// Make questions to put to a model that may be a copy: histories of nobody, one a line
    ///
    /// Each is a body for `POST /api/v1/predict`. The answers of the suspect, one a line in the form of
    /// that call and in the same order, are for `probe mark`.
    #[command(after_help = "Example: twinkeep probe questions --count 2000 > questions.ndjson")]
    Questions {
        /// The version that it may be a copy of, from `model list` [default: the one in service]
        #[arg(long, value_name = "VERSION")]
        model: Option<String>,
        /// How many, up to 10,000
        #[arg(long, default_value_t = 2_000)]
        count: u32,
        /// Another number makes other questions
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Find out whether a suspect learned from the coarse answers of somebody who probed
    ///
    /// Tests for the mark of everybody who ever got less. Whoever has nothing to do with a suspect is
    /// called `marked` with a chance of at most 0.001, for all of them together.
    #[command(after_help = "Example: twinkeep probe mark questions.ndjson answers.ndjson")]
    Mark {
        /// The questions, as `probe questions` made them
        questions: PathBuf,
        /// What the suspect answered, one line for each question; `null` where it did not
        answers: PathBuf,
        /// The version that it may be a copy of, from `model list` [default: the one in service]
        #[arg(long, value_name = "VERSION")]
        model: Option<String>,
        /// Test for the mark of this caller only
        #[arg(long, value_name = "CALLER")]
        caller: Option<String>,
    },
}
