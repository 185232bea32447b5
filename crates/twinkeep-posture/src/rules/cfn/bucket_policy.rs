//! Rule `cfn-bucket-policy`: no policy of a bucket is for everybody.
//!
//! A condition counts if it fixes who asks or from where, as AWS sees it ("the meaning of public"): a
//! referrer that anybody can send does not.

use super::{resources, worse};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::{Says, Template, Value};
use crate::outcome::{Judged, Outcome, Severity};
use crate::parse::bucket_policy::Condition;
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-bucket-policy",
    title: "No bucket policy allows anything to everybody without a condition on who asks or from where",
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

/// Whether a condition fixes who asks or from where.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Narrows {
    Not,
    Unknown,
    Fully,
}

/// All parts of a condition must hold, so one that fixes is enough.
fn fixes(condition: &Value) -> Narrows {
    let Says::Map(operators) = &condition.says else {
        return if condition.says == Says::Nothing { Narrows::Not } else { Narrows::Unknown };
    };
    let mut found = Narrows::Not;
    for operator in operators {
        for keys in operator.value.branches() {
            let Says::Map(keys) = &keys.says else {
                found = found.max(Narrows::Unknown);
                continue;
            };
            for key in keys {
                found = found.max(part(&operator.key, &key.key, &key.value));
            }
        }
    }
    found
}

fn part(operator: &str, key: &str, values: &Value) -> Narrows {
    let fixed = |text: &str| Condition::new(operator, key, vec![text.to_owned()]).is_fixed();
    let items: Vec<&Value> = values.items();
    let each = items.iter().map(|value| match &value.says {
        Says::Text(text) if fixed(text) => Narrows::Fully,
        Says::Text(_) | Says::Nothing => Narrows::Not,
        // Something of the template, such as its network, is fixed once it is there; of an
        // operator or a key that fixes nothing, no value does.
        Says::Resource { .. } if fixed("10.0.0.0/8") || fixed("vpc-1") => Narrows::Fully,
        _ if fixed("10.0.0.0/8") || fixed("vpc-1") => Narrows::Unknown,
        _ => Narrows::Not,
    });
    each.min().unwrap_or(Narrows::Not)
}

fn of(template: &Template, statement: &Value) -> Outcome {
    if let Says::Unknown(why) = &statement.says {
        return Outcome::not_checked(why);
    }
    let allows = statement.under(&["Effect"]).iter().any(|effect| effect.text() != Some("Deny"));
    if !allows {
        return Outcome::Pass;
    }
    let conditions = statement.under(&["Condition"]);
    // The least of what a condition, a parameter, or a mapping may leave.
    match conditions.iter().map(fixes).min().unwrap_or(Narrows::Not) {
        Narrows::Not => {}
        Narrows::Unknown => {
            let why = "what its `Condition` says is known when it is deployed";
            return Outcome::not_checked(why);
        }
        Narrows::Fully => return Outcome::Pass,
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
