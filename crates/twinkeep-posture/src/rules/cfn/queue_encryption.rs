//! Rule `cfn-queue-encryption`: queues, topics, streams, and caches are encrypted.
//!
//! A property that is missing means no, as CloudFormation takes it.

use super::{Verdict, all, must_be_set, must_be_true, resources, worse};
use crate::facts::Check;
use crate::facts::cfn::{Cfn, Says};
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-queue-encryption",
    title: "Every queue, topic, stream, and cache is encrypted",
    severity: Severity::Medium,
    protects: "Who gets at the disks, the snapshots, or the backups reads queues, topics, streams, and caches.",
    remedy: "say `KmsMasterKeyId` (topics), `StreamEncryption` (streams), `AtRestEncryptionEnabled` and `TransitEncryptionEnabled` (caches)",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "A queue may hold health data, and is encrypted only if the template says so.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "A queue may hold personal data, and encryption is the measure that the article names.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let mut judged = resources(facts, &["AWS::SNS::Topic"], |template, topic| {
        must_be_set(template, topic, &["KmsMasterKeyId"])
    });
    judged.extend(resources(facts, &["AWS::Kinesis::Stream"], |template, stream| {
        let values = stream.properties.under(&["StreamEncryption", "EncryptionType"]);
        all(template, &values, stream.at, |value| match &value.says {
            Says::Text(word) if word == "KMS" => Verdict::Good,
            Says::Text(_) => Verdict::Bad("`EncryptionType` is not `KMS`".to_owned()),
            Says::Nothing => Verdict::Bad("`StreamEncryption` is not set".to_owned()),
            Says::Unknown(why) => Verdict::Unknown(why.clone()),
            _ => Verdict::Unknown("`EncryptionType` is known when it is deployed".to_owned()),
        })
    }));
    judged.extend(resources(facts, &["AWS::ElastiCache::ReplicationGroup"], |template, cache| {
        let rest = must_be_true(template, cache, &["AtRestEncryptionEnabled"]);
        worse(rest, must_be_true(template, cache, &["TransitEncryptionEnabled"]))
    }));
    judged.extend(resources(facts, &["AWS::SQS::Queue"], |template, queue| {
        // SQS encrypts with its own keys unless it is told not to.
        let off = queue.properties.under(&["SqsManagedSseEnabled"]);
        match off
            .iter()
            .find(|value| value.text().is_some_and(|it| it.eq_ignore_ascii_case("false")))
        {
            Some(value) if must_be_set(template, queue, &["KmsMasterKeyId"]) != Outcome::Pass => {
                Outcome::fail(template.place(value.at), "encryption is turned off")
            }
            _ => Outcome::Pass,
        }
    }));
    judged
}
