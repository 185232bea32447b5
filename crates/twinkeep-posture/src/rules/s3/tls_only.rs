//! Rule `s3-tls-only`: a bucket refuses requests that do not come over TLS.

use crate::facts::s3::{Answer, Bucket, S3};
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::parse::bucket_policy::Policy;
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::s3::{each, fixes, place, unknown};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "s3-tls-only",
    title: "The policy of each bucket denies requests without TLS",
    severity: Severity::High,
    protects: "S3 also answers plain HTTP: a client that is set up wrongly sends records and \
               signatures in the clear.",
    remedy: "add a statement that denies `s3:*` on the bucket and its objects to everybody where \
             `aws:SecureTransport` is `false`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Strong,
            because: "Requests that a network could read along are refused.",
        },
        Evidence {
            control: "hipaa-164.312(e)(2)(ii)",
            strength: Strength::Strong,
            because: "Records cannot travel to or from the bucket unencrypted.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption of personal data in transit is enforced, not only offered.",
        },
    ],
    check: Check::S3(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::S3(fixes::tls_only) };

fn judge(facts: &S3) -> Vec<Judged> {
    each(facts, outcome)
}

fn outcome(bucket: &Bucket) -> Outcome {
    let at = || place(bucket, "policy");
    let policy = match &bucket.policy {
        Answer::Is(value) => value,
        Answer::Absent => {
            return Outcome::fail(at(), "it has no policy, so plain HTTP is answered");
        }
        Answer::Unknown(why) => return unknown("policy", why),
    };
    match Policy::parse(policy) {
        Ok(policy) if policy.refuses_plaintext(&bucket.name) => Outcome::Pass,
        Ok(_) => Outcome::fail(
            at(),
            "no statement denies everything to everybody who comes without TLS, on the bucket and \
             its objects",
        ),
        Err(error) => unknown("policy", &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::judge;
    use crate::facts::s3::Answer;
    use crate::rules::s3::testing::{closed, facts, word};

    #[test]
    fn the_statement_must_be_there_and_be_of_this_bucket() {
        assert_eq!(word(judge, facts(closed("ward"))), "pass");
        let mut other = closed("ward");
        other.policy = closed("elsewhere").policy;
        assert_eq!(word(judge, facts(other.clone())), "fail");
        // Who is not denied may come without TLS.
        other.policy = Answer::Is(json!({"Statement": [{"Effect": "Deny",
            "NotPrincipal": {"AWS": "*"}, "Action": "s3:*",
            "Resource": ["arn:aws:s3:::ward", "arn:aws:s3:::ward/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}));
        assert_eq!(word(judge, facts(other.clone())), "fail");
        other.policy = Answer::Absent;
        assert_eq!(word(judge, facts(other.clone())), "fail");
        other.policy = Answer::Is(json!({"Statement": 1}));
        assert_eq!(word(judge, facts(other.clone())), "not-checked");
        other.policy = Answer::Unknown("AccessDenied".into());
        assert_eq!(word(judge, facts(other)), "not-checked");
    }
}
