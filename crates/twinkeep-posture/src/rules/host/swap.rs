//! Rule `host-swap`: memory is not written to a disk in the clear.

use crate::facts::Check;
use crate::facts::host::{Encryption, Host};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-swap",
    title: "Memory is swapped out to encrypted storage, or not at all",
    severity: Severity::Medium,
    protects: "What a program had in memory lies on the disk for as long as nothing else is written there.",
    remedy: "run `swapoff -a`, or put swap on a volume that gets a random key at each start (`/etc/crypttab`)",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Partial,
            because: "Data in memory is data, too.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption at rest has no gap in swap.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

fn judge(host: &Host) -> Vec<Judged> {
    let swaps = match host.swaps.seen() {
        Ok(swaps) => swaps,
        Err(why) => return vec![Judged::new("swap", Outcome::not_checked(why))],
    };
    if swaps.is_empty() {
        return vec![Judged::new("swap", Outcome::Pass)];
    }
    let judged = swaps.iter().map(|swap| {
        let outcome = match swap.encryption.seen() {
            Ok(Encryption::Nothing { device }) => Outcome::fail(
                Place::of(&swap.path),
                format!("it lies on `{device}`, which nothing encrypts"),
            ),
            Ok(_) => Outcome::Pass,
            Err(why) => Outcome::not_checked(why),
        };
        Judged::new(&swap.path, outcome)
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::{Encryption, Host, Swap};

    #[test]
    fn only_swap_in_the_clear_fails() {
        let word = |encryption| {
            let swaps = Known::Seen(vec![Swap { path: "/dev/vdb".into(), encryption }]);
            judge(&Host { swaps, ..Host::default() })[0].outcome.word()
        };
        assert_eq!(word(Known::Seen(Encryption::Memory)), "pass");
        assert_eq!(word(Known::Seen(Encryption::Nothing { device: "vdb".into() })), "fail");
        assert_eq!(word(Known::default()), "not-checked");
        let none = Host { swaps: Known::Seen(Vec::new()), ..Host::default() };
        assert_eq!(judge(&none)[0].outcome.word(), "pass");
    }
}
