//! `twinkeep policy ...` and `twinkeep budget ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Subcommands of `policy`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep policy test forecast --role nurse --purpose TREAT")]
pub(crate) enum PolicyCommand {
    /// Show the policy in force
    Show,
    /// Check a policy against what policies can speak of
    Check {
        /// A policy in Cedar [default: policy.cedar in the keep]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Say what a policy decides, and by which of its rules
    Test(PolicyTestArgs),
    /// Put a policy in force, from the next request on
    Apply {
        /// A policy in Cedar [default: policy.cedar in the keep]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// List who broke the glass, and the reasons they gave
    Glass,
}

/// Subcommands of `budget`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep budget reset key:7cc1ba1e")]
pub(crate) enum BudgetCommand {
    /// List what callers have used up of their budgets in this period
    List,
    /// Begin the budgets of a caller anew
    Reset {
        /// Who, as `budget list` calls them
        caller: String,
    },
}

/// Arguments of `policy test`.
#[derive(Debug, Args)]
pub(crate) struct PolicyTestArgs {
    /// What would be done: predict, list-twins, read-twin, follow, forecast, explain, simulate,
    /// what-if, compare, record-events, deliver-feed, read-feeds, decide-feed, read-models,
    /// export-subject, erase-subject, read-ledger, read-incidents, use-upstream, administer, or
    /// override-consent
    pub(crate) action: String,

    /// A policy in Cedar [default: the one in force]
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// The name of what it would be done to: of an upstream
    #[arg(long, value_name = "NAME")]
    pub(crate) on: Option<String>,

    /// Who asks, as the ledger calls them
    #[arg(long = "as", value_name = "CALLER", default_value = "key:test")]
    pub(crate) caller: String,

    /// What they are granted (repeat for several) [default: predict, twins:read]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,

    /// What they are to others (repeat for several)
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,

    /// Why they ask, as in `X-Purpose-Of-Use`
    #[arg(long, value_name = "CODE")]
    pub(crate) purpose: Option<String>,

    /// They would break the glass
    #[arg(long)]
    pub(crate) break_glass: bool,
}
