//! Rule `s3-access-log`: who accessed a bucket is written down, in another bucket.

use crate::facts::s3::{Answer, Bucket, S3};
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::s3::{each, fixes, place, unknown};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "s3-access-log",
    title: "Accesses to each bucket are logged to another bucket",
    severity: Severity::Medium,
    protects: "After a leak nobody can say which records were read, so all of them count as \
               disclosed.",
    remedy: "switch server access logging on, to a bucket of its own that only the log delivery \
             service may write to",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Partial,
            because: "Reads and writes of stored records are recorded.",
        },
        Evidence {
            control: "hipaa-164.308(a)(1)(ii)(D)",
            strength: Strength::Partial,
            because: "There are records of access that can be reviewed.",
        },
        Evidence {
            control: "aisvs-1.1.4",
            strength: Strength::Partial,
            because: "A change of a data set in the bucket leaves a trace.",
        },
    ],
    check: Check::S3(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::S3(fixes::access_log) };

fn judge(facts: &S3) -> Vec<Judged> {
    each(facts, |bucket| outcome(bucket, facts))
}

fn outcome(bucket: &Bucket, facts: &S3) -> Outcome {
    let at = || place(bucket, "logging");
    let is_target = |other: &Bucket| other.log_bucket.known() == Some(&bucket.name);
    match &bucket.log_bucket {
        Answer::Is(target) if *target == bucket.name => Outcome::fail(
            at(),
            "it logs to itself: whoever may delete there deletes the traces too",
        ),
        Answer::Is(_) => Outcome::Pass,
        // Each delivery of a log would be logged, and so on for ever.
        Answer::Absent if facts.buckets.iter().any(is_target) => {
            Outcome::not_applicable("the logs of other buckets are delivered to it")
        }
        Answer::Absent => Outcome::fail(at(), "its accesses are not logged"),
        Answer::Unknown(why) => unknown("logging", why),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::s3::Answer;
    use crate::rules::s3::testing::{closed, facts, word};

    #[test]
    fn a_bucket_logs_to_another_one() {
        let with = |target| {
            let mut bucket = closed("ward");
            bucket.log_bucket = target;
            word(judge, facts(bucket))
        };
        assert_eq!(with(Answer::Is("logs".into())), "pass");
        assert_eq!(with(Answer::Is("ward".into())), "fail");
        assert_eq!(with(Answer::Absent), "fail");
        assert_eq!(with(Answer::Unknown("AccessDenied".into())), "not-checked");
    }

    #[test]
    fn the_bucket_of_the_logs_needs_no_log() {
        let mut all = facts(closed("ward"));
        let mut logs = closed("logs");
        logs.log_bucket = Answer::Absent;
        all.buckets.push(logs);
        assert_eq!(judge(&all)[1].outcome.word(), "not-applicable");
    }
}
