//! The words of `store` and `keyring`.

use std::path::PathBuf;

use clap::Subcommand;

/// `store ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep store snapshot /backup/monday")]
pub(crate) enum StoreCommand {
    /// Show what the store holds, and what a compaction would gain
    Status,
    /// Move live events into files, and merge small files into large ones; serving goes on
    ///
    /// Nothing is lost if it is interrupted. Older snapshots stay good until the next erasure:
    /// then take a new one.
    Compact,
    /// Copy the keep to a new folder, without the keyring; serving goes on
    Snapshot {
        /// Folder to create
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Make a keep of a snapshot and the newest keyring
    ///
    /// Whoever was erased since is gone. Everybody else is whole if the keyring is a backup from
    /// after the last erasure, or the one in the keep; otherwise nothing is restored.
    Restore {
        /// The snapshot
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Folder to create; it takes the place of the old keep
        #[arg(long, value_name = "KEEP")]
        into: PathBuf,
        /// The newest backup of the keyring, or `store/keyring` of the keep
        #[arg(long, value_name = "FILE")]
        keyring: PathBuf,
        /// The newer ledger of the keep, if it survived
        #[arg(long, value_name = "DIR")]
        ledger: Option<PathBuf>,
        /// Give up entries of the ledger that this machine remembers and the snapshot lacks
        #[arg(long, conflicts_with = "ledger")]
        ledger_lost: bool,
        /// Give up events in files that open no more
        #[arg(long)]
        accept_loss: bool,
    },
}

/// `keyring ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep keyring backup /safe/keyring")]
pub(crate) enum KeyringCommand {
    /// Copy the keyring to a file, with what restoring an older snapshot needs
    ///
    /// Without the keyring no snapshot opens, and an older backup of it opens what was erased
    /// since: make a new one after each erasure and rotation, in the place of the old one.
    Backup {
        /// File to write; an older backup there is replaced and overwritten
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put a backup of the keyring into a keep that lost its own
    Restore {
        /// The newest backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}
