//! Rule `nginx-static-key`: no key stands in the configuration.
//!
//! Found are comparisons (`if ($http_x_api_key != "…")`), tables (`map`), variables (`set`), and
//! headers that are sent on. The value is never kept.

use crate::facts::Check;
use crate::facts::nginx::Nginx;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-static-key",
    title: "No key that proves who asks stands in the files",
    severity: Severity::Critical,
    protects: "Who reads the file, its backup, or its repository can ask in the name of every client, and nobody can tell them apart.",
    remedy: "let the gate check keys or tokens per client, or take the key from a file that only nginx reads; then make a new key, as this one is known",
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
    check: Check::Nginx(Judge { judge }),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    if facts.static_keys.is_empty() {
        return vec![Judged::new(&facts.main, Outcome::Pass)];
    }
    let keys = facts.static_keys.iter();
    keys.map(|key| {
        let what = format!("a key for `{}` stands in the file", key.name);
        Judged::new(format!("{} {}", key.name, key.at), Outcome::fail(key.at.clone(), what))
    })
    .collect()
}
