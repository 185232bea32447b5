//! Who can reach a bucket in the end: its access control list, its policy, who owns its objects,
//! and what the bucket and the account block, taken together.
//!
//! Each of them is known, or not; what is not known makes the result unknown only where it could
//! change it. That is Kleene's logic of three values.

use crate::facts::s3::{Answer, Block, Bucket, Grant, Grantee, Ownership};
use crate::parse::bucket_policy::Policy;

/// Whether anybody can reach a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nobody can but who was named.
    Closed,
    /// Anybody can, in these ways.
    Public(Vec<String>),
    /// It could be, and these facts are missing.
    Unknown(String),
}

/// True, false, or nobody knows why.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    Unknown(String),
}

impl Truth {
    fn of(value: bool) -> Truth {
        if value { Truth::Yes } else { Truth::No }
    }

    fn not(self) -> Truth {
        match self {
            Truth::Yes => Truth::No,
            Truth::No => Truth::Yes,
            unknown => unknown,
        }
    }

    fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::No, _) | (_, Truth::No) => Truth::No,
            (Truth::Yes, other) => other,
            (unknown, _) => unknown,
        }
    }

    fn or(self, other: Truth) -> Truth {
        self.not().and(other.not()).not()
    }
}

/// Judges a bucket, with what its account blocks.
pub(crate) fn access(bucket: &Bucket, account: &Answer<Block>) -> Access {
    let ignored = setting(bucket, account, |block| block.ignore_public_acls);
    let restricted = setting(bucket, account, |block| block.restrict_public_buckets);
    let (listed, mut ways) = public_grants(&bucket.grants);
    let by_list = listed.and(lists_count(bucket)).and(ignored.not());
    let (stated, statements) = public_policy(bucket);
    let by_policy = stated.and(restricted.not());
    if by_list != Truth::Yes {
        ways.clear();
    }
    if by_policy == Truth::Yes {
        ways.extend(statements);
    }
    match by_list.or(by_policy) {
        Truth::Yes => Access::Public(ways),
        Truth::No => Access::Closed,
        Truth::Unknown(why) => Access::Unknown(why),
    }
}

/// Returns whether the bucket or its account has a setting: the stricter of the two counts.
fn setting(bucket: &Bucket, account: &Answer<Block>, has: fn(&Block) -> bool) -> Truth {
    let one = |block: &Answer<Block>, whose: &str| match block {
        Answer::Is(block) => Truth::of(has(block)),
        Answer::Absent => Truth::No,
        Answer::Unknown(why) => {
            Truth::Unknown(format!("the public access block of {whose}: {why}"))
        }
    };
    one(&bucket.block, "the bucket").or(one(account, "the account"))
}

fn lists_count(bucket: &Bucket) -> Truth {
    match &bucket.ownership {
        Answer::Is(Ownership::BucketOwnerEnforced) => Truth::No,
        // What buckets from before 2021 have.
        Answer::Is(_) | Answer::Absent => Truth::Yes,
        Answer::Unknown(why) => Truth::Unknown(format!("the ownership controls: {why}")),
    }
}

fn public_grants(grants: &Answer<Vec<Grant>>) -> (Truth, Vec<String>) {
    let grants = match grants {
        Answer::Is(grants) => grants.as_slice(),
        Answer::Absent => &[],
        Answer::Unknown(why) => {
            return (Truth::Unknown(format!("the access control list: {why}")), Vec::new());
        }
    };
    let way = |grant: &Grant| {
        let whom = match grant.grantee {
            Grantee::AllUsers => "anybody",
            Grantee::AuthenticatedUsers => "anybody who has an account of AWS",
            Grantee::LogDelivery | Grantee::Owner | Grantee::Other | Grantee::UnknownGroup => {
                return None;
            }
        };
        Some(format!("the access control list gives {} to {whom}", permission(grant)))
    };
    let ways: Vec<String> = grants.iter().filter_map(way).collect();
    (Truth::of(!ways.is_empty()), ways)
}

/// Returns the permission of a grant in a word that is one of S3's.
fn permission(grant: &Grant) -> &'static str {
    let known = ["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"];
    known.into_iter().find(|known| *known == grant.permission).unwrap_or("something")
}

/// Judges the policy by our reading and by the service's own: whichever finds it public is
/// believed. Where only one of them is there, that one counts.
fn public_policy(bucket: &Bucket) -> (Truth, Vec<String>) {
    let (read, ways) = match &bucket.policy {
        Answer::Absent => return (Truth::No, Vec::new()),
        Answer::Unknown(why) => (Truth::Unknown(format!("the policy: {why}")), Vec::new()),
        Answer::Is(value) => match Policy::parse(value) {
            Err(error) => (Truth::Unknown(error.to_string()), Vec::new()),
            Ok(policy) => {
                let way = |statement: &crate::parse::bucket_policy::Statement| {
                    let (name, what) = (&statement.name, statement.says());
                    format!("the policy's statement {name} allows anybody {what}")
                };
                let ways: Vec<String> = policy.public().map(way).collect();
                (Truth::of(!ways.is_empty()), ways)
            }
        },
    };
    match (&bucket.policy_public, &read) {
        (Answer::Is(true), Truth::Yes) => (Truth::Yes, ways),
        (Answer::Is(true), _) => (Truth::Yes, vec!["the service calls its policy public".into()]),
        (Answer::Is(false), Truth::Unknown(_)) => (Truth::No, Vec::new()),
        _ => (read, ways),
    }
}

#[cfg(test)]
mod tests;
