//! All rules: one table, in the order of their names.

use crate::rule::Rule;

pub(crate) mod host;
pub(crate) mod keep;
pub(crate) mod phi;
pub(crate) mod s3;

#[cfg(test)]
mod tests;

/// All rules, by target and then by name.
pub const RULES: &[Rule] = &[
    host::storage::RULE,
    keep::file_modes::RULE,
    s3::access_log::RULE,
    s3::acls_off::RULE,
    s3::encryption::RULE,
    s3::object_lock::RULE,
    s3::other_accounts::RULE,
    s3::public_access::RULE,
    s3::public_block::RULE,
    s3::tls_only::RULE,
    s3::versioning::RULE,
    phi::combination::RULE,
    phi::modes::RULE,
    phi::place::RULE,
    phi::plaintext::RULE,
];

/// A rule by its name.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}
