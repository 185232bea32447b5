//! Rule `host-audit-loss`: no record is lost, and a full disk does not end auditing.

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-audit-loss",
    title: "No audit records are lost, and a full disk does not silently end auditing",
    severity: Severity::Medium,
    protects: "A flood of events, or a full disk, hides what somebody does meanwhile.",
    remedy: "run `auditctl -b 8192`, and set `disk_full_action = HALT` (or `EXEC` a program that tells somebody) in /etc/audit/auditd.conf",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Partial,
            because: "Records that are lost record nothing.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Auditing holds out when it is needed.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

/// Fewer records than this that wait are not enough for a busy computer.
const BACKLOG_MIN: i64 = 8192;

fn judge(host: &Host) -> Vec<Judged> {
    let mut judged = Vec::new();
    match host.audit.status.seen() {
        Err(why) => judged.push(Judged::new("records", Outcome::not_checked(why))),
        Ok(status) => {
            let number = |name: &str| status.get(name).and_then(|it| it.parse::<i64>().ok());
            let outcome = |name: &str, holds: fn(i64) -> bool, what: &str| match number(name) {
                Some(it) if holds(it) => Outcome::Pass,
                Some(it) => Outcome::fail(Place::of("auditctl -s"), format!("{what}: {it}")),
                None => Outcome::not_checked("`auditctl -s` says nothing of it"),
            };
            let lost = outcome("lost", |it| it == 0, "records were lost");
            judged.push(Judged::new("lost", lost));
            let few = "few records may wait";
            let waiting = outcome("backlog_limit", |it| BACKLOG_MIN <= it, few);
            judged.push(Judged::new("backlog_limit", waiting));
        }
    }
    judged.push(Judged::new("disk_full_action", on_full_disk(host)));
    judged
}

fn on_full_disk(host: &Host) -> Outcome {
    let settings = match host.audit.settings.seen() {
        Ok(settings) => settings,
        Err(why) => return Outcome::not_checked(why),
    };
    // What auditd does if nothing is set.
    let action = settings.get("disk_full_action").map_or("suspend", String::as_str);
    if ["suspend", "ignore"].iter().any(|it| action.eq_ignore_ascii_case(it)) {
        let what = "with a full disk, auditing ends and nobody is told";
        return Outcome::fail(Place::of("auditd.conf"), what);
    }
    Outcome::Pass
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::Host;

    fn words(lost: &str, backlog: &str, action: Option<&str>) -> Vec<&'static str> {
        let mut host = Host::default();
        let status = [("lost", lost), ("backlog_limit", backlog)];
        let owned = |(name, it): (&str, &str)| (name.to_owned(), it.to_owned());
        host.audit.status = Known::Seen(status.into_iter().map(owned).collect());
        let settings = action.map(|it| ("disk_full_action".to_owned(), it.to_owned()));
        host.audit.settings = Known::Seen(settings.into_iter().collect());
        judge(&host).iter().map(|it| it.outcome.word()).collect()
    }

    #[test]
    fn the_default_of_auditd_fails() {
        assert_eq!(words("0", "8192", Some("HALT")), ["pass", "pass", "pass"]);
        assert_eq!(words("3", "64", Some("SUSPEND")), ["fail", "fail", "fail"]);
        assert_eq!(words("0", "8192", None), ["pass", "pass", "fail"]);
    }
}
