//! The words of `drift`.

use clap::Args;

/// Arguments of `drift`.
///
/// Inputs, forecasts, and, where they are known by now, errors of people who came by feeds since
/// the version was made are compared with the baseline that is signed with it. A change is an alarm
/// if it has consequences; then the exit code is 1.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep drift --since 2026-11-01T00:00:00Z")]
pub(crate) struct DriftArgs {
    /// The version, from `model list` [default: the one in service]
    #[arg(long, value_name = "VERSION")]
    pub(crate) model: Option<String>,

    /// Only feeds that came at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,

    /// Only this feed, from `feed list`
    #[arg(long, value_name = "FEED")]
    pub(crate) source: Option<String>,

    /// Show what is steady, too
    #[arg(long)]
    pub(crate) all: bool,
}
