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
    /// Print, write, load, and check the audit rules for models and keys: needs no key of the keep
    Rules(AuditRulesArgs),
    /// Say for how long ledger and audit logs last at today's rate, against six years (HIPAA)
    #[command(after_help = "Exits with 1 if that is too short (45 CFR 164.316(b)(2)(i)).")]
    Retention {
        /// The newest log of auditd, if it runs here
        #[arg(long, value_name = "FILE", default_value = "/var/log/audit/audit.log")]
        log: PathBuf,
        /// The configuration of auditd
        #[arg(long, value_name = "FILE", default_value = "/etc/audit/auditd.conf")]
        conf: PathBuf,
    },
}

/// Arguments of `watch rules`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without an option, the rules are printed. `--check` exits with 1 if anything is wrong."
)]
pub(crate) struct AuditRulesArgs {
    /// Say them as `-w PATH`, not by the calls that touch files
    #[arg(long)]
    pub(crate) watch_form: bool,

    /// Write them to a file for auditd
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "/etc/audit/rules.d/70-twinkeep.rules",
        group = "what"
    )]
    pub(crate) write: Option<PathBuf>,

    /// Give them to the kernel, with those for io_uring, which auditctl cannot say
    #[arg(long, group = "what")]
    pub(crate) load: bool,

    /// Take them away from the kernel
    #[arg(long, group = "what")]
    pub(crate) unload: bool,

    /// Say whether the kernel has them, and whether anybody gets the records
    #[arg(long, group = "what")]
    pub(crate) check: bool,
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
