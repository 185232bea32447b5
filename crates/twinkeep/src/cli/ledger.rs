//! The words of `ledger`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use twinkeep_app::LedgerState;
use twinkeep_domain::Timestamp;

use super::twins::parse_time;

/// `ledger ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep ledger verify --trusted checkpoint.2026-11")]
pub(crate) enum LedgerCommand {
    /// Recompute the whole ledger and check it; needs no secret
    Verify {
        /// Go on from what earlier verifications established; needs the keep's secret
        ///
        /// Entries whose files have not moved since are not read again: that bytes changed without
        /// their file's times is found without this flag only.
        #[arg(long)]
        resume: bool,
        /// A checkpoint that was kept elsewhere (repeat for several)
        #[arg(long = "trusted", value_name = "FILE")]
        trusted: Vec<PathBuf>,
        /// The public key of a witness that must have cosigned each of them (repeat for several)
        #[arg(long = "witness", value_name = "FILE")]
        witnesses: Vec<PathBuf>,
    },
    /// Show the newest entries
    Show {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u64,
        /// Start at this entry instead
        #[arg(long, value_name = "INDEX")]
        from: Option<u64>,
    },
    /// Prove that the ledger holds an entry: a file that holds without the ledger
    Prove {
        /// The entry's index, from `ledger show`
        #[arg(value_name = "INDEX")]
        index: u64,
        /// Where to write the proof (C2SP tlog-proof) [default: print it]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check a proof of an entry; needs no secret and no ledger
    VerifyProof {
        /// The proof
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The public key of the ledger it is of [default: that of the keep]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Show that one state of the ledger is the beginning of a later one
    Consistency {
        /// A number of entries, or a file with a checkpoint that was kept
        #[arg(value_name = "OLD", value_parser = parse_state)]
        old: LedgerState,
        /// The same [default: as the ledger is now]
        #[arg(value_name = "NEW", value_parser = parse_state)]
        new: Option<LedgerState>,
        /// Write the proof with the later checkpoint, as a witness takes it (C2SP tlog-witness)
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Find entries: by time, by who, by what, by whom it is about, and by how it ended
    ///
    /// An index beside the ledger says where there is nothing to be found; it is made by the first
    /// search. What is found was read from the ledger and checked.
    #[command(
        after_help = "Example: twinkeep ledger search --actor key:7cc1ba1e --outcome failure"
    )]
    Search {
        #[command(flatten)]
        query: QueryArgs,
        /// How many at most: the newest
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Read every entry: somebody may have changed the index
        #[arg(long)]
        scan: bool,
    },
    /// Write entries for other systems, one a line
    Export {
        /// OCSF events as they are in the ledger, or FHIR R4 AuditEvent resources
        #[arg(long, value_enum)]
        format: ExportAs,
        #[command(flatten)]
        query: QueryArgs,
        /// Where to write them [default: print them]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the public key of the ledger, with its name, as other programs take it
    Key,
}

/// Which entries.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// None before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) from: Option<Timestamp>,
    /// None at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<Timestamp>,
    /// Done by `operator`, `system`, `gate`, or `key:ID`
    #[arg(long, value_name = "WHO")]
    pub(crate) actor: Option<String>,
    /// What was done: `twin.forecast`, or `twin.*` for all that begins so
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// About this person: the reference of 32 digits that entries have, or what `twin show` takes
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: Option<String>,
    /// `success`, `failure`, or the code of a refusal
    #[arg(long, value_name = "HOW")]
    pub(crate) outcome: Option<String>,
}

/// How entries are written for other systems.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportAs {
    /// OCSF 1.5.0 events
    Ocsf,
    /// FHIR R4 AuditEvent resources
    Fhir,
}

#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
fn parse_state(text: &str) -> Result<LedgerState, String> {
    Ok(LedgerState::parse(text))
}
