//! Rule `cfn-file-system-encryption`: file systems are encrypted.
//!
//! A property that is missing means no, as CloudFormation takes it.

use super::{must_be_true, resources};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-file-system-encryption",
    title: "Every file system is encrypted",
    severity: Severity::High,
    protects: "Who gets at the disks, the snapshots, or the backups reads file systems.",
    remedy: "say `Encrypted: true` and a `KmsKeyId`; an existing file system has to be copied",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "File systems may hold health data, and is encrypted only if the template says so.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "File systems may hold personal data, and encryption is the measure that the article names.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    resources(facts, &["AWS::EFS::FileSystem"], |template, system| {
        must_be_true(template, system, &["Encrypted"])
    })
}
