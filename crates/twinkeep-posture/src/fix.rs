//! Fixes: what would be changed, the change, whether it helped, and the way back.
//!
//! A rule says which [`Change`]s would make a resource pass ([`FIXES`]); together they are a
//! [`Plan`], which is a file that people read before anything happens. [`apply`] makes the changes
//! in order and writes a [`Journal`]; whatever the journal has, [`rollback`] takes back, the last
//! first. Whether it helped says another scan ([`verify`]), never the plan itself.
//!
//! # Invariants
//!
//! - Before a change is made, the journal has it and its inverse, and is synced.
//! - A change is made only if what it would change still is as it was when the plan was made.
//! - To apply or to roll back a second time, after a crash or without one, changes nothing more.

use crate::facts::FixOf;
use crate::rules::postgres as postgres_rules;
use crate::rules::{host as host_rules, keep as keep_rules, phi as phi_rules};
use crate::rules::{iis as iis_rules, nginx as nginx_rules};
use crate::rules::{s3 as s3_rules, sqlite as sqlite_rules};

mod change;
mod error;
mod files;
mod journal;
mod plan;
mod postgres;
mod s3;
pub mod windows;

#[cfg(test)]
mod tests;

pub use change::{Change, Gate};
pub use error::FixError;
pub use journal::{Journal, JournalStep, State, apply, apply_in, rollback, rollback_in};
pub use plan::{Also, ByHand, Plan, Step, Verified, plan, verify};
pub use postgres::{DatabaseServer, Parameter};
pub use s3::{BucketSetting, Services};

/// What would make the resources pass that a rule fails.
#[derive(Debug)]
pub struct Fix {
    /// The rule.
    pub rule: &'static str,
    /// The function that says so.
    pub changes: FixOf,
}

/// All fixes, by rule.
pub const FIXES: &[Fix] = &[
    host_rules::modes::FIX,
    keep_rules::file_modes::FIX,
    iis_rules::access_log::FIX,
    iis_rules::debug::FIX,
    iis_rules::hsts::FIX,
    iis_rules::listing::FIX,
    iis_rules::framing::FIX,
    iis_rules::nosniff::FIX,
    iis_rules::powered_by::FIX,
    nginx_rules::rate_limit::FIX,
    nginx_rules::tls_ciphers::FIX,
    nginx_rules::tls_protocols::FIX,
    nginx_rules::access_log::FIX,
    nginx_rules::hsts::FIX,
    nginx_rules::listing::FIX,
    nginx_rules::framing::FIX,
    nginx_rules::nosniff::FIX,
    nginx_rules::powered_by::FIX,
    nginx_rules::server_tokens::FIX,
    phi_rules::modes::FIX,
    postgres_rules::audit::FIX,
    postgres_rules::hba_method::FIX,
    postgres_rules::hba_tls::FIX,
    postgres_rules::log_connections::FIX,
    postgres_rules::passwords::FIX,
    postgres_rules::tls::FIX,
    postgres_rules::tls_version::FIX,
    postgres_rules::trust::FIX,
    s3_rules::access_log::FIX,
    s3_rules::acls_off::FIX,
    s3_rules::encryption::FIX,
    s3_rules::public_access::FIX,
    s3_rules::public_block::FIX,
    s3_rules::tls_only::FIX,
    s3_rules::versioning::FIX,
    sqlite_rules::modes::FIX,
];
