//! Rule `cfn-bucket-encryption`: every bucket says how it encrypts.
//!
//! S3 encrypts every object since January 2023, so that this is about whose key it is.

use super::{Verdict, all, resources};
use crate::facts::Check;
use crate::facts::cfn::{Cfn, Says, Value};
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-bucket-encryption",
    title: "Every bucket is encrypted with a key that the template names",
    severity: Severity::Low,
    protects: "With keys that S3 manages alone, nobody can take the key away from who stole access.",
    remedy: "say `BucketEncryption` with `SSEAlgorithm: aws:kms` and a `KMSMasterKeyID`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Partial,
            because: "S3 encrypts in any case since 2023; with a key of one's own the access to it is one's own too.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "A key of one's own keeps the provider out as well.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    resources(facts, &["AWS::S3::Bucket"], |template, bucket| {
        let mut values = Vec::new();
        let path = ["BucketEncryption", "ServerSideEncryptionConfiguration"];
        for list in bucket.properties.under(&path) {
            if matches!(list.says, Says::Nothing | Says::Unknown(_)) {
                values.push(list.clone());
            }
            // A list of which each item may be missing may be empty.
            let may_miss = |item: &Value| item.branches().iter().any(|it| it.says == Says::Nothing);
            if let Says::List(items) = &list.says
                && items.iter().all(may_miss)
            {
                values.push(Value { at: list.at, says: Says::Nothing });
            }
            for item in list.items() {
                values.extend(item.under(&["ServerSideEncryptionByDefault", "SSEAlgorithm"]));
            }
        }
        all(template, &values, bucket.at, |value| match &value.says {
            Says::Text(word) if word.starts_with("aws:kms") => Verdict::Good,
            Says::Text(_) => Verdict::Bad("is encrypted with keys of S3 only".to_owned()),
            Says::Nothing => Verdict::Bad("says no encryption, so keys of S3 are used".to_owned()),
            Says::Unknown(why) => Verdict::Unknown(why.clone()),
            _ => Verdict::Unknown("`SSEAlgorithm` is known when it is deployed".to_owned()),
        })
    })
}
