//! Rule `s3-object-lock`: versions can be held, so that nobody deletes them before their time.

use crate::facts::Check;
use crate::facts::s3::{Answer, Bucket, S3};
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::s3::{each, place, unknown};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "s3-object-lock",
    title: "Each bucket holds versions against deletion by default",
    severity: Severity::Low,
    protects: "Whoever gets hold of an administrator of the account can delete records, logs, and \
               backups with all their versions.",
    remedy: "make the bucket anew with object lock and a default retention, and copy its objects; \
             a lock cannot be undone, so no plan does this for you",
    controls: &[
        Evidence {
            control: "hipaa-164.316(b)(2)(i)",
            strength: Strength::Partial,
            because: "What must be kept for six years cannot be deleted earlier.",
        },
        Evidence {
            control: "hipaa-164.312(c)(1)",
            strength: Strength::Partial,
            because: "Records are protected from improper destruction, by administrators too.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Integrity and availability do not hang on one account.",
        },
    ],
    check: Check::S3(Judge { judge }),
};

fn judge(facts: &S3) -> Vec<Judged> {
    each(facts, outcome)
}

fn outcome(bucket: &Bucket) -> Outcome {
    let at = || place(bucket, "object-lock");
    match &bucket.object_lock {
        Answer::Is(lock) if lock.default_mode.is_some() => Outcome::Pass,
        Answer::Is(_) => {
            Outcome::fail(at(), "locks are possible, but no object gets one by default")
        }
        Answer::Absent => Outcome::fail(at(), "it has no object lock"),
        Answer::Unknown(why) => unknown("object lock", why),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::s3::{Answer, ObjectLock};
    use crate::rules::s3::testing::{closed, facts, word};

    #[test]
    fn new_objects_must_be_held_without_asking() {
        let with = |object_lock| {
            let mut bucket = closed("ward");
            bucket.object_lock = object_lock;
            word(judge, facts(bucket))
        };
        let mode =
            |mode: Option<&str>| Answer::Is(ObjectLock { default_mode: mode.map(str::to_owned) });
        assert_eq!(with(mode(Some("GOVERNANCE"))), "pass");
        assert_eq!(with(mode(None)), "fail");
        assert_eq!(with(Answer::Absent), "fail");
        assert_eq!(with(Answer::Unknown("NotImplemented".into())), "not-checked");
    }
}
