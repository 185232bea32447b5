//! Rule `cfn-table-encryption`: tables are encrypted with a key that the account holds.
//!
//! DynamoDB encrypts every table; without the setting, with a key that AWS owns.

use super::{must_be_true, resources, worse};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::Resource;
use crate::facts::cfn::Says;
use crate::facts::cfn::Template;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-table-encryption",
    title: "Every table of DynamoDB is encrypted with a key of KMS",
    severity: Severity::Medium,
    protects: "With keys that AWS owns, no policy says who may use the key, and no log says who did.",
    remedy: "say `SSESpecification: {SSEEnabled: true, SSEType: KMS}`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Partial,
            because: "DynamoDB encrypts in any case; with a key of the account the access to it is controlled too.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "A key of the account is the state of the art for personal data.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let mut judged = resources(facts, &["AWS::DynamoDB::Table"], |template, table| {
        must_be_true(template, table, &["SSESpecification", "SSEEnabled"])
    });
    judged.extend(resources(facts, &["AWS::DynamoDB::GlobalTable"], |template, table| {
        worse(
            must_be_true(template, table, &["SSESpecification", "SSEEnabled"]),
            by_kms(template, table),
        )
    }));
    judged
}

/// A global table with its own specification uses keys of AWS unless it says KMS.
fn by_kms(template: &Template, table: &Resource) -> Outcome {
    let kinds = table.properties.under(&["SSESpecification", "SSEType"]);
    match kinds.iter().find(|kind| kind.says == Says::Nothing || kind.text() == Some("AES256")) {
        Some(kind) => Outcome::fail(template.place(kind.at), "`SSEType` is not `KMS`"),
        None => Outcome::Pass,
    }
}
