//! Rule `s3-other-accounts`: only this account can reach a bucket, unless somebody decided otherwise.

use crate::facts::Check;
use crate::facts::s3::{Answer, Bucket, Grantee, Ownership, S3};
use crate::outcome::{Judged, Outcome, Severity};
use crate::parse::bucket_policy::Policy;
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::s3::effective::{Access, access};
use crate::rules::s3::{each, place, unknown};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "s3-other-accounts",
    title: "No bucket lets other accounts in",
    severity: Severity::Medium,
    protects: "Another account is another organization with its own administrators: what it can \
               read has been disclosed to it.",
    remedy: "take the grant away, or put the finding into the baseline together with the contract \
             that allows it",
    controls: &[
        Evidence {
            control: "hipaa-164.308(b)(1)",
            strength: Strength::Partial,
            because: "Each account that is let in should be one of a business associate with a \
                      contract.",
        },
        Evidence {
            control: "gdpr-28",
            strength: Strength::Partial,
            because: "Each account that is let in should be one of a processor with a contract.",
        },
        Evidence {
            control: "hipaa-164.308(a)(4)(ii)(B)",
            strength: Strength::Partial,
            because: "Access of others is visible, so that it can be authorized or ended.",
        },
    ],
    check: Check::S3(Judge { judge }),
};

fn judge(facts: &S3) -> Vec<Judged> {
    each(facts, |bucket| match access(bucket, &facts.account_block) {
        Access::Public(_) => Outcome::fail(place(bucket, "access"), "anybody is let in"),
        Access::Unknown(why) => Outcome::not_checked(format!("anybody could be let in: {why}")),
        Access::Closed => listed(bucket).unwrap_or_else(|| named(bucket, &facts.account)),
    })
}

/// Says what is wrong with its access control list, if it counts.
fn listed(bucket: &Bucket) -> Option<Outcome> {
    match &bucket.ownership {
        Answer::Is(Ownership::BucketOwnerEnforced) => return None,
        Answer::Is(_) | Answer::Absent => {}
        Answer::Unknown(why) => return Some(unknown("object ownership", why)),
    }
    let grants = match &bucket.grants {
        Answer::Is(grants) => grants.as_slice(),
        Answer::Absent => &[],
        Answer::Unknown(why) => return Some(unknown("access control list", why)),
    };
    let foreign = |grantee| matches!(grantee, Grantee::Other | Grantee::UnknownGroup);
    let is_foreign = grants.iter().any(|grant| foreign(grant.grantee));
    is_foreign.then(|| Outcome::fail(place(bucket, "acl"), "its list lets others in"))
}

/// Says whom its policy names.
fn named(bucket: &Bucket, account: &Answer<String>) -> Outcome {
    let policy = match &bucket.policy {
        Answer::Is(value) => Policy::parse(value),
        Answer::Absent => return Outcome::Pass,
        Answer::Unknown(why) => return unknown("policy", why),
    };
    match (policy, account) {
        (Err(error), _) => unknown("policy", &error.to_string()),
        (Ok(policy), Answer::Is(account)) => {
            let others = policy.others(account);
            if others.is_empty() {
                return nobody_else(&policy);
            }
            let list = others.join(", ");
            Outcome::fail(
                place(bucket, "policy"),
                format!("its policy lets in the accounts {list}"),
            )
        }
        // Without the own number, every account looks like another.
        (Ok(policy), _) if policy.others("").is_empty() => nobody_else(&policy),
        (Ok(_), _) => Outcome::not_checked("the number of the own account is not known"),
    }
}

/// A policy that names no number of another account.
fn nobody_else(policy: &Policy) -> Outcome {
    if policy.names_canonical() {
        Outcome::not_checked("its policy names a canonical user, and not of which account")
    } else {
        Outcome::Pass
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::judge;
    use crate::facts::s3::{Answer, Grant, Grantee, Ownership};
    use crate::rules::s3::testing::{closed, facts, judged, word};

    #[test]
    fn policies_name_other_accounts() {
        assert_eq!(word(judge, facts(closed("ward"))), "pass");
        let mut shared = closed("ward");
        shared.policy =
            Answer::Is(json!({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject",
            "Principal": {"AWS": ["arn:aws:iam::123456789012:role/own", "210987654321"]},
            "Resource": "arn:aws:s3:::ward/*"}]}));
        let mut all = facts(shared);
        let said = judged(judge, all.clone());
        assert_eq!(said.says(), "its policy lets in the accounts 210987654321");
        all.account = Answer::Unknown("AccessDenied".into());
        assert_eq!(word(judge, all), "not-checked");
    }

    #[test]
    fn conditions_name_other_accounts_and_canonical_names_tell_none() {
        let canonical = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
        let only = json!({"StringEquals": {"aws:PrincipalAccount": "210987654321"}});
        for (principal, condition, wanted) in [
            (json!("*"), only, "fail"),
            (json!({"CanonicalUser": canonical}), json!({}), "not-checked"),
        ] {
            let mut shared = closed("ward");
            shared.policy = Answer::Is(json!({"Statement": [{"Effect": "Allow",
                "Action": "s3:GetObject", "Principal": principal, "Condition": condition,
                "Resource": "arn:aws:s3:::ward/*"}]}));
            assert_eq!(word(judge, facts(shared)), wanted);
        }
    }

    #[test]
    fn lists_name_others_without_saying_whom_where_they_count() {
        let mut shared = closed("ward");
        let grant = Grant { grantee: Grantee::Other, permission: "READ".into() };
        shared.grants = Answer::Is(vec![grant]);
        assert_eq!(word(judge, facts(shared.clone())), "pass", "lists do not count");
        shared.ownership = Answer::Is(Ownership::ObjectWriter);
        assert_eq!(word(judge, facts(shared.clone())), "fail");
        shared.ownership = Answer::Unknown("AccessDenied".into());
        assert_eq!(word(judge, facts(shared.clone())), "not-checked");
        shared.ownership = Answer::Absent;
        shared.grants = Answer::Unknown("AccessDenied".into());
        assert_eq!(word(judge, facts(shared)), "not-checked");
    }

    #[test]
    fn whoever_lets_anybody_in_lets_every_account_in() {
        let mut open = closed("ward");
        open.block = Answer::Absent;
        open.policy = Answer::Is(json!({"Statement": [{"Effect": "Allow", "Principal": "*",
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::ward/*"}]}));
        assert_eq!(word(judge, facts(open.clone())), "fail");
        open.block = Answer::Unknown("AccessDenied".into());
        assert_eq!(word(judge, facts(open)), "not-checked");
    }
}
