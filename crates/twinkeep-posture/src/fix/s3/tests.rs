//! Tests of fixing real buckets of a running moto, and of giving back how they were.
//!
//! moto does not refuse what S3 refuses once public access is blocked, so the order of calls is
//! looked at in the plan and in the journal.

use std::path::Path;

use super::{BucketSetting, meaning};
use crate::baseline::Baseline;
use crate::collect::s3::client::Client;
use crate::collect::s3::testing::{Moto, acl, client_at, public_policy};
use crate::collect::s3::{Buckets, collect};
use crate::facts::s3::{Answer, Ownership, S3, Versioning};
use crate::facts::{FactFile, Facts};
use crate::fix::{Change, FixError, Plan, Services, State, apply_in, plan, rollback_in, verify};
use crate::outcome::{Outcome, Severity};
use crate::rules::s3::effective::{Access, access};
use crate::scan::judge;

fn facts(moto: &Moto) -> S3 {
    collect(&moto.client(), &Buckets::default()).unwrap()
}

fn file(facts: &S3) -> FactFile {
    FactFile::new(0, vec![Facts::from(facts.clone())])
}

fn services(client: &Client) -> Services<'_> {
    Services { s3: Some(client), ..Services::default() }
}

fn public(facts: &S3) -> Vec<&str> {
    let open = |bucket: &&crate::facts::s3::Bucket| {
        matches!(access(bucket, &facts.account_block), Access::Public(_))
    };
    facts.buckets.iter().filter(open).map(|bucket| bucket.name.as_str()).collect()
}

/// Plants a bucket with a public list, one with a public policy, and a website.
fn plant(moto: &Moto) {
    moto.bucket("records");
    moto.put("records", "acl", &acl(&[("AllUsers", "READ"), ("LogDelivery", "WRITE")]));
    moto.bucket("shared");
    moto.put("shared", "policy", &public_policy("shared"));
    moto.bucket("site");
    moto.put("site", "acl", &acl(&[("AllUsers", "READ")]));
    let website = "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument>\
        </WebsiteConfiguration>";
    moto.put("site", "website", website);
}

fn steps(plan: &Plan) -> Vec<(&str, BucketSetting)> {
    let step = |change| match change {
        &Change::SetBucket { ref bucket, setting, .. } => (bucket.as_str(), setting),
        other => panic!("{other:?}"),
    };
    plan.steps.iter().map(|it| step(&it.change)).collect()
}

#[test]
fn a_plan_closes_buckets_and_a_rollback_gives_them_back_as_they_were() {
    let Some(moto) = Moto::start() else { return };
    plant(&moto);
    let before = facts(&moto);
    assert_eq!(public(&before), ["records", "shared", "site"]);
    let planned = plan(&file(&before), Severity::High);
    let expected = [
        ("records", BucketSetting::PublicAccessBlock),
        ("shared", BucketSetting::PublicAccessBlock),
        ("records", BucketSetting::Acl),
        ("records", BucketSetting::Encryption),
        ("shared", BucketSetting::Encryption),
        ("site", BucketSetting::Encryption),
        ("records", BucketSetting::Policy),
    ];
    assert_eq!(steps(&planned), expected);
    let by_hand = |rule: &str| -> Vec<&str> {
        let of_rule = planned.by_hand.iter().filter(|it| it.rule == rule);
        of_rule.map(|it| it.resource.as_str()).collect()
    };
    assert_eq!(by_hand("s3-public-access"), ["s3://site"]);
    assert_eq!(by_hand("s3-tls-only"), ["s3://shared", "s3://site"]);
    let says = planned.steps[0].change.says();
    assert!(says.starts_with("PUT records?publicAccessBlock at http://127.0.0.1:"), "{says}");

    // The plan is a file in between.
    let planned = Plan::parse("plan", &serde_json::to_vec(&planned).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let client = moto.client();
    let done = apply_in(services(&client), &planned, &journal).unwrap();
    assert!(done.steps.iter().all(|step| step.state == State::Done));
    assert_eq!(apply_in(services(&client), &planned, &journal).unwrap(), done);
    let after = facts(&moto);
    assert_eq!(public(&after), ["site"]);
    let records = &after.buckets[0];
    assert_eq!(records.encryption.known().unwrap().algorithm, "AES256");
    assert_eq!(records.grants.known().unwrap().len(), 2, "logs are still delivered");
    let report = judge(&file(&after), None, &Baseline::default());
    let verified = verify(&planned, &report);
    assert!(verified.iter().all(|it| it.outcome == Outcome::Pass), "{verified:?}");
    // One change may be there for two rules, and both are looked at.
    assert!(verified.iter().any(|it| it.rule == "s3-public-block"), "{verified:?}");

    let undone = rollback_in(services(&client), &journal).unwrap();
    assert!(undone.steps.iter().all(|step| step.state == State::Undone));
    assert_eq!(facts(&moto), before);
    assert_eq!(rollback_in(services(&client), &journal).unwrap(), undone);
}

/// Lists that are off, versions, and logs: on by a plan, and off again.
#[test]
fn settings_that_are_not_about_the_public_are_changed_and_given_back() {
    let Some(moto) = Moto::start() else { return };
    for name in ["logs", "logged", "records", "shared"] {
        moto.bucket(name);
    }
    let delivery = [("LogDelivery", "WRITE"), ("LogDelivery", "READ_ACP")];
    moto.put("logs", "acl", &acl(&delivery));
    moto.put("shared", "acl", &acl(&[("AllUsers", "READ")]));
    let log = "<BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LoggingEnabled>\
        <TargetBucket>logs</TargetBucket><TargetPrefix>a/</TargetPrefix></LoggingEnabled>\
        </BucketLoggingStatus>";
    moto.put("logged", "logging", log);
    let before = facts(&moto);
    let planned = plan(&file(&before), Severity::Medium);
    let of = |setting| -> Vec<&str> {
        let steps = steps(&planned).into_iter();
        steps.filter(|(_, it)| *it == setting).map(|(bucket, _)| bucket).collect()
    };
    assert_eq!(of(BucketSetting::Versioning), ["logged", "logs", "records", "shared"]);
    assert_eq!(of(BucketSetting::Logging), ["records", "shared"]);
    // What others are granted in a list has to be decided by people.
    assert_eq!(of(BucketSetting::OwnershipControls), ["logged", "records", "shared"]);

    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let client = moto.client();
    let done = apply_in(services(&client), &planned, &journal).unwrap();
    assert!(done.steps.iter().all(|step| step.state == State::Done));
    let after = facts(&moto);
    let records = &after.buckets[2];
    assert_eq!(records.versioning, Answer::Is(Versioning::Enabled));
    assert_eq!(records.log_bucket, Answer::Is("logs".to_owned()));
    assert_eq!(records.ownership, Answer::Is(Ownership::BucketOwnerEnforced));
    let report = judge(&file(&after), None, &Baseline::default());
    let verified = verify(&planned, &report);
    assert!(verified.iter().all(|it| it.outcome == Outcome::Pass), "{verified:?}");

    rollback_in(services(&client), &journal).unwrap();
    let mut expected = before;
    for bucket in &mut expected.buckets {
        // Versions that were kept once can only be suspended.
        bucket.versioning = Answer::Is(Versioning::Suspended);
    }
    assert_eq!(facts(&moto), expected);
    // What is suspended is planned again.
    let again = plan(&file(&facts(&moto)), Severity::Medium);
    assert_eq!(again.steps.len(), planned.steps.len());
}

#[test]
fn wherever_it_is_killed_it_can_be_finished_or_undone() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("records");
    moto.put("records", "acl", &acl(&[("AllUsers", "READ")]));
    let before = facts(&moto);
    let planned = plan(&file(&before), Severity::High);
    let client = moto.client();
    let folder = tempfile::tempdir().unwrap();
    for made in 0..=planned.steps.len() {
        let journal = folder.path().join(format!("journal-{made}"));
        // As if the process had been killed after this many changes.
        let part = Plan { steps: planned.steps[..made].to_vec(), ..planned.clone() };
        if made > 0 {
            apply_in(services(&client), &part, &journal).unwrap();
        }
        apply_in(services(&client), &planned, &journal).unwrap();
        assert_eq!(public(&facts(&moto)), [""; 0]);
        rollback_in(services(&client), &journal).unwrap();
        assert_eq!(facts(&moto), before);
    }
}

#[test]
fn what_somebody_changed_after_the_plan_is_not_written_over() {
    let Some(moto) = Moto::start() else { return };
    moto.bucket("records");
    let planned = plan(&file(&facts(&moto)), Severity::High);
    moto.put("records", "policy", &public_policy("records"));
    let client = moto.client();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let failed = apply_in(services(&client), &planned, &journal).unwrap_err();
    assert!(matches!(failed, FixError::Changed { .. }), "{failed}");
    rollback_in(services(&client), &journal).unwrap();
    let now = facts(&moto);
    assert_eq!(now.buckets[0].block, Answer::Absent);
    assert!(now.buckets[0].policy.known().is_some(), "theirs stays");
}

fn fails(client: Option<&Client>, change: impl Fn(&mut String, &mut String)) -> String {
    let (mut endpoint, mut bucket) = ("http://127.0.0.1:1".to_owned(), "records".to_owned());
    change(&mut endpoint, &mut bucket);
    let setting = BucketSetting::Policy;
    let change = Change::SetBucket { endpoint, bucket, setting, from: None, to: None };
    change
        .now(Services { s3: client, ..Services::default() })
        .map(|_| String::new())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_plan_is_for_one_service_and_for_buckets_only() {
    let client = client_at("http://127.0.0.1:1");
    assert!(fails(None, |_, _| {}).contains("no object store was given"));
    let other = fails(Some(&client), |endpoint, _| *endpoint = "http://127.0.0.1:2".into());
    assert!(other.contains("plan again there"), "{other}");
    let path = fails(Some(&client), |_, bucket| *bucket = "../other".into());
    assert!(path.contains("plan again there"), "{path}");
    let missing = crate::fix::apply(
        &plan(&FactFile::new(0, vec![]), Severity::Low),
        Path::new("/nowhere/journal"),
    );
    assert!(missing.is_ok(), "no steps need no journal");
}

#[test]
fn the_same_in_other_words_is_the_same_and_what_is_not_understood_never_is() {
    let of_list = |text: &str| meaning(BucketSetting::Acl, text);
    let list = acl(&[("AllUsers", "READ"), ("LogDelivery", "WRITE")]);
    let turned = acl(&[("LogDelivery", "WRITE"), ("AllUsers", "READ")]);
    assert_eq!(of_list(&list).unwrap(), of_list(&turned).unwrap());
    assert_ne!(of_list(&list).unwrap(), of_list(&acl(&[])).unwrap());
    let of_policy = |text: &str| meaning(BucketSetting::Policy, text).unwrap();
    assert_eq!(of_policy("{ \"Statement\" : [ ] }"), of_policy("{\"Statement\":[]}"));
    assert!(of_list("<html/>").is_err());
}
