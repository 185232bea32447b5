//! The words of `receipt` and `proof`.

use std::path::PathBuf;

use clap::Subcommand;

/// `receipt ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Check a receipt; needs no secret, no keep, and no network
    ///
    /// It holds if the keep signed what it says, and if the keep's ledger holds an entry of it.
    /// With an answer, a single changed digit in the answer is found.
    #[command(after_help = "Example: twinkeep receipt verify answer.json --key ledger.pub")]
    Verify {
        /// A receipt, or an answer of the API with its receipt inside
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The public key of the keep that gave it (public/ledger.pub) [default: the keep's]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The answer, where it is in a file of its own
        #[arg(long, value_name = "FILE")]
        answer: Option<PathBuf>,
        /// What the answer was made from, as docs/formats/receipt.md writes it
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
    },
    /// Make a page that checks receipts in a browser, without a server and without a network
    Page {
        /// The public key to fill in [default: the keep's, if there is one]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Where to write it
        #[arg(long, value_name = "FILE", default_value = "verify.html")]
        out: PathBuf,
    },
}

/// `proof ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ProofCommand {
    /// Write everything that was done with a person's data, with proofs, and nothing of others
    ///
    /// The same as `subject disclosures`. `receipt verify` checks it with nothing but the public
    /// key of the keep.
    Subject {
        /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
        subject: String,
        /// Where to write it: mode 0600
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}
