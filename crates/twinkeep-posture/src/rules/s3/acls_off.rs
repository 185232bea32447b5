//! Rule `s3-acls-off`: access control lists do not count, so that policies say all there is to say.

use crate::facts::s3::{Answer, Bucket, Ownership, S3};
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::s3::{each, fixes, place, unknown};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "s3-acls-off",
    title: "Access control lists are switched off for each bucket",
    severity: Severity::Medium,
    protects: "As long as lists count, whoever uploads an object can open that object to others, \
               and nothing of that shows in the policy of the bucket.",
    remedy: "set the object ownership of the bucket to `BucketOwnerEnforced`",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(4)(ii)(B)",
            strength: Strength::Partial,
            because: "Access is granted in one place, the policy, where it can be authorized and \
                      reviewed.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Nobody who may only upload can give access away.",
        },
    ],
    check: Check::S3(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::S3(fixes::ownership) };

fn judge(facts: &S3) -> Vec<Judged> {
    each(facts, outcome)
}

fn outcome(bucket: &Bucket) -> Outcome {
    let at = || place(bucket, "ownershipControls");
    match &bucket.ownership {
        Answer::Is(Ownership::BucketOwnerEnforced) => Outcome::Pass,
        Answer::Is(other) => Outcome::fail(at(), format!("the object ownership is {other:?}")),
        Answer::Absent => Outcome::fail(at(), "no object ownership is set, so lists count"),
        Answer::Unknown(why) => unknown("object ownership", why),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::s3::{Answer, Ownership};
    use crate::rules::s3::testing::{closed, facts, word};

    #[test]
    fn only_the_owner_of_the_bucket_may_decide() {
        let with = |ownership| {
            let mut bucket = closed("ward");
            bucket.ownership = ownership;
            word(judge, facts(bucket))
        };
        assert_eq!(with(Answer::Is(Ownership::BucketOwnerEnforced)), "pass");
        assert_eq!(with(Answer::Is(Ownership::ObjectWriter)), "fail");
        assert_eq!(with(Answer::Is(Ownership::BucketOwnerPreferred)), "fail");
        assert_eq!(with(Answer::Absent), "fail");
        assert_eq!(with(Answer::Unknown("AccessDenied".into())), "not-checked");
    }
}
