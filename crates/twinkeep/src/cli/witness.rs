//! The words of `witness`.

use std::path::PathBuf;

use clap::Subcommand;

/// `witness ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Where the ledger is: twinkeep ledger consistency SIZE --out request\n\
                  Where the witness is: twinkeep witness cosign request --out cosigned")]
pub(crate) enum WitnessCommand {
    /// Print the public key of this keep as a witness (C2SP tlog-cosignature)
    Key,
    /// Watch a ledger: what `ledger key` prints where it is
    Add {
        /// The public key of the ledger, with its name
        #[arg(value_name = "FILE")]
        key: PathBuf,
    },
    /// List the ledgers that are watched, and how far each was seen
    List,
    /// Cosign a checkpoint that continues what was seen; refuse a fork and a rollback
    ///
    /// A refusal of that kind exits with 1 and leaves an entry of high severity in the ledger.
    Cosign {
        /// What `ledger consistency SIZE --out FILE` writes, SIZE being that of `witness list`
        #[arg(value_name = "REQUEST")]
        request: PathBuf,
        /// Where to write the cosigned checkpoint [default: print it]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}
