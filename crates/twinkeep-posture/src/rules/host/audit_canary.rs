//! Rule `host-audit-canary`: an event that was made for this purpose came into the log.

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-audit-canary",
    title: "An audit event that is made now comes into the log",
    severity: Severity::High,
    protects: "Settings can all be right, and still nothing is recorded.",
    remedy: "look at `auditctl -s` and `systemctl status auditd`; `scan host --canary` tries again",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Strong,
            because: "An event went the whole way from the kernel to the disk.",
        },
        Evidence {
            control: "hipaa-164.308(a)(8)",
            strength: Strength::Partial,
            because: "It is a technical evaluation, and not a look at settings.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

fn judge(host: &Host) -> Vec<Judged> {
    let outcome = match host.audit.canary.seen() {
        Ok(true) => Outcome::Pass,
        Ok(false) => Outcome::fail(Place::of("audit.log"), "an event that was made did not come"),
        Err(why) => Outcome::not_checked(why),
    };
    vec![Judged::new("auditd", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::Host;

    #[test]
    fn only_an_event_that_was_seen_passes() {
        let word = |canary| {
            let mut host = Host::default();
            host.audit.canary = canary;
            judge(&host)[0].outcome.word()
        };
        assert_eq!(word(Known::Seen(true)), "pass");
        assert_eq!(word(Known::Seen(false)), "fail");
        assert_eq!(word(Known::default()), "not-checked");
    }
}
