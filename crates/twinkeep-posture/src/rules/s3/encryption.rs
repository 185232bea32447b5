//! Rule `s3-encryption`: what is put into a bucket is encrypted, whether or not the upload asks for it.

use crate::facts::s3::{Answer, Bucket, S3};
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::s3::{each, fixes, place, unknown};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "s3-encryption",
    title: "Each bucket encrypts new objects by default",
    severity: Severity::High,
    protects: "Objects that are stored in the clear can be read from the disks of the store, and \
               from its backups.",
    remedy: "run `twinkeep scan plan s3`, which sets AES256 and leaves all other settings of \
             encryption as they are",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "Objects are encrypted before they are written to disk.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "Encryption of personal data at rest is switched on for every new object.",
        },
        Evidence {
            control: "nprm-164.312(b)",
            strength: Strength::Partial,
            because: "The proposed rule requires that all electronic protected health information \
                      at rest is encrypted.",
        },
    ],
    check: Check::S3(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::S3(fixes::encryption) };

fn judge(facts: &S3) -> Vec<Judged> {
    each(facts, outcome)
}

fn outcome(bucket: &Bucket) -> Outcome {
    let at = || place(bucket, "encryption");
    match &bucket.encryption {
        Answer::Is(encryption) if KNOWN.contains(&encryption.algorithm.as_str()) => Outcome::Pass,
        Answer::Is(_) => Outcome::fail(at(), "its default encryption is none that S3 has"),
        Answer::Absent => Outcome::fail(at(), "it has no default encryption"),
        Answer::Unknown(why) => unknown("default encryption", why),
    }
}

/// The algorithms of S3, PutBucketEncryption.
const KNOWN: &[&str] = &["AES256", "aws:kms", "aws:kms:dsse", "aws:fsx"];

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::s3::{Answer, Encryption};
    use crate::rules::s3::testing::{closed, facts, word};

    #[test]
    fn there_must_be_an_algorithm_that_exists() {
        let with = |encryption| {
            let mut bucket = closed("ward");
            bucket.encryption = encryption;
            word(judge, facts(bucket))
        };
        let by = |name: &str| Answer::Is(Encryption { algorithm: name.into(), blocked: vec![] });
        assert_eq!(with(by("AES256")), "pass");
        assert_eq!(with(by("aws:kms")), "pass");
        assert_eq!(with(by("ROT13")), "fail");
        assert_eq!(with(Answer::Absent), "fail");
        assert_eq!(with(Answer::Unknown("AccessDenied".into())), "not-checked");
    }
}
