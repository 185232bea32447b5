//! Rule `cfn-template`: every template was read as a whole.
//!
//! A macro rewrites resources when they are deployed, and a nested stack is another template.

use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-template",
    title: "Every template could be read, with nothing left to macros and other templates",
    severity: Severity::High,
    protects: "What was not read may open what the other rules found closed.",
    remedy: "scan the template that macros produce (`aws cloudformation get-template --template-stage Processed`), and nested templates too",
    controls: &[Evidence {
        control: "hipaa-164.308(a)(8)",
        strength: Strength::Partial,
        because: "An evaluation has to say what it did not see.",
    }],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let mut judged = Vec::new();
    for unread in &facts.unread {
        judged.push(Judged::new(unread.at.to_string(), Outcome::not_checked(&unread.why)));
    }
    for template in &facts.templates {
        let macros = template.macros.iter().map(|found| found.name.as_str());
        let nested = template.resources.iter().filter(|it| it.kind == "AWS::CloudFormation::Stack");
        let open: Vec<&str> = macros.chain(nested.map(|it| it.name.as_str())).collect();
        let outcome = if open.is_empty() {
            Outcome::Pass
        } else {
            Outcome::not_checked(format!("left to others: {}", open.join(", ")))
        };
        judged.push(Judged::new(&template.path, outcome));
    }
    judged
}
