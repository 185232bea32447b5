//! Rule `cfn-volume-encryption`: volumes are encrypted.
//!
//! A property that is missing means no, as CloudFormation takes it.

use super::{Verdict, all, must_be_true, resources};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::Says;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-volume-encryption",
    title: "Every volume is encrypted",
    severity: Severity::High,
    protects: "Who gets at the disks, the snapshots, or the backups reads what is on the volumes.",
    remedy: "say `Encrypted: true` and a `KmsKeyId` for each volume",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "Volumes may hold health data, and is encrypted only if the template says so.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "Volumes may hold personal data, and encryption is the measure that the article names.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let mut judged = resources(facts, &["AWS::EC2::Volume"], |template, volume| {
        must_be_true(template, volume, &["Encrypted"])
    });
    let machines =
        ["AWS::EC2::Instance", "AWS::EC2::LaunchTemplate", "AWS::AutoScaling::LaunchConfiguration"];
    judged.extend(resources(facts, &machines, |template, machine| {
        let path: &[&str] = match machine.kind.as_str() {
            "AWS::EC2::LaunchTemplate" => &["LaunchTemplateData", "BlockDeviceMappings"],
            _ => &["BlockDeviceMappings"],
        };
        let mut values = Vec::new();
        for list in machine.properties.under(path) {
            if let Says::Unknown(_) = list.says {
                values.push(list.clone());
            }
            let disks = list.items().into_iter().flat_map(|item| item.under(&["Ebs"]));
            for disk in disks.filter(|disk| disk.says != Says::Nothing) {
                values.extend(disk.under(&["Encrypted"]));
            }
        }
        if values.is_empty() {
            return Outcome::not_applicable(
                "it says no volumes; those of its image are encrypted as the account says",
            );
        }
        all(template, &values, machine.at, |value| match &value.says {
            Says::Text(text) if text.eq_ignore_ascii_case("true") => Verdict::Good,
            Says::Unknown(why) => Verdict::Unknown(format!("`Encrypted`: {why}")),
            Says::Text(_) | Says::Nothing => {
                Verdict::Bad("has a volume that is not encrypted".to_owned())
            }
            _ => Verdict::Unknown("`Encrypted` is known when it is deployed".to_owned()),
        })
    }));
    judged
}
