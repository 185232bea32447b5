//! Rule `s3-public-block`: public access is blocked for good, so that no later grant opens a bucket.

use crate::facts::s3::{Answer, Block, Bucket, S3};
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::s3::{each, fixes, place, unknown};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "s3-public-block",
    title: "All four settings that block public access are on, for each bucket or its account",
    severity: Severity::High,
    protects: "Without the block, one wrong policy or one upload with a public list opens the \
               bucket at once.",
    remedy: "run `twinkeep scan plan s3`, or switch the block on for the whole account in S3 \
             Control",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "The block keeps rights of access with those who were granted them, whatever \
                      is written into a policy later.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Strong,
            because: "With the block on, personal data stay closed by default.",
        },
        Evidence {
            control: "hipaa-164.308(a)(4)(ii)(C)",
            strength: Strength::Partial,
            because: "A change of access cannot go as far as the public.",
        },
    ],
    check: Check::S3(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::S3(fixes::block) };

fn judge(facts: &S3) -> Vec<Judged> {
    each(facts, |bucket| outcome(bucket, &facts.account_block))
}

fn outcome(bucket: &Bucket, account: &Answer<Block>) -> Outcome {
    let known = |block: &Answer<Block>| block.known().copied().unwrap_or_default();
    let both = known(&bucket.block).or(known(account));
    if both == Block::FULL {
        return Outcome::Pass;
    }
    for block in [&bucket.block, account] {
        if let Some(why) = block.why_unknown() {
            return unknown("public access block", why);
        }
    }
    let settings = [
        (both.block_public_acls, "BlockPublicAcls"),
        (both.ignore_public_acls, "IgnorePublicAcls"),
        (both.block_public_policy, "BlockPublicPolicy"),
        (both.restrict_public_buckets, "RestrictPublicBuckets"),
    ];
    let off: Vec<&str> = settings.iter().filter(|(on, _)| !on).map(|(_, name)| *name).collect();
    Outcome::fail(place(bucket, "publicAccessBlock"), format!("off: {}", off.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::s3::{Answer, Block};
    use crate::rules::s3::testing::{closed, facts, judged, word};

    #[test]
    fn the_bucket_and_its_account_count_together() {
        assert_eq!(word(judge, facts(closed("ward"))), "pass");
        let mut half = closed("ward");
        let lists = Block { block_public_acls: true, ignore_public_acls: true, ..Block::default() };
        half.block = Answer::Is(lists);
        let mut all = facts(half);
        let said = judged(judge, all.clone());
        assert_eq!(said.says(), "off: BlockPublicPolicy, RestrictPublicBuckets");
        let policies = Block { block_public_acls: false, ignore_public_acls: false, ..Block::FULL };
        all.account_block = Answer::Is(policies);
        assert_eq!(word(judge, all.clone()), "pass");
        all.account_block = Answer::Unknown("AccessDenied".into());
        assert_eq!(word(judge, all), "not-checked");
    }
}
