//! The words of `seal` and `open`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `seal`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: twinkeep seal monday/ --identity general-hospital.identity --to keep.identity.pub"
)]
pub(crate) struct SealArgs {
    /// File or folder to seal
    #[arg(value_name = "PATH")]
    pub(crate) input: PathBuf,

    /// The sender's private identity
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: PathBuf,

    /// Public identity of a recipient (repeat for several)
    #[arg(long = "to", required = true, value_name = "FILE")]
    pub(crate) recipients: Vec<PathBuf>,

    /// Where to write the feed [default: PATH.sealed]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Arguments of `open`.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// The sealed feed
    #[arg(value_name = "FEED")]
    pub(crate) feed: PathBuf,

    /// The recipient's private identity
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: PathBuf,

    /// Public identity of a sender to accept (repeat for several)
    #[arg(long = "from", required = true, value_name = "FILE")]
    pub(crate) senders: Vec<PathBuf>,

    /// Where to write what is inside: plaintext, mode 0600
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}
