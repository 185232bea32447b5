//! All rules: one table, in the order of their names.

use crate::rule::Rule;

pub(crate) mod cfn;
mod git;
pub(crate) mod host;
pub(crate) mod iis;
pub(crate) mod keep;
mod model;
pub(crate) mod nginx;
pub(crate) mod phi;
pub(crate) mod postgres;
pub(crate) mod s3;
pub(crate) mod sqlite;
mod tls;
pub(crate) mod windows;

#[cfg(test)]
mod tests;

/// All rules, by target and then by name.
pub const RULES: &[Rule] = &[
    host::audit_boot::RULE,
    host::audit_canary::RULE,
    host::audit_loss::RULE,
    host::audit_retention::RULE,
    host::audit_rules::RULE,
    host::audit_running::RULE,
    host::clock::RULE,
    host::core_dumps::RULE,
    host::firewall::RULE,
    host::modes::RULE,
    host::parents::RULE,
    host::ssh_idle::RULE,
    host::ssh_password::RULE,
    host::ssh_root::RULE,
    host::storage::RULE,
    host::swap::RULE,
    keep::alerts::RULE,
    keep::answers::RULE,
    keep::approvals::RULE,
    keep::attacked::RULE,
    keep::backup_model::RULE,
    keep::bill::RULE,
    keep::budgets::RULE,
    keep::calibrated::RULE,
    keep::canaries::RULE,
    keep::certificates::RULE,
    keep::clients::RULE,
    keep::danger::RULE,
    keep::decisions::RULE,
    keep::deidentified::RULE,
    keep::drift::RULE,
    keep::evaluated::RULE,
    keep::feeds_recorded::RULE,
    keep::feeds_screened::RULE,
    keep::feeds_signed::RULE,
    keep::file_modes::RULE,
    keep::groups::RULE,
    keep::influence::RULE,
    keep::issuers::RULE,
    keep::key_age::RULE,
    keep::key_lives::RULE,
    keep::keyring_backup::RULE,
    keep::ledger::RULE,
    keep::models::RULE,
    keep::noise::RULE,
    keep::origin::RULE,
    keep::panel::RULE,
    keep::policy::RULE,
    keep::probing::RULE,
    keep::rates::RULE,
    keep::rechecked::RULE,
    keep::retention::RULE,
    keep::shards::RULE,
    keep::snapshot::RULE,
    keep::witness::RULE,
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
    // What can be repaired comes first, the worst before the rest: see `nginx::REPAIRED`.
    nginx::rate_limit::RULE,
    nginx::tls_ciphers::RULE,
    nginx::tls_protocols::RULE,
    nginx::access_log::RULE,
    nginx::hsts::RULE,
    nginx::listing::RULE,
    nginx::framing::RULE,
    nginx::nosniff::RULE,
    nginx::powered_by::RULE,
    nginx::server_tokens::RULE,
    nginx::static_key::RULE,
    nginx::listener::RULE,
    nginx::upstream_plain::RULE,
    nginx::upstream_verify::RULE,
    nginx::client_certificate::RULE,
    nginx::includes::RULE,
    // What can be repaired comes first, the worst before the rest: see `iis::REPAIRED`.
    iis::access_log::RULE,
    iis::debug::RULE,
    iis::hsts::RULE,
    iis::listing::RULE,
    iis::framing::RULE,
    iis::nosniff::RULE,
    iis::powered_by::RULE,
    iis::anonymous::RULE,
    iis::files::RULE,
    iis::legacy_tls::RULE,
    iis::listener::RULE,
    iis::rate_limit::RULE,
    iis::request_limits::RULE,
    iis::server_header::RULE,
    iis::static_key::RULE,
    iis::upstream_plain::RULE,
    cfn::bucket_acl::RULE,
    cfn::bucket_block::RULE,
    cfn::bucket_encryption::RULE,
    cfn::bucket_policy::RULE,
    cfn::database_encryption::RULE,
    cfn::database_public::RULE,
    cfn::file_system_encryption::RULE,
    cfn::ingress_gateway::RULE,
    cfn::ingress_ports::RULE,
    cfn::ingress_world::RULE,
    cfn::jwt::RULE,
    cfn::mtls::RULE,
    cfn::notebook_internet::RULE,
    cfn::queue_encryption::RULE,
    cfn::table_encryption::RULE,
    cfn::template::RULE,
    cfn::training_encryption::RULE,
    cfn::volume_encryption::RULE,
    postgres::anywhere::RULE,
    postgres::audit::RULE,
    postgres::hba_method::RULE,
    postgres::hba_tls::RULE,
    postgres::log_connections::RULE,
    postgres::passwords::RULE,
    postgres::powerful_roles::RULE,
    postgres::public_tables::RULE,
    postgres::role_expiry::RULE,
    postgres::row_security::RULE,
    postgres::storage::RULE,
    postgres::tls::RULE,
    postgres::tls_version::RULE,
    postgres::trust::RULE,
    sqlite::modes::RULE,
    sqlite::plaintext::RULE,
    git::commits::RULE,
    git::signers::RULE,
    git::tags::RULE,
    model::code::RULE,
    model::format::RULE,
    model::signature::RULE,
    windows::audit::RULE,
    windows::bitlocker::RULE,
    windows::defender_cloud::RULE,
    windows::defender_exclusions::RULE,
    windows::defender_realtime::RULE,
    windows::defender_samples::RULE,
    windows::defender_tamper::RULE,
    windows::firewall::RULE,
    windows::jupyter_port::RULE,
    windows::screen_lock::RULE,
    tls::certificate::RULE,
    tls::expiry::RULE,
    tls::headers::RULE,
    tls::old::RULE,
    tls::version::RULE,
];

/// Whether a content security policy says who may show a page in a frame, and not that anybody may.
pub(crate) fn limits_frames(policy: &str) -> bool {
    let policy = policy.to_ascii_lowercase();
    let list = policy.split(';').find_map(|part| part.trim().strip_prefix("frame-ancestors"));
    // A scheme alone is everybody who speaks it.
    let is_anybody = |word: &str| ["*", "http:", "https:", "http://*", "https://*"].contains(&word);
    list.is_some_and(|list| !list.split_whitespace().any(is_anybody))
}

/// Whether `X-Frame-Options` keeps others from showing a page in a frame.
pub(crate) fn denies_frames(value: &str) -> bool {
    ["deny", "sameorigin"].contains(&value.to_ascii_lowercase().as_str())
}

/// A rule by its name.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}
