//! Rule `git-signers`: the list of those who may sign is in order.

use crate::facts::Check;
use crate::facts::git::{Git, List, Signer};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "git-signers",
    title: "The list of signers can be read, and its keys are strong and end one day",
    severity: Severity::Low,
    protects: "A key that never ends is still good when its owner has long left; a line that \
               cannot be read locks out somebody who may sign.",
    remedy: "correct the line; give each key a `valid-before`; replace RSA below 3072 bits by \
             Ed25519",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(3)(ii)(C)",
            strength: Strength::Partial,
            because: "A key with an end stops counting even if nobody thinks of it.",
        },
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Partial,
            because: "Each line ties one key to one who may use it.",
        },
    ],
    check: Check::Git(Judge { judge }),
};

fn judge(git: &Git) -> Vec<Judged> {
    let Some(list) = &git.list else { return Vec::new() };
    let at = |line: u32| Place { path: list.path.clone(), line: Some(line), column: None };
    let mut judged: Vec<Judged> = list
        .wrong
        .iter()
        .map(|it| {
            let outcome = Outcome::fail(at(it.line), format!("cannot be read: {}", it.why));
            Judged::new(format!("{}:{}", list.path, it.line), outcome)
        })
        .collect();
    for signer in &list.signers {
        let outcome = match weakness(list, signer) {
            Some(what) => Outcome::fail(at(signer.line), what),
            None => Outcome::Pass,
        };
        judged.push(Judged::new(format!("{}:{}", list.path, signer.line), outcome));
    }
    judged
}

fn weakness(list: &List, signer: &Signer) -> Option<String> {
    if let Some(bits) = signer.rsa_bits.filter(|bits| *bits < RSA_BITS_MIN) {
        return Some(format!("its key is RSA of {bits} bits"));
    }
    if signer.valid_before_s.is_none() {
        return Some("its key never ends: `valid-before` is missing".to_owned());
    }
    let earlier = list.signers.iter().find(|it| it.key == signer.key && it.line < signer.line);
    earlier.map(|it| format!("its key is on line {}, too", it.line))
}

/// What NIST SP 800-57 asks for after 2030, and signatures last.
const RSA_BITS_MIN: u32 = 3072;
