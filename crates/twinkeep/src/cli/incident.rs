//! `twinkeep incident ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Subcommands of `incident`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep incident show inc-1")]
pub(crate) enum IncidentCommand {
    /// List incidents that are not closed
    List {
        /// List closed ones, too
        #[arg(long)]
        all: bool,
    },
    /// Show what was found, what was done about it, and which time limits run
    Show {
        /// The incident, from `incident list`
        incident: String,
    },
    /// Say that you look after an incident
    Ack {
        /// The incident
        incident: String,
    },
    /// Write a note, or a part of the report
    Note(IncidentNoteArgs),
    /// Close an incident; what was contained stays so
    Close {
        /// The incident
        incident: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Rehearse: open an incident of which nothing is wrong, as a detector would
    Drill(IncidentDrillArgs),
    /// Write the report for a supervisory authority (GDPR art. 33(3))
    Report(IncidentReportArgs),
    /// Show what was kept before anything was done: files, who had them open, who listened
    #[command(after_help = "Example: twinkeep incident evidence inc-1 --json")]
    Evidence {
        /// The incident
        incident: String,
    },
    /// Write what an approver is asked to agree to before an incident is undone
    Request {
        /// The incident
        incident: String,
        /// Where to write it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Undo what was done about an incident, in reverse order
    Rollback {
        /// The incident
        incident: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// An approval (repeat for several), from `model approve`
        #[arg(long = "approval", value_name = "FILE")]
        approvals: Vec<PathBuf>,
    },
    /// Go on with what was interrupted, and try again what failed in the incident that is named
    Resume {
        /// The incident [default: what was interrupted in all of them]
        incident: Option<String>,
    },
    /// Look after what is done about incidents
    #[command(subcommand)]
    Playbook(PlaybookCommand),
}

/// Arguments of `incident note`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep incident note inc-1 --about contact \
    'Data protection officer, dpo@hospital.example'")]
pub(crate) struct IncidentNoteArgs {
    /// The incident
    pub(crate) incident: String,
    /// What to write
    pub(crate) text: String,
    /// What part of the report it is: general (none), nature, subjects, records, contact,
    /// consequences, measures, or delay
    #[arg(long, value_name = "PART", default_value = "general")]
    pub(crate) about: String,
}

/// Arguments of `incident drill`.
///
/// What the playbook says is done, to what is named: a drill that contains nothing shows nothing.
/// `--dry-run` prints each step, what is there before, and what would hold then.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: twinkeep incident drill --as model-integrity --model m-1 --dry-run"
)]
pub(crate) struct IncidentDrillArgs {
    /// The detector whose playbook is rehearsed
    #[arg(long = "as", value_name = "DETECTOR", default_value = "drill")]
    pub(crate) detector: String,
    /// informational, low, medium, high, or critical
    #[arg(long, default_value = "high")]
    pub(crate) severity: String,
    /// About this model version
    #[arg(long, value_name = "VERSION", group = "target")]
    pub(crate) model: Option<String>,
    /// About this feed
    #[arg(long, value_name = "FEED", group = "target")]
    pub(crate) feed: Option<String>,
    /// About whoever calls by this name: `key:...`, `token:...`, `cert:...`
    #[arg(long, value_name = "CALLER", group = "target")]
    pub(crate) identity: Option<String>,
    /// About this route of the gate
    #[arg(long, value_name = "ROUTE", group = "target")]
    pub(crate) route: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `incident report`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep incident report inc-1 --out report.html")]
pub(crate) struct IncidentReportArgs {
    /// The incident
    pub(crate) incident: String,
    /// Where to write the page; without it, the report is printed
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Subcommands of `incident playbook`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep incident playbook export model --out model.json")]
pub(crate) enum PlaybookCommand {
    /// List playbooks, and what each is for
    List,
    /// Show a playbook as a file of a keep
    Show {
        /// Its name
        name: String,
    },
    /// Check a file: TOML as a keep has it, or CACAO 2.0
    Check {
        /// The file
        file: PathBuf,
    },
    /// Put a playbook into the keep, in the place of the shipped one of its name
    Import {
        /// A file: TOML as a keep has it, or CACAO 2.0
        file: PathBuf,
        /// It may do what cannot be undone
        #[arg(long)]
        confirm: bool,
    },
    /// Write a playbook as CACAO 2.0
    Export {
        /// Its name
        name: String,
        /// Where to write it [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}
