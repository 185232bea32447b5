//! Rule `cfn-bucket-acl`: no bucket is public by its access control list.
//!
//! `AuthenticatedRead` is for anybody with any account of AWS, which is everybody too.

use super::{Verdict, all, resources};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::Says;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-bucket-acl",
    title: "No bucket has an access control list for everybody",
    severity: Severity::Critical,
    protects: "Anybody on the internet can read what is in the bucket, or write to it.",
    remedy: "take `AccessControl` away, or say `Private`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "A list for everybody grants access to nobody in particular.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Strong,
            because: "By default personal data must not be open to an indefinite number of persons.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    resources(facts, &["AWS::S3::Bucket"], |template, bucket| {
        let values = bucket.properties.under(&["AccessControl"]);
        all(template, &values, bucket.at, |value| match &value.says {
            Says::Nothing => Verdict::Good,
            Says::Text(word) if OPEN.contains(&word.as_str()) => {
                Verdict::Bad(format!("`AccessControl` is `{word}`"))
            }
            Says::Text(_) => Verdict::Good,
            Says::Unknown(why) => Verdict::Unknown(format!("`AccessControl`: {why}")),
            _ => Verdict::Unknown("`AccessControl` is known when it is deployed".to_owned()),
        })
    })
}

/// Lists for everybody, and for everybody with any account of AWS.
const OPEN: &[&str] = &["PublicRead", "PublicReadWrite", "AuthenticatedRead"];
