//! Rule `host-ssh-idle`: sessions that nobody uses end.

use super::ssh;
use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-ssh-idle",
    title: "Sessions over SSH end when the client is gone for a quarter of an hour",
    severity: Severity::Low,
    protects: "A session that was left open belongs to whoever sits down there.",
    remedy: "set `ClientAliveInterval 300` and `ClientAliveCountMax 3` in /etc/ssh/sshd_config, and reload `sshd`",
    controls: &[Evidence {
        control: "hipaa-164.312(a)(2)(iii)",
        strength: Strength::Partial,
        because: "Sessions of clients that no longer answer end after a set time.",
    }],
    check: Check::Host(Judge { judge }),
};

/// A quarter of an hour.
const SECONDS_MAX: u64 = 900;

fn judge(host: &Host) -> Vec<Judged> {
    ssh(host, &["clientaliveinterval", "clientalivecountmax"], |settings| {
        let number = |name: &str| settings.get(name)?.first()?.parse::<u64>().ok();
        let interval = number("clientaliveinterval")?;
        let seconds = interval.saturating_mul(number("clientalivecountmax")?);
        Some(if (1..=SECONDS_MAX).contains(&seconds) {
            Outcome::Pass
        } else {
            Outcome::fail(Place::of("ClientAliveInterval"), "sessions of lost clients stay open")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::host::tests::with_ssh;

    #[test]
    fn both_numbers_count() {
        let word = |interval, count| {
            let settings = [("clientaliveinterval", interval), ("clientalivecountmax", count)];
            judge(&with_ssh(&settings))[0].outcome.word()
        };
        assert_eq!(word("300", "3"), "pass");
        assert_eq!(word("0", "3"), "fail");
        assert_eq!(word("300", "0"), "fail");
        assert_eq!(word("300", "4"), "fail");
    }
}
