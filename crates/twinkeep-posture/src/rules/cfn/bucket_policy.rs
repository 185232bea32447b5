//! Rule `cfn-bucket-policy`: no policy of a bucket is for everybody.
//!
//! A statement with a condition is left to those who know what the condition means.

use super::{resources, worse};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::{Says, Template, Value};
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-bucket-policy",
    title: "No bucket policy allows anything to everybody without a condition",
    severity: Severity::Critical,
    protects: "Anybody on the internet can do what the statement allows.",
    remedy: "name the role or the account in `Principal`, or add a `Condition` on the organization or the network",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "A statement for everybody grants access to nobody in particular.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Strong,
            because: "By default personal data must not be open to an indefinite number of persons.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    resources(facts, &["AWS::S3::BucketPolicy"], |template, policy| {
        let mut outcome = Outcome::Pass;
        for statements in policy.properties.under(&["PolicyDocument", "Statement"]) {
            if let Says::Unknown(why) = &statements.says {
                outcome = worse(outcome, Outcome::not_checked(why));
            }
            for statement in statements.items() {
                outcome = worse(outcome, of(template, statement));
            }
        }
        outcome
    })
}

fn of(template: &Template, statement: &Value) -> Outcome {
    if let Says::Unknown(why) = &statement.says {
        return Outcome::not_checked(why);
    }
    let allows = statement.under(&["Effect"]).iter().any(|effect| effect.text() != Some("Deny"));
    let conditions = statement.under(&["Condition"]);
    let unconditional = conditions.iter().any(|condition| condition.says == Says::Nothing);
    if !allows || !unconditional {
        return Outcome::Pass;
    }
    if statement.under(&["NotPrincipal"]).iter().any(|value| value.says != Says::Nothing) {
        let what = "allows everybody but some (`NotPrincipal`)";
        return Outcome::fail(template.place(statement.at), what);
    }
    let mut outcome = Outcome::Pass;
    for principal in statement.under(&["Principal"]) {
        // `"*"` and `{AWS: "*"}` mean the same.
        let mut named = vec![principal.clone()];
        if let Says::Map(_) = principal.says {
            named = principal.under(&["AWS"]);
        }
        for value in named.iter().flat_map(|value| value.items()) {
            outcome = worse(
                outcome,
                match &value.says {
                    Says::Text(text) if text == "*" => {
                        Outcome::fail(template.place(value.at), "allows everybody")
                    }
                    Says::Unknown(why) => Outcome::not_checked(format!("`Principal`: {why}")),
                    _ => Outcome::Pass,
                },
            );
        }
    }
    outcome
}
