//! The words of `probe`.

use clap::Subcommand;

/// Subcommands of `probe`.
///
/// While the gate serves, it follows who asks as one asks who copies the model, or who wants to know
/// whom it has learned from. With every alarm the answers of whoever asked get coarser, for a day:
/// two digits, then labels, then nothing.
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
    /// Show how many different inputs in a day a version bears, and the parameters in force
    Limits {
        /// The version, from `model list` [default: the one in service]
        #[arg(long, value_name = "VERSION")]
        model: Option<String>,
    },
}
