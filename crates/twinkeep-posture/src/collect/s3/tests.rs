//! Tests beside a real peer: moto, with planted buckets.

use super::client::{Call, ClientError};
use super::testing::{Moto, acl, client_at, public_policy};
use super::{Buckets, S3Error, collect, is_bucket_name};
use crate::facts::s3::{Answer, Block, Grantee, Ownership, Versioning};

#[test]
fn facts_of_buckets_are_what_was_planted() {
    let Some(moto) = Moto::start() else { return };
    let client = moto.client();
    moto.bucket("plain");
    moto.bucket("closed");
    moto.put("closed", "acl", &acl(&[("LogDelivery", "WRITE"), ("AllUsers", "READ")]));
    moto.put("closed", "policy", &public_policy("closed"));
    let owner = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>\
        </Rule></OwnershipControls>";
    moto.put("closed", "ownershipControls", owner);
    let block = "<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls>\
        </PublicAccessBlockConfiguration>";
    moto.put("closed", "publicAccessBlock", block);
    let version = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    moto.put("closed", "versioning", version);
    let encryption = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
        <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
        </ServerSideEncryptionConfiguration>";
    moto.put("closed", "encryption", encryption);

    let facts = collect(&client, &Buckets::default()).unwrap();
    assert_eq!(facts.account, Answer::Is("123456789012".into()));
    assert_eq!(facts.account_block, Answer::Absent);
    let [closed, plain] = facts.buckets.as_slice() else { panic!("{facts:?}") };
    assert_eq!((closed.name.as_str(), plain.name.as_str()), ("closed", "plain"));
    let grantees: Vec<_> =
        closed.grants.known().unwrap().iter().map(|grant| grant.grantee).collect();
    assert_eq!(grantees, [Grantee::Owner, Grantee::LogDelivery, Grantee::AllUsers]);
    assert_eq!(closed.ownership, Answer::Is(Ownership::BucketOwnerEnforced));
    let ignores = Block { ignore_public_acls: true, ..Block::default() };
    assert_eq!(closed.block, Answer::Is(ignores));
    assert!(closed.policy.known().unwrap()["Statement"].is_array());
    // moto does not know this question, and answers another one.
    assert!(closed.policy_public.why_unknown().is_some());
    assert_eq!(closed.encryption.known().unwrap().algorithm, "AES256");
    assert_eq!(closed.versioning, Answer::Is(Versioning::Enabled));

    assert_eq!(plain.grants.known().unwrap().len(), 1);
    assert_eq!(plain.policy, Answer::Absent);
    assert_eq!(plain.encryption, Answer::Absent);
    assert_eq!(plain.versioning, Answer::Absent);
    assert_eq!(plain.log_bucket, Answer::Absent);
    assert_eq!(plain.object_lock, Answer::Absent);
    assert_eq!(plain.website, Answer::Absent);
    assert_eq!(plain.ownership, Answer::Absent);

    // The facts survive the way through a file.
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<crate::facts::s3::S3>(&text).unwrap(), facts);
    // A name that does not exist is a bucket of which nothing is known.
    let named = Buckets { names: vec!["missing".into()] };
    let missing = &collect(&client, &named).unwrap().buckets[0];
    assert_eq!(missing.policy, Answer::Unknown("NoSuchBucket".into()));
}

#[test]
fn what_an_account_blocks_is_found_out_too() {
    let Some(moto) = Moto::start() else { return };
    let client = moto.client();
    moto.bucket("one");
    let call = Call { method: "PUT", ..Call::account_block("123456789012") };
    let body = "<PublicAccessBlockConfiguration xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\">\
        <BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
        <BlockPublicPolicy>true</BlockPublicPolicy>\
        <RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    let call = Call { body: body.into(), ..call };
    assert!(client.send(&call).unwrap().status < 300);
    let facts = collect(&client, &Buckets::default()).unwrap();
    assert_eq!(facts.account_block, Answer::Is(Block::FULL));
}

#[test]
fn more_buckets_than_are_asked_at_a_time_come_back_in_order() {
    let Some(moto) = Moto::start() else { return };
    let client = moto.client();
    let mut names: Vec<String> = (0..21).map(|index| format!("bucket-{}", index * 7)).collect();
    for name in &names {
        moto.bucket(name);
    }
    names.sort();
    let facts = collect(&client, &Buckets::default()).unwrap();
    let found: Vec<_> = facts.buckets.iter().map(|bucket| bucket.name.clone()).collect();
    assert_eq!(found, names);
}

#[test]
fn a_service_that_is_not_there_is_an_error_and_not_an_empty_list() {
    // Nothing listens on port 1 of loopback.
    let client = client_at("http://127.0.0.1:1");
    let failed = collect(&client, &Buckets::default());
    assert!(matches!(failed, Err(S3Error::Client(ClientError::Unreachable { .. }))));
}

#[test]
fn names_that_could_lead_elsewhere_are_not_asked_about() {
    let client = client_at("http://127.0.0.1:1");
    for wrong in ["../x", "a?acl", "x.evil.example/", "UPPER", "ab", "a..b", "-a-", "a b c"] {
        assert!(!is_bucket_name(wrong), "{wrong}");
        let named = Buckets { names: vec![wrong.into()] };
        assert_eq!(collect(&client, &named).unwrap_err().code(), "s3-bucket-name", "{wrong}");
    }
    assert!(is_bucket_name("ward-7.records"));
}
