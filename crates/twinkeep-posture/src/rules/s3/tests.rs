//! The verdicts of twelve buckets that were planted into a running moto.

use std::collections::{BTreeMap, BTreeSet};

use crate::baseline::Baseline;
use crate::collect::s3::testing::{Moto, acl, public_policy};
use crate::collect::s3::{Buckets, collect};
use crate::facts::FactFile;
use crate::scan::judge;

/// Plants the buckets, and returns what is expected to be public.
fn plant(moto: &Moto) -> BTreeSet<&'static str> {
    let all = acl(&[("AllUsers", "READ")]);
    let block = |settings: &[&str]| {
        let on: String = settings.iter().map(|name| format!("<{name}>true</{name}>")).collect();
        format!("<PublicAccessBlockConfiguration>{on}</PublicAccessBlockConfiguration>")
    };
    let full =
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
    let owner = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>\
        </Rule></OwnershipControls>";
    let vpc = public_policy("policy-vpc").replace(
        "\"Effect\"",
        "\"Condition\":{\"StringEquals\":{\"aws:SourceVpc\":\"vpc-1\"}},\"Effect\"",
    );
    let tls = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Principal\":\"*\",\
        \"Action\":\"s3:*\",\"Resource\":[\"arn:aws:s3:::good\",\"arn:aws:s3:::good/*\"],\
        \"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"false\"}}}]}";
    let encryption = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
        <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
        </ServerSideEncryptionConfiguration>";
    let version = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let log = "<BucketLoggingStatus><LoggingEnabled><TargetBucket>log-delivery</TargetBucket>\
        <TargetPrefix>x</TargetPrefix></LoggingEnabled></BucketLoggingStatus>";
    let lock = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
        <DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule>\
        </ObjectLockConfiguration>";
    let planted: [(&str, &[(&str, &str)]); 12] = [
        ("plain", &[]),
        ("acl-read", &[("acl", &all)]),
        ("acl-signed-in", &[("acl", &acl(&[("AuthenticatedUsers", "WRITE")]))]),
        ("acl-blocked", &[("acl", &all), ("publicAccessBlock", &block(&full))]),
        ("acl-enforced", &[("acl", &all), ("ownershipControls", owner)]),
        ("acl-ignored", &[("acl", &all), ("publicAccessBlock", &block(&full[1..2]))]),
        ("acl-late", &[("acl", &all), ("publicAccessBlock", &block(&full[..1]))]),
        ("policy-public", &[("policy", &public_policy("policy-public"))]),
        ("policy-vpc", &[("policy", &vpc)]),
        (
            "policy-restricted",
            &[
                ("policy", &public_policy("policy-restricted")),
                ("publicAccessBlock", &block(&full[3..])),
            ],
        ),
        (
            "log-delivery",
            &[("acl", &acl(&[("LogDelivery", "WRITE"), ("LogDelivery", "READ_ACP")]))],
        ),
        (
            "good",
            &[
                ("publicAccessBlock", &block(&full)),
                ("ownershipControls", owner),
                ("encryption", encryption),
                ("versioning", version),
                ("policy", tls),
                ("logging", log),
                ("object-lock", lock),
            ],
        ),
    ];
    for (name, settings) in planted {
        moto.bucket(name);
        for (question, body) in settings {
            moto.put(name, question, body);
        }
    }
    BTreeSet::from(["acl-read", "acl-signed-in", "acl-late", "policy-public"])
}

#[test]
fn twelve_buckets_get_the_verdicts_that_they_were_planted_for() {
    let Some(moto) = Moto::start() else { return };
    let expected = plant(&moto);
    let facts = collect(&moto.client(), &Buckets::default()).unwrap();
    let report = judge(&FactFile::new(0, vec![facts.into()]), None, &Baseline::default());
    let mut said: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for finding in &report.findings {
        let bucket = finding.resource.trim_start_matches("s3://");
        said.entry(bucket).or_default().insert(&finding.rule, finding.outcome.word());
    }
    assert_eq!(said.len(), 12);
    let failing = |rule: &str| -> BTreeSet<&str> {
        let fails = |word: &&str| *word == "fail";
        said.iter()
            .filter(|(_, by)| by.get(rule).is_some_and(fails))
            .map(|(name, _)| *name)
            .collect()
    };
    assert_eq!(failing("s3-public-access"), expected);
    assert_eq!(failing("s3-public-block").len(), 10, "all but acl-blocked and good");
    assert_eq!(failing("s3-acls-off").len(), 10, "all but acl-enforced and good");
    assert_eq!(failing("s3-other-accounts"), expected);
    assert_eq!(said["log-delivery"]["s3-access-log"], "not-applicable");
    let good: BTreeSet<&str> = said["good"].values().copied().collect();
    assert_eq!(good, BTreeSet::from(["pass"]), "{:?}", said["good"]);
    for rule in ["s3-encryption", "s3-tls-only", "s3-versioning", "s3-object-lock"] {
        assert_eq!(failing(rule).len(), 11, "{rule}");
    }
}
