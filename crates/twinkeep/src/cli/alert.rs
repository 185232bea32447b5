//! The words of `alert`.

use clap::Subcommand;

/// Subcommands of `alert`.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// List who is told by twinkeep.toml, and what waits to be delivered
    List,
    /// Tell that nothing is wrong, to see whether it arrives; exits with 1 if it does not
    #[command(after_help = "Example: twinkeep alert test pager")]
    Test {
        /// Its name in twinkeep.toml [default: all of them]
        name: Option<String>,
    },
    /// Deliver what waits now, whether its time has come or not; `serve` delivers by itself
    Send,
    /// List alerts that were refused for good, or too often
    Dead,
    /// Let alerts that were put aside wait again
    #[command(after_help = "Example: twinkeep alert retry --all && twinkeep alert send")]
    Retry {
        /// Its id, from `alert dead`
        #[arg(required_unless_present = "all")]
        id: Option<String>,

        /// All of them
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}
