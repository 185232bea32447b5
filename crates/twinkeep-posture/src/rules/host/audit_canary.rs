//! Rule `host-audit-canary`: events that were made for this purpose came into the log: one that
//! says nothing, and the opening of each sensitive folder.

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-audit-canary",
    title: "Audit events that are made now come into the log",
    severity: Severity::High,
    protects: "Settings can all be right, and still nothing is recorded.",
    remedy: "look at `auditctl -s`, `auditctl -l`, and `systemctl status auditd`; \
             `scan host --canary` tries again",
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
    let opened = host.sensitive.iter().map(|sensitive| {
        let outcome = match sensitive.recorded.seen() {
            Ok(true) => Outcome::Pass,
            Ok(false) => Outcome::fail(
                Place::of("audit.log"),
                "it was opened, and no record of that came into the log",
            ),
            Err(why) => Outcome::not_checked(why),
        };
        Judged::new(&sensitive.path, outcome)
    });
    std::iter::once(Judged::new("auditd", outcome)).chain(opened).collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::{Host, SensitivePath};

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

    #[test]
    fn each_sensitive_folder_has_to_be_seen_in_the_log() {
        let of = |recorded| SensitivePath {
            path: "/srv/keep".into(),
            chain: Known::default(),
            tree: Known::default(),
            storage: Known::default(),
            recorded,
        };
        let facts = [Known::Seen(true), Known::Seen(false), Known::default()].map(of);
        let host = Host { sensitive: facts.into(), ..Host::default() };
        let words: Vec<&str> = judge(&host).iter().map(|it| it.outcome.word()).collect();
        assert_eq!(words, ["not-checked", "pass", "fail", "not-checked"]);
    }
}
