//! Rule `cfn-bucket-block`: every bucket refuses to become public.
//!
//! Buckets made since April 2023 block by default, which holds until somebody turns it off: the
//! template has to say it.

use super::{must_be_true, resources};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-bucket-block",
    title: "Every bucket blocks public access in all four ways",
    severity: Severity::High,
    protects: "A list or a policy that somebody adds later can make the bucket public.",
    remedy: "set all four of `PublicAccessBlockConfiguration` to `true`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "The block holds whatever lists and policies say.",
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
        let ways =
            ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
        let outcomes = ways
            .map(|way| must_be_true(template, bucket, &["PublicAccessBlockConfiguration", way]));
        outcomes.into_iter().min().unwrap_or(Outcome::Pass)
    })
}
