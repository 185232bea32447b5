//! The words of `ledger`.

use std::path::PathBuf;

use clap::Subcommand;
use twinkeep_app::LedgerState;

/// `ledger ...`
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Recompute the whole ledger and check it; needs no secret
    Verify {
        /// A checkpoint that was kept elsewhere (repeat for several)
        #[arg(long = "trusted", value_name = "FILE")]
        trusted: Vec<PathBuf>,
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
    /// Print the public key of the ledger, with its name, as other programs take it
    Key,
}

#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
fn parse_state(text: &str) -> Result<LedgerState, String> {
    Ok(LedgerState::parse(text))
}
