//! Rule `cfn-training-encryption`: notebooks, endpoints, and what models leave behind are encrypted.
//!
//! A property that is missing means no, as CloudFormation takes it.

use super::{must_be_set, resources};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::Says;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-training-encryption",
    title: "Every notebook and endpoint of SageMaker is encrypted with a key",
    severity: Severity::High,
    protects: "Who gets at the disks, the snapshots, or the backups reads notebooks, endpoints, and what models leave behind.",
    remedy: "say `KmsKeyId` for each",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "A notebook may hold health data, and is encrypted only if the template says so.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "A notebook may hold personal data, and encryption is the measure that the article names.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let keyed = [
        "AWS::SageMaker::NotebookInstance",
        "AWS::SageMaker::EndpointConfig",
        "AWS::SageMaker::Domain",
    ];
    let mut judged = resources(facts, &keyed, |template, resource| {
        must_be_set(template, resource, &["KmsKeyId"])
    });
    judged.extend(resources(facts, &["AWS::SageMaker::FeatureGroup"], |template, group| {
        let path = ["OnlineStoreConfig", "SecurityConfig", "KmsKeyId"];
        let online = group.properties.under(&["OnlineStoreConfig"]);
        if online.iter().all(|value| value.says == Says::Nothing) {
            return must_be_set(
                template,
                group,
                &["OfflineStoreConfig", "S3StorageConfig", "KmsKeyId"],
            );
        }
        must_be_set(template, group, &path)
    }));
    judged
}
