//! The words of what is done with senders: who may send, and how their feeds are read.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// `sender ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep sender add general-hospital.identity.pub")]
pub(crate) enum SenderCommand {
    /// Accept feeds from a sender from now on
    Add {
        /// The sender's public identity
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Whose record numbers it speaks in [default: the sender's name]
        ///
        /// The same number at two sites is two people. Give two senders the same site if both
        /// mean the same people by the same numbers.
        #[arg(long, value_name = "NAME")]
        site: Option<String>,
        /// Accept times in the future in all of its feeds: its dates were shifted to protect
        /// people, as in MIMIC
        #[arg(long)]
        dates_shifted: bool,
    },
    /// Say from now on whether the dates of a sender are real or were shifted
    Dates {
        /// The sender's key, from `sender list`
        key: String,
        /// Whether times in the future are accepted
        dates: SenderDates,
    },
    /// List the senders and their last feed
    List,
    /// Show how the rows of each sender are beside those of the others
    ///
    /// Rates, levels, and disagreement with their contexts, and how much worse a forecast of
    /// other people becomes by this sender's rows. `departs` is another population or practice;
    /// `contradicts` has the sender's feeds held.
    Score,
    /// Accept no more feeds from a sender; what was ingested stays
    Revoke {
        /// The sender's key, from `sender list`
        key: String,
    },
}

/// What the dates of a sender are.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SenderDates {
    /// They are when things happened
    Real,
    /// They were shifted to protect people
    Shifted,
}
