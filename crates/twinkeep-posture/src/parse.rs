//! Parsers of what collectors find: bounded, without panics, and without judgment.

pub mod bucket_policy;
pub mod cfn;
pub mod git_object;
pub mod iis;
pub mod luks;
pub mod nginx;
pub mod pickle;
pub mod s3_xml;
pub mod signers;
pub mod sqlite_schema;
pub(crate) mod zip;
