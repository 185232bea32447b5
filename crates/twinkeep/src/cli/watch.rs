//! The words of `watch`.

use clap::Args;

/// Arguments of `watch`.
///
/// As root, the kernel asks before a file of models or keys is opened, read, or run, so that it is
/// known who it was, whatever way was taken. Otherwise it is seen what was done, but not by whom.
/// Every sighting is an entry in the ledger; what is alike within a minute is one.
#[derive(Debug, Args)]
#[command(after_help = "Stop with Ctrl-C or SIGTERM: whoever waits for an answer then goes on.")]
pub(crate) struct WatchArgs {
    /// Refuse the files to everybody but the keep's own program, run by the keep's owner or root
    #[arg(long)]
    pub(crate) deny: bool,
}
