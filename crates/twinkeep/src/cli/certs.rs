//! `twinkeep cert ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Subcommands of `cert`.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example: twinkeep cert issue ward --csr ward.csr --scope twins:read --out certs"
)]
pub(crate) enum CertCommand {
    /// Issue a certificate to a client
    ///
    /// With `--csr`, the private key stays with its owner: that is the better way. Without it, the
    /// keep makes a key, hands it out once, and keeps none.
    Issue(IssueArgs),
    /// List the certificates
    List,
    /// Issue the successor of a certificate; the old one lives on for a while
    Renew(RenewArgs),
    /// Revoke a certificate, at once, on open connections, too
    Revoke {
        /// The certificate's id, from `cert list`
        id: String,
    },
    /// Print the list of revoked certificates (CRL, PEM), for other systems
    Crl {
        /// Write it to this file instead
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Say what the gate would take a certificate for
    Check {
        /// A file with the certificate and those that lead to its authority, leaf first (PEM)
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Arguments of `cert issue`.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    /// What to call it, for example the application's name
    pub(crate) name: String,
    /// What its holder may do (repeat for several) [default: predict, twins:read]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// What its holder is to others, for the policy (repeat for several)
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// Whose record numbers its live events speak in [default: local]
    #[arg(long, value_name = "NAME")]
    pub(crate) site: Option<String>,
    /// The SPIFFE ID that it proves [default: one of the keep's own]
    #[arg(long, value_name = "URI", conflicts_with = "dns")]
    pub(crate) spiffe: Option<String>,
    /// The DNS name that it proves instead
    #[arg(long, value_name = "HOST")]
    pub(crate) dns: Option<String>,
    /// Days until it expires
    #[arg(long, default_value_t = 90, value_name = "DAYS")]
    pub(crate) days: u32,
    #[command(flatten)]
    pub(crate) files: CertFiles,
}

/// Arguments of `cert renew`.
#[derive(Debug, Args)]
pub(crate) struct RenewArgs {
    /// The certificate's id, from `cert list`
    pub(crate) id: String,
    /// Days until the successor expires
    #[arg(long, default_value_t = 90, value_name = "DAYS")]
    pub(crate) days: u32,
    /// Days that the old certificate lives on
    #[arg(long, default_value_t = 7, value_name = "DAYS")]
    pub(crate) overlap_days: u32,
    #[command(flatten)]
    pub(crate) files: CertFiles,
}

/// Where a new certificate comes from and goes to.
#[derive(Debug, Args)]
pub(crate) struct CertFiles {
    /// A request for a certificate (PKCS#10, PEM): the private key stays where it is
    #[arg(long, value_name = "FILE", required_unless_present = "out")]
    pub(crate) csr: Option<PathBuf>,
    /// Write NAME.pem, and NAME.key (mode 0600) if the keep makes the key, to this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
