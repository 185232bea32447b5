//! Rule `host-clock`: the clock is set from elsewhere.

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-clock",
    title: "A program keeps the clock right",
    severity: Severity::Low,
    protects: "Entries with wrong times prove nothing, and expired keys and certificates live on.",
    remedy: "install `chrony`, or switch `systemd-timesyncd` on",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Partial,
            because: "Records have times that can be compared with those of others.",
        },
        Evidence {
            control: "gdpr-33(1)",
            strength: Strength::Partial,
            because: "72 hours are counted from a time that is right.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

fn judge(host: &Host) -> Vec<Judged> {
    let outcome = match host.clock_daemons.seen() {
        Ok(running) if running.is_empty() => {
            Outcome::fail(Place::of("/proc"), "no program that is known for it runs")
        }
        Ok(_) => Outcome::Pass,
        Err(why) => Outcome::not_checked(why),
    };
    vec![Judged::new("clock", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::Host;

    #[test]
    fn somebody_must_set_it() {
        let word =
            |clock_daemons| judge(&Host { clock_daemons, ..Host::default() })[0].outcome.word();
        assert_eq!(word(Known::Seen(vec!["chronyd".into()])), "pass");
        assert_eq!(word(Known::Seen(Vec::new())), "fail");
        assert_eq!(word(Known::default()), "not-checked");
    }
}
