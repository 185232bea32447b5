//! Rule `cfn-notebook-internet`: notebooks do not reach the internet by themselves.
//!
//! Both are enabled unless the template says otherwise.

use super::{Verdict, all, resources, worse};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::Says;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-notebook-internet",
    title: "Every notebook of SageMaker is inside of the network, and its user is not root",
    severity: Severity::High,
    protects: "Who works in a notebook with health data can send it anywhere, and what they install can too.",
    remedy: "say `DirectInternetAccess: Disabled`, `RootAccess: Disabled`, and a `SubnetId`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "Data that leaves from a notebook passes no control.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Root in a notebook can undo what restricts it.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    resources(facts, &["AWS::SageMaker::NotebookInstance"], |template, notebook| {
        let one = |name: &str| {
            let values = notebook.properties.under(&[name]);
            all(template, &values, notebook.at, |value| match &value.says {
                Says::Text(word) if word == "Disabled" => Verdict::Good,
                // Both are enabled unless it is said.
                Says::Text(_) | Says::Nothing => Verdict::Bad(format!("`{name}` is not disabled")),
                Says::Unknown(why) => Verdict::Unknown(format!("`{name}`: {why}")),
                _ => Verdict::Unknown(format!("`{name}` is known when it is deployed")),
            })
        };
        worse(one("DirectInternetAccess"), one("RootAccess"))
    })
}
