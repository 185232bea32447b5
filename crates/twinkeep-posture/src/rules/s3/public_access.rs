//! Rule `s3-public-access`: nobody on the internet can reach a bucket, whichever way that would be granted.

use crate::facts::s3::{Answer, Block, Bucket, S3};
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::s3::effective::{Access, access};
use crate::rules::s3::{each, fixes, place};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "s3-public-access",
    title: "No bucket can be reached by anybody",
    severity: Severity::Critical,
    protects: "What is in a public bucket is copied by strangers within hours; lists of such \
               buckets are public themselves.",
    remedy: "run `twinkeep scan plan s3`, which blocks public access first and takes grants away \
             then",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "A bucket that anybody can reach lets in persons who were granted no right \
                      of access.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Strong,
            because: "By default, personal data must not be accessible to an indefinite number of \
                      persons.",
        },
        Evidence {
            control: "aisvs-5.2.1",
            strength: Strength::Partial,
            because: "Data sets and models in a public bucket are denied to nobody.",
        },
    ],
    check: Check::S3(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::S3(fixes::grants) };

fn judge(facts: &S3) -> Vec<Judged> {
    each(facts, |bucket| outcome(bucket, &facts.account_block))
}

fn outcome(bucket: &Bucket, account: &Answer<Block>) -> Outcome {
    match access(bucket, account) {
        Access::Closed => Outcome::Pass,
        Access::Public(ways) => Outcome::fail(place(bucket, "access"), ways.join("; ")),
        Access::Unknown(why) => Outcome::not_checked(format!("it could be public: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::s3::{Answer, Grant, Grantee};
    use crate::rules::s3::testing::{closed, facts, word};

    #[test]
    fn a_bucket_is_closed_open_or_nobody_knows() {
        assert_eq!(word(judge, facts(closed("ward"))), "pass");
        let mut open = closed("ward");
        let permission = "READ".to_owned();
        open.grants = Answer::Is(vec![Grant { grantee: Grantee::AllUsers, permission }]);
        open.block = Answer::Absent;
        open.ownership = Answer::Absent;
        assert_eq!(word(judge, facts(open.clone())), "fail");
        open.block = Answer::Unknown("AccessDenied".into());
        assert_eq!(word(judge, facts(open)), "not-checked");
    }
}
