//! The words of `scan` and `compliance`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use twinkeep_posture::{Profile, Severity};

/// Arguments of `scan`.
///
/// Facts are collected from targets and judged by rules; nothing is changed. What could not be
/// checked, and what does not apply, never counts as passed. Exit codes: 0 clean, 1 findings, 2
/// wrong usage, 3 nothing found, but something could not be checked.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Targets: keep, host, phi:FOLDER, s3, s3:BUCKET, postgres://USER@HOST/DATABASE, sqlite:PATH, nginx:FILE, \
                  iis:PATH, cfn:PATH, windows:FILE, git:FOLDER, model:PATH, tls:HOST:PORT/PATH\n\
                  Example: twinkeep scan keep host --profile hipaa --fail-on high\n\
                  Example: twinkeep scan phi:/srv/exports --format sarif --out phi.sarif"
)]
pub(crate) struct ScanArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ScanCommand>,

    #[command(flatten)]
    pub(crate) scanned: ScannedArgs,

    /// Hold the outcome against the requirements of this source, and score it
    #[arg(long, value_enum)]
    pub(crate) profile: Option<ProfileName>,

    /// How to write the report; `facts` writes what was collected, for `--facts`
    #[arg(long, value_enum, default_value_t = ScanFormat::Text)]
    pub(crate) format: ScanFormat,

    /// Exit with 1 if something fails that is at least so bad
    #[arg(long, value_enum, default_value_t = SeverityName::Low, value_name = "SEVERITY")]
    pub(crate) fail_on: SeverityName,

    /// Tell people (`[[alert]]` of the keep) what is new since the last recorded scan of the same
    /// targets, and at least as bad as `--fail-on`: rules and counts, in one alert
    #[arg(long, requires = "record")]
    pub(crate) alert: bool,

    /// An earlier report (JSON): what failed in it is known, and does not count
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,

    /// Write the report to this file (mode 0600) instead of the terminal
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// git: print a hook and a line of a pipeline that verify commits, and scan nothing
    #[arg(long)]
    pub(crate) install_hint: bool,

    /// windows: print the collector for PowerShell, which only reads, and scan nothing
    #[arg(long)]
    pub(crate) collector: bool,
}

/// What is scanned.
#[derive(Debug, Args)]
pub(crate) struct ScannedArgs {
    /// What to look at, each with what it needs after a colon [default: keep host]
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Judge the facts in this file, and collect none (repeat for several)
    #[arg(long, value_name = "FILE", conflicts_with = "targets")]
    pub(crate) facts: Vec<PathBuf>,

    /// host: a folder that has to be protected (repeat for several) [default: the keep]
    #[arg(long, value_name = "DIR")]
    pub(crate) sensitive: Vec<PathBuf>,

    /// host: make an audit event, open each folder that has to be protected, and see whether both
    /// come into the log; needs root
    #[arg(long)]
    pub(crate) canary: bool,

    /// keep: a checkpoint of its ledger that a witness cosigned
    #[arg(long, value_name = "FILE", requires = "witness_key")]
    pub(crate) cosigned: Option<PathBuf>,

    /// keep: the public key of that witness
    #[arg(long, value_name = "FILE", requires = "cosigned")]
    pub(crate) witness_key: Option<PathBuf>,

    /// phi: how much of one file is unpacked, in gibibytes, all that is packed in it together
    #[arg(long, value_name = "GIB", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(crate) unpack_max: u64,

    /// git: the branch [default: the one that is checked out]
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,

    /// git: the list of those who may sign
    #[arg(long, value_name = "FILE")]
    pub(crate) signers: Option<PathBuf>,

    /// git: the commit up to which everything was verified before
    #[arg(long, value_name = "COMMIT")]
    pub(crate) since: Option<String>,

    /// git: judge what a push brings, as git tells its hook `pre-receive` on the standard input;
    /// history up to `--since` counts as it is
    #[arg(long, conflicts_with = "branch")]
    pub(crate) pushed: bool,

    /// tls, postgres: the authorities to trust, a PEM file [default: those of the system]
    #[arg(long, value_name = "FILE", env = "PGSSLROOTCERT")]
    pub(crate) ca: Option<PathBuf>,

    /// model: the public key of whoever must have signed it, a PEM file
    #[arg(long, value_name = "FILE")]
    pub(crate) model_key: Option<PathBuf>,

    /// windows: Defender is not to ask the cloud, as the CIS benchmark has it
    #[arg(long)]
    pub(crate) defender_offline: bool,

    /// windows: Defender may send a file if somebody was asked
    #[arg(long)]
    pub(crate) defender_prompts: bool,

    /// windows: a network from which Jupyter may be reached, such as 10.8.0.0/16 (repeat)
    #[arg(long, value_name = "NETWORK")]
    pub(crate) jupyter_network: Vec<String>,

    /// Record it in the ledger of the keep, even if the keep is no target
    #[arg(long)]
    pub(crate) record: bool,
}

/// `scan ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ScanCommand {
    /// Say what a rule is about, what it protects, and what it is evidence for
    Explain {
        /// The rule; all of them if none is named
        rule: Option<String>,
    },
    /// Write down what would be changed so that rules pass; change nothing
    Plan {
        #[command(flatten)]
        scanned: ScannedArgs,
        /// Only what is at least so bad
        #[arg(long, value_enum, default_value_t = SeverityName::Low, value_name = "SEVERITY")]
        at_least: SeverityName,
        /// Where to write the plan: mode 0600, as it may have contents of files
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write scripts for PowerShell that repair a Windows workstation, and that take the repair back
    Scripts {
        /// What the collector wrote down there: windows:FILE
        #[command(flatten)]
        scanned: ScannedArgs,
        /// The folder for `repair.ps1` and `rollback.ps1`
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Make the changes of a plan; a second time, or after a crash, it goes on
    #[command(after_help = "Example: twinkeep scan apply plan.json\n\
                            Example: twinkeep scan apply plan.json --server postgres://admin@db.example/ward")]
    Apply {
        /// The plan
        plan: PathBuf,
        /// The journal of what was changed [default: PLAN.journal]
        #[arg(long, value_name = "FILE")]
        journal: Option<PathBuf>,
        /// Record it in the ledger of the keep
        #[arg(long)]
        record: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Scan again, and say whether the changes of a plan helped
    Verify {
        /// The plan
        plan: PathBuf,
        #[command(flatten)]
        scanned: ScannedArgs,
    },
    /// Say what is new and what became of the rest between recorded scans
    ///
    /// Scans of the keep, and those with `--record`, are recorded: the report is in the keep, and
    /// its digest in the ledger. Compared are the first and the last of those that are shown.
    #[command(after_help = "Example: twinkeep scan trend --last 10 --only keep,host\n\
                            Example: twinkeep scan trend --format csv --out trend.csv")]
    Trend {
        /// How many of the newest recorded scans to look at
        #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        last: u16,
        /// Only scans of just these targets, as in `keep,host` or `phi:/srv/exports` [default: as
        /// the newest one]
        #[arg(long, value_name = "TARGETS", value_delimiter = ',')]
        only: Vec<String>,
        /// How to write it
        #[arg(long, value_enum, default_value_t = TrendFormat::Text)]
        format: TrendFormat,
        /// Where to write it (mode 0600) [default: the terminal]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print units of systemd that scan again and again, and record it
    #[command(after_help = "Example: twinkeep --keep /srv/keep scan timer --every daily keep host")]
    Timer {
        /// When, as in OnCalendar= of systemd
        #[arg(long, value_name = "WHEN", default_value = "daily")]
        every: String,
        /// The unit fails if something fails that is at least so bad
        #[arg(long, value_enum, default_value_t = SeverityName::High, value_name = "SEVERITY")]
        fail_on: SeverityName,
        /// Hold each scan against the requirements of this source
        #[arg(long, value_enum)]
        profile: Option<ProfileName>,
        /// What to look at [default: keep host]
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
    },
    /// Take back what a journal has, the last first
    Rollback {
        /// The journal
        journal: PathBuf,
        /// Record it in the ledger of the keep
        #[arg(long)]
        record: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// The database server that a plan changes.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server of PostgreSQL that the plan is for, as `scan` was told; the password is had as
    /// psql has it
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The authorities to trust, a PEM file [default: those of the system]
    #[arg(long, value_name = "FILE", env = "PGSSLROOTCERT")]
    pub(crate) ca: Option<PathBuf>,
}

/// `compliance ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ComplianceCommand {
    /// Write the record of processing activities (GDPR, article 30) from the configuration
    ///
    /// What nobody configured is said to be missing, with the key of `[processing]` to set.
    #[command(after_help = "Example: twinkeep compliance record --out record.html")]
    Record {
        /// How to write it
        #[arg(long, value_enum, default_value_t = RecordFormat::Html)]
        format: RecordFormat,
        /// Where to write it (mode 0600) [default: the terminal]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write how the requirements of a source stand, requirement by requirement
    #[command(after_help = "Example: twinkeep compliance report --profile hipaa --out hipaa.html")]
    Report(Box<ComplianceReportArgs>),
}

/// `compliance report`
#[derive(Debug, Args)]
pub(crate) struct ComplianceReportArgs {
    #[command(flatten)]
    pub(crate) scanned: ScannedArgs,
    /// The source of requirements
    #[arg(long, value_enum)]
    pub(crate) profile: ProfileName,
    /// How to write it
    #[arg(long, value_enum, default_value_t = ComplianceFormat::Html)]
    pub(crate) format: ComplianceFormat,
    /// Where to write it (mode 0600) [default: the terminal]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The forms of a record of processing activities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    Html,
    Json,
    Text,
}

/// The forms of a report of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScanFormat {
    Text,
    Json,
    Csv,
    Html,
    Sarif,
    Ocsf,
    Oscal,
    Facts,
}

/// The forms of a trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrendFormat {
    Text,
    Json,
    Csv,
}

/// The forms of a report about requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComplianceFormat {
    Html,
    Oscal,
    Json,
}

/// The words of severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeverityName {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityName> for Severity {
    fn from(name: SeverityName) -> Severity {
        match name {
            SeverityName::Informational => Severity::Informational,
            SeverityName::Low => Severity::Low,
            SeverityName::Medium => Severity::Medium,
            SeverityName::High => Severity::High,
            SeverityName::Critical => Severity::Critical,
        }
    }
}

/// The words of sources of requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    Hipaa,
    Gdpr,
    /// HIPAA as proposed in 2025; not in force
    #[value(name = "hipaa-nprm-2025")]
    HipaaNprm2025,
    Aisvs,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Profile {
        match name {
            ProfileName::Hipaa => Profile::Hipaa,
            ProfileName::Gdpr => Profile::Gdpr,
            ProfileName::HipaaNprm2025 => Profile::HipaaProposed,
            ProfileName::Aisvs => Profile::Aisvs,
        }
    }
}
