//! Rule `host-audit-running`: the kernel audits, and somebody takes the records.

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-audit-running",
    title: "The kernel audits, and auditd takes its records",
    severity: Severity::High,
    protects: "Without it nobody can say who opened a file beside the keep.",
    remedy: "install `auditd`, start it, and run `auditctl -e 1`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Partial,
            because: "It is the mechanism that records activity on the computer.",
        },
        Evidence {
            control: "gdpr-5(2)",
            strength: Strength::Partial,
            because: "Who had access can be shown.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

fn judge(host: &Host) -> Vec<Judged> {
    let outcome = match host.audit.status.seen() {
        Err(why) => Outcome::not_checked(why),
        Ok(status) => {
            let number = |name: &str| status.get(name).and_then(|it| it.parse::<i64>().ok());
            let fail = |what: &str| Outcome::fail(Place::of("auditctl -s"), what);
            match (number("enabled"), number("pid")) {
                (Some(1..), Some(1..)) => Outcome::Pass,
                (Some(1..), Some(_)) => fail("no program takes the records"),
                (Some(_), _) => fail("auditing is switched off"),
                (None, _) => Outcome::not_checked("`auditctl -s` says nothing of it"),
            }
        }
    };
    vec![Judged::new("auditd", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::Host;

    fn word(status: &[(&str, &str)]) -> &'static str {
        let status =
            status.iter().map(|(name, it)| ((*name).to_owned(), (*it).to_owned())).collect();
        let mut host = Host::default();
        host.audit.status = Known::Seen(status);
        judge(&host)[0].outcome.word()
    }

    #[test]
    fn it_runs_only_if_it_is_on_and_somebody_listens() {
        assert_eq!(word(&[("enabled", "2"), ("pid", "77")]), "pass");
        assert_eq!(word(&[("enabled", "1"), ("pid", "0")]), "fail");
        assert_eq!(word(&[("enabled", "0"), ("pid", "77")]), "fail");
        assert_eq!(word(&[]), "not-checked");
        assert_eq!(judge(&Host::default())[0].outcome.word(), "not-checked");
    }
}
