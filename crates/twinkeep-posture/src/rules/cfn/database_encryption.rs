//! Rule `cfn-database-encryption`: databases are encrypted.
//!
//! A property that is missing means no, as CloudFormation takes it.

use super::{must_be_true, resources};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::Says;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-database-encryption",
    title: "Every database is encrypted",
    severity: Severity::High,
    protects: "Who gets at the disks, the snapshots, or the backups reads databases.",
    remedy: "say `StorageEncrypted: true` (`Encrypted` for Redshift) and a `KmsKeyId`; an existing database has to be copied",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "Databases may hold health data, and is encrypted only if the template says so.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "Databases may hold personal data, and encryption is the measure that the article names.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let kinds = [
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::Neptune::DBCluster",
        "AWS::DocDB::DBCluster",
        "AWS::Redshift::Cluster",
        "AWS::OpenSearchService::Domain",
        "AWS::Elasticsearch::Domain",
        "AWS::DAX::Cluster",
    ];
    resources(facts, &kinds, |template, database| {
        let of_cluster = database.properties.under(&["DBClusterIdentifier"]);
        if database.kind == "AWS::RDS::DBInstance"
            && of_cluster.iter().all(|value| value.says != Says::Nothing)
        {
            return Outcome::not_applicable("its cluster says whether it is encrypted");
        }
        let property: &[&str] = match database.kind.as_str() {
            "AWS::Redshift::Cluster" => &["Encrypted"],
            "AWS::DAX::Cluster" => &["SSESpecification", "SSEEnabled"],
            "AWS::OpenSearchService::Domain" | "AWS::Elasticsearch::Domain" => {
                &["EncryptionAtRestOptions", "Enabled"]
            }
            _ => &["StorageEncrypted"],
        };
        must_be_true(template, database, property)
    })
}
