//! The words of `twin ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use twinkeep_app::Moment;
use twinkeep_domain::Timestamp;

/// `twin ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep twin forecast sub-0123456789abcdef --target HR")]
pub(crate) enum TwinCommand {
    /// List the twins
    List {
        /// How many at most
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Where the last listing stopped
        #[arg(long, value_name = "SUBJECT")]
        after: Option<String>,
    },
    /// Show the state of one twin
    Show {
        /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
        subject: String,
        /// As it was then: HOURS after the first event, or a time (RFC 3339)
        #[arg(long, value_name = "WHEN", value_parser = parse_moment, allow_negative_numbers = true)]
        at: Option<Moment>,
    },
    /// Read the events of one twin, a page at a time
    History {
        /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
        subject: String,
        /// None before this time (RFC 3339), and none that holds at all times
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        from: Option<Timestamp>,
        /// None after this time (RFC 3339)
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        to: Option<Timestamp>,
        /// Of one code
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = twinkeep_app::EVENTS_DEFAULT)]
        limit: usize,
        /// Where the last page ended
        #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
        after: Option<String>,
    },
    /// Forecast one twin: all targets, or one with a fan chart
    Forecast {
        /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
        subject: String,
        /// One target, with a chart
        #[arg(long, value_name = "CODE")]
        target: Option<String>,
        /// Stand there and look at nothing later: HOURS after the first event, or a time (RFC 3339)
        #[arg(long, value_name = "WHEN", value_parser = parse_moment, allow_negative_numbers = true)]
        at: Option<Moment>,
        /// Write the fan chart as SVG: plaintext, mode 0600
        #[arg(long, value_name = "FILE", requires = "target")]
        svg: Option<PathBuf>,
        /// Write a receipt: a signed statement of what this answer rests on, for `receipt verify`
        #[arg(long, value_name = "FILE", conflicts_with = "target")]
        receipt: Option<PathBuf>,
        /// Print a Bundle of FHIR R4: Observations in the future, and RiskAssessments
        #[arg(long, conflicts_with_all = ["target", "receipt"])]
        fhir: bool,
    },
    /// Print what changes, one twin's or everybody's, until it is stopped
    Changes {
        /// `sub-...` from `twin list`, or the source's own identifier; by default, all twins
        subject: Option<String>,
        /// Go on after this id of an earlier message; by default, from now on
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// Print a twin's new forecast with its change
        #[arg(long)]
        forecast: bool,
        /// Print what changed until now, and end
        #[arg(long)]
        once: bool,
    },
    /// Say why the forecast of a target is what it is, and how good such forecasts were so far
    Explain {
        /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
        subject: String,
        /// The target
        #[arg(long, value_name = "CODE")]
        target: String,
        /// How far ahead; by default, the pack's horizon
        #[arg(long, value_name = "HOURS")]
        ahead: Option<f32>,
        /// Stand there and look at nothing later: HOURS after the first event, or a time (RFC 3339)
        #[arg(long, value_name = "WHEN", value_parser = parse_moment, allow_negative_numbers = true)]
        at: Option<Moment>,
        /// How many drivers are told one by one
        #[arg(long, value_name = "N", default_value_t = twinkeep_app::DRIVERS_DEFAULT)]
        drivers: usize,
        /// Write a receipt: a signed statement of what this answer rests on, for `receipt verify`
        #[arg(long, value_name = "FILE")]
        receipt: Option<PathBuf>,
    },
    /// Draw many paths of what may happen to all targets together
    ///
    /// Over all paths, each value is spread as its calibrated forecast says; values of different
    /// moments and targets go together as they do in real lives. A forecast says how low a value
    /// may be at one moment; paths say how low it will get on the way.
    Simulate(SimulateArgs),
    /// Forecast a twin as if some of its values were others
    ///
    /// Associational, not causal: it says what goes together with such values in others. Refused
    /// where fewer than 20 similar training subjects had such a value.
    Whatif(WhatIfArgs),
    /// Say how it went on with others who were like a twin, as an anonymous summary
    ///
    /// Reads everybody's events. Nobody is named, and no group below 20 is told.
    Similar(SimilarArgs),
}

/// Arguments of `twin whatif`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep twin whatif sub-0123456789abcdef --set FiO2=0.6")]
pub(crate) struct WhatIfArgs {
    /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
    pub(crate) subject: String,
    /// A code of the pack and a value, with a unit if it is another one (repeat for several)
    #[arg(long, value_name = "CODE=VALUE", required = true)]
    pub(crate) set: Vec<String>,
    /// Only this far ahead, such as `12h`; by default, where the pack's buckets of horizons end
    #[arg(long, value_name = "TIME", value_parser = super::models::hours)]
    pub(crate) ahead: Option<f32>,
    /// Stand there and look at nothing later: HOURS after the first event, or a time (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = parse_moment, allow_negative_numbers = true)]
    pub(crate) at: Option<Moment>,
    /// Write a receipt: a signed statement of what this answer rests on, for `receipt verify`
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
}

/// Arguments of `twin similar`.
#[derive(Debug, Args)]
pub(crate) struct SimilarArgs {
    /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
    pub(crate) subject: String,
    /// How many others are summed up
    #[arg(long, value_name = "N", default_value_t = twinkeep_app::SIMILAR_COUNT_DEFAULT)]
    pub(crate) count: usize,
    /// Stand there and look at nothing later: HOURS after the first event, or a time (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = parse_moment, allow_negative_numbers = true)]
    pub(crate) at: Option<Moment>,
}

/// Arguments of `twin simulate`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep twin simulate sub-0123456789abcdef --when 'MAP<65'")]
pub(crate) struct SimulateArgs {
    /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
    pub(crate) subject: String,
    /// How many paths
    #[arg(long, value_name = "N", default_value_t = twinkeep_app::PATH_COUNT_DEFAULT)]
    pub(crate) paths: u32,
    /// Only this target (repeat for several)
    #[arg(long = "target", value_name = "CODE")]
    pub(crate) targets: Vec<String>,
    /// On how many paths this comes about at some moment, such as `MAP<65` (repeat for several)
    #[arg(long, value_name = "CONDITION")]
    pub(crate) when: Vec<String>,
    /// How far ahead, such as `12h`; by default, the pack's horizon
    #[arg(long, value_name = "TIME", value_parser = super::models::hours)]
    pub(crate) horizon: Option<f32>,
    /// Time between two moments of a path; by default, the pack's step
    #[arg(long, value_name = "TIME", value_parser = super::models::hours)]
    pub(crate) step: Option<f32>,
    /// The same seed draws the same paths
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Stand there and look at nothing later: HOURS after the first event, or a time (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = parse_moment, allow_negative_numbers = true)]
    pub(crate) at: Option<Moment>,
    /// How many paths are shown one by one
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) show: usize,
    /// Write every path as Parquet: plaintext, mode 0600
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write a receipt: a signed statement of what this answer rests on, for `receipt verify`
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
}

fn parse_moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).ok_or_else(|| "takes hours, or a time as in RFC 3339".to_owned())
}

pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    twinkeep_app::parse_rfc3339(text).ok_or_else(|| "takes a time as in RFC 3339".to_owned())
}
