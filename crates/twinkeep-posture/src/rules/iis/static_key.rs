//! Rule `iis-static-key`: no key stands in the configuration.
//!
//! Found are settings, connection strings, conditions of rewrite rules, variables and headers that
//! are set, machine keys, and passwords. The value is never kept.

use crate::facts::Check;
use crate::facts::iis::Iis;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-static-key",
    title: "No key or password stands in the files",
    severity: Severity::Critical,
    protects: "Who reads the file, its backup, or its repository can ask in the name of every client, and nobody can tell them apart.",
    remedy: "let the gate check keys or tokens per client, encrypt the section (`aspnet_regiis -pe`) or take the value from a vault; then make a new key, as this one is known",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Strong,
            because: "A key that all clients share proves nothing about who asks.",
        },
        Evidence {
            control: "hipaa-164.312(a)(2)(i)",
            strength: Strength::Strong,
            because: "A shared key is no unique identification.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "A key in a file leaks with the file.",
        },
    ],
    check: Check::Iis(Judge { judge }),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    if facts.static_keys.is_empty() {
        return vec![Judged::new(&facts.root, Outcome::Pass)];
    }
    let keys = facts.static_keys.iter();
    keys.map(|key| {
        let what = format!("a key or password stands in the file, as `{}`", key.name);
        Judged::new(format!("{} {}", key.name, key.at), Outcome::fail(key.at.clone(), what))
    })
    .collect()
}
