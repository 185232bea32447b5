//! `twinkeep selfattack ...`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `selfattack`.
#[derive(Debug, Args)]
pub(crate) struct SelfattackArgs {
    /// Where it is: `https://HOST:PORT`, and a path that needs a credential [default: /api/v1/twins]
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The authorities that its certificate must lead to (PEM), for example `ca.pem` of the keep
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// A file with a key or a token that holds, to be forged
    #[arg(long, value_name = "FILE")]
    pub(crate) credential: Option<PathBuf>,
    /// Where operators come in (`gate.admin_listen`), if that is to be tried as well
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,
    /// Seconds for which a connection may be held open without working
    #[arg(long, default_value_t = 90, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) patience: u64,
    /// The same address once more: attacks on what is not yours are a crime
    #[arg(long, value_name = "URL")]
    pub(crate) i_own_this: Option<String>,
}
