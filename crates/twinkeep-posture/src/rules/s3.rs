//! Rules about buckets.

use crate::facts::s3::{Bucket, S3};
use crate::outcome::{Judged, Outcome, Place};

pub(crate) mod access_log;
pub(crate) mod acls_off;
pub(crate) mod effective;
pub(crate) mod encryption;
mod fixes;
pub(super) mod object_lock;
pub(super) mod other_accounts;
pub(crate) mod public_access;
pub(crate) mod public_block;
pub(crate) mod tls_only;
pub(crate) mod versioning;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

/// Judges each bucket.
fn each(facts: &S3, outcome: impl Fn(&Bucket) -> Outcome) -> Vec<Judged> {
    let judged = |bucket: &Bucket| Judged::new(resource(bucket), outcome(bucket));
    facts.buckets.iter().map(judged).collect()
}

fn resource(bucket: &Bucket) -> String {
    format!("s3://{}", bucket.name)
}

/// Returns where a setting of a bucket is: under the name that the API has for it.
fn place(bucket: &Bucket, setting: &str) -> Place {
    Place::of(format!("{}?{setting}", resource(bucket)))
}

/// Says that something could not be read, and why.
fn unknown(what: &str, why: &str) -> Outcome {
    Outcome::not_checked(format!("its {what} could not be read: {why}"))
}
