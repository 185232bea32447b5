//! The words of `watch`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `watch`.
///
/// As root, the kernel asks before a file of models or keys is opened, read, or run, so that it is
/// known who it was, whatever way was taken. Otherwise it is seen what was done, but not by whom.
/// Every sighting is an entry in the ledger; what is alike within a minute is one.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Stop with Ctrl-C or SIGTERM: whoever waits for an answer then goes on."
)]
pub(crate) struct WatchArgs {
    /// Refuse the files to everybody but the keep's own program, run by the keep's owner or root
    #[arg(long)]
    pub(crate) deny: bool,

    #[command(subcommand)]
    pub(crate) command: Option<WatchCommand>,
}

/// `watch ...`
#[derive(Debug, Subcommand)]
pub(crate) enum WatchCommand {
    /// Search the logs that auditd writes on this host: needs no keep
    #[command(
        after_help = "Example: twinkeep watch search --key model_access --since today --interpret"
    )]
    Search(AuditSearchArgs),
}

/// Arguments of `watch search`.
#[derive(Debug, Args)]
pub(crate) struct AuditSearchArgs {
    /// Only events with a key that contains this
    #[arg(long, short, value_name = "KEY")]
    pub(crate) key: Option<String>,

    /// Not before: today, yesterday, recent, this-week, this-month, a date, or a time (UTC)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,

    /// Not after
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,

    /// Names of users and calls instead of numbers, and texts instead of hexadecimal
    #[arg(long, short)]
    pub(crate) interpret: bool,

    /// How to print what is found [default: text, or json with `--json`]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<AuditFormat>,

    /// The newest log; those that were rotated are read, too
    #[arg(long, value_name = "FILE", default_value = "/var/log/audit/audit.log")]
    pub(crate) log: PathBuf,
}

/// How events of audit logs are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// The records of each event
    Text,
    /// One line an event, with a header
    Csv,
    /// One object an event
    Json,
    /// One OCSF File System Activity an event
    Ocsf,
}
