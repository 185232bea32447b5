//! A bucket that is as it should be, for tests that change one thing of it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::facts::s3::{
    Answer, Block, Bucket, Encryption, Grant, Grantee, ObjectLock, Ownership, S3, Versioning,
};
use crate::outcome::{Judged, Outcome};

/// A bucket of which every rule holds.
pub(crate) fn closed(name: &str) -> Bucket {
    Bucket {
        name: name.to_owned(),
        grants: Answer::Is(vec![Grant {
            grantee: Grantee::Owner,
            permission: "FULL_CONTROL".into(),
        }]),
        ownership: Answer::Is(Ownership::BucketOwnerEnforced),
        block: Answer::Is(Block::FULL),
        policy: Answer::Is(json!({"Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}
        }]})),
        policy_public: Answer::Is(false),
        encryption: Answer::Is(Encryption {
            algorithm: "aws:kms".into(),
            blocked: vec!["SSE-C".into()],
        }),
        versioning: Answer::Is(Versioning::Enabled),
        log_bucket: Answer::Is("logs".into()),
        object_lock: Answer::Is(ObjectLock { default_mode: Some("COMPLIANCE".into()) }),
        website: Answer::Absent,
        documents: BTreeMap::new(),
    }
}

/// The facts of one bucket of account 123456789012.
pub(crate) fn facts(bucket: Bucket) -> S3 {
    S3 {
        endpoint: "https://s3.eu-central-1.amazonaws.com".into(),
        account: Answer::Is("123456789012".into()),
        account_block: Answer::Absent,
        buckets: vec![bucket],
    }
}

/// What a rule says about the first bucket.
pub(crate) fn judged(judge: fn(&S3) -> Vec<Judged>, facts: S3) -> Outcome {
    judge(&facts).remove(0).outcome
}

/// Its word.
pub(crate) fn word(judge: fn(&S3) -> Vec<Judged>, facts: S3) -> &'static str {
    judged(judge, facts).word()
}
