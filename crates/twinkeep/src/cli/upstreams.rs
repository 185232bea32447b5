//! `twinkeep upstream ...`.

use std::path::PathBuf;

use clap::Subcommand;

/// Subcommands of `upstream`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep upstream check")]
pub(crate) enum UpstreamCommand {
    /// List the model servers of twinkeep.toml, and how the gate that serves finds them
    List,
    /// Connect to model servers now, from here, and say what they answer
    Check {
        /// Its name in twinkeep.toml [default: all of them]
        name: Option<String>,
    },
    /// Keep, sealed, what the gate logs in to a model server with
    Login {
        /// Its name in twinkeep.toml
        name: String,
        /// A file with the value of its `login_header`, such as `Bearer ...`; `-` reads standard
        /// input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Forget it
    Logout {
        /// Its name in twinkeep.toml
        name: String,
    },
}
