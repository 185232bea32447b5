//! Rule `cfn-database-public`: no database has a public address.
//!
//! Without the property, the subnets decide for RDS.

use super::{Verdict, all, resources};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::Says;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-database-public",
    title: "No database has an address on the internet",
    severity: Severity::Critical,
    protects: "Anybody on the internet can try passwords, and holes of the database itself.",
    remedy: "say `PubliclyAccessible: false`, and take the database out of the public subnets",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "A public address leaves a password as the only border.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Strong,
            because: "Confidentiality needs a border around systems that process.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let kinds = ["AWS::RDS::DBInstance", "AWS::Redshift::Cluster", "AWS::DMS::ReplicationInstance"];
    resources(facts, &kinds, |template, database| {
        let values = database.properties.under(&["PubliclyAccessible"]);
        all(template, &values, database.at, |value| match &value.says {
            Says::Text(text) if text.eq_ignore_ascii_case("false") => Verdict::Good,
            Says::Text(_) => Verdict::Bad("has a public address".to_owned()),
            // What nothing means depends on the subnets, and for replication it means yes.
            Says::Nothing if database.kind == "AWS::DMS::ReplicationInstance" => {
                Verdict::Bad("has a public address, as `PubliclyAccessible` is not said".to_owned())
            }
            Says::Nothing if database.kind == "AWS::Redshift::Cluster" => Verdict::Good,
            Says::Nothing => Verdict::Unknown(
                "`PubliclyAccessible` is not said, and then the subnets decide".to_owned(),
            ),
            Says::Unknown(why) => Verdict::Unknown(why.clone()),
            _ => Verdict::Unknown("`PubliclyAccessible` is known when it is deployed".to_owned()),
        })
    })
}
