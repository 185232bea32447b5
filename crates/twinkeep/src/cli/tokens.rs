//! `twinkeep issuer ...` and `twinkeep token ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Subcommands of `issuer`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep issuer refresh clinic")]
pub(crate) enum IssuerCommand {
    /// List the issuers of twinkeep.toml, and what is known of their keys
    List,
    /// Fetch the keys of an issuer now
    Refresh {
        /// Its name in twinkeep.toml
        name: String,
    },
}

/// Subcommands of `token`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep token check token.txt")]
pub(crate) enum TokenCommand {
    /// Say what the gate would take a token for
    Check {
        /// A file with the token; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A file with the certificate that is shown beside it (PEM)
        #[arg(long, value_name = "FILE")]
        cert: Option<PathBuf>,
    },
    /// Revoke one token, or all of somebody's, at once
    Revoke(TokenArgs),
    /// Take a revocation back
    Allow(TokenArgs),
    /// List what is revoked
    List,
}

/// Which tokens.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The issuer's name in twinkeep.toml
    pub(crate) issuer: String,
    /// The token's own id, its claim `jti`
    #[arg(long, value_name = "JTI", required_unless_present = "subject")]
    pub(crate) id: Option<String>,
    /// Whom they are about, their claim `sub`: those to come, too
    #[arg(long, value_name = "SUB", conflicts_with = "id")]
    pub(crate) subject: Option<String>,
}
