//! Rule `s3-versioning`: what is overwritten or deleted in a bucket can be had back.

use crate::facts::s3::{Answer, Bucket, S3, Versioning};
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::s3::{each, fixes, place, unknown};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "s3-versioning",
    title: "Each bucket keeps old versions of its objects",
    severity: Severity::Medium,
    protects: "Without versions, a mistake, or somebody who extorts, destroys objects for good by \
               writing over them.",
    remedy: "switch versioning on for the bucket, with a lifecycle rule that ends old versions \
             after the time you must keep them",
    controls: &[
        Evidence {
            control: "hipaa-164.312(c)(1)",
            strength: Strength::Partial,
            because: "Records that were altered or destroyed improperly can be restored as they \
                      were.",
        },
        Evidence {
            control: "hipaa-164.308(a)(7)(ii)(A)",
            strength: Strength::Partial,
            because: "Exact copies of overwritten objects remain retrievable.",
        },
        Evidence {
            control: "gdpr-32(1)(c)",
            strength: Strength::Partial,
            because: "Access to personal data can be restored after they were overwritten or \
                      deleted.",
        },
    ],
    check: Check::S3(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::S3(fixes::versioning) };

fn judge(facts: &S3) -> Vec<Judged> {
    each(facts, outcome)
}

fn outcome(bucket: &Bucket) -> Outcome {
    let at = || place(bucket, "versioning");
    match &bucket.versioning {
        Answer::Is(Versioning::Enabled) => Outcome::Pass,
        Answer::Is(Versioning::Suspended) => Outcome::fail(at(), "versioning is suspended"),
        Answer::Absent => Outcome::fail(at(), "versioning was never switched on"),
        Answer::Unknown(why) => unknown("versioning", why),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::s3::{Answer, Versioning};
    use crate::rules::s3::testing::{closed, facts, word};

    #[test]
    fn versions_must_be_kept_now() {
        let with = |versioning| {
            let mut bucket = closed("ward");
            bucket.versioning = versioning;
            word(judge, facts(bucket))
        };
        assert_eq!(with(Answer::Is(Versioning::Enabled)), "pass");
        assert_eq!(with(Answer::Is(Versioning::Suspended)), "fail");
        assert_eq!(with(Answer::Absent), "fail");
        assert_eq!(with(Answer::Unknown("AccessDenied".into())), "not-checked");
    }
}
