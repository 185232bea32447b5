//! Rule `host-audit-retention`: the logs of auditd last for six years.

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-audit-retention",
    title: "The logs of auditd last for six years at today's rate",
    severity: Severity::Low,
    protects: "Who asks years later who read a file finds that the log was rotated away.",
    remedy: "set `max_log_file_action = KEEP_LOGS` in /etc/audit/auditd.conf, and move old logs to an archive",
    controls: &[
        Evidence {
            control: "hipaa-164.316(b)(2)(i)",
            strength: Strength::Partial,
            because: "Records of access are documentation that is kept for six years.",
        },
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Partial,
            because: "What was recorded can still be examined.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

/// 45 CFR 164.316(b)(2)(i): six years, two of them leap years.
const DAYS_MIN: u64 = 2192;

fn judge(host: &Host) -> Vec<Judged> {
    let outcome = match (host.audit.settings.seen(), host.audit.log.seen()) {
        (Err(why), _) | (_, Err(why)) => Outcome::not_checked(why),
        (Ok(settings), Ok(log)) => {
            let setting = |name: &str| settings.get(name).map(String::as_str);
            let rotates = setting("max_log_file_action").unwrap_or("rotate");
            if !rotates.eq_ignore_ascii_case("rotate") {
                return vec![Judged::new("auditd", Outcome::Pass)];
            }
            let number =
                |name, usual| setting(name).and_then(|it| it.parse::<u64>().ok()).unwrap_or(usual);
            let room = number("num_logs", 5).saturating_mul(number("max_log_file", 8)) << 20;
            let seconds = u64::try_from(log.newest_s - log.oldest_s).unwrap_or(0).max(3600);
            let per_day = (log.bytes.saturating_mul(86_400) / seconds).max(1);
            let days = room / per_day;
            if days < DAYS_MIN {
                let what = format!("after {days} days, the oldest records are rotated away");
                Outcome::fail(Place::of("auditd.conf"), what)
            } else {
                Outcome::Pass
            }
        }
    };
    vec![Judged::new("auditd", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::{AuditLog, Host};

    fn word(bytes: u64, days: i64, settings: &[(&str, &str)]) -> &'static str {
        let mut host = Host::default();
        let owned = |(name, it): &(&str, &str)| ((*name).to_owned(), (*it).to_owned());
        host.audit.settings = Known::Seen(settings.iter().map(owned).collect());
        let (oldest_s, newest_s) = (0, days * 86_400);
        host.audit.log = Known::Seen(AuditLog { bytes, oldest_s, newest_s });
        judge(&host)[0].outcome.word()
    }

    #[test]
    fn the_rate_decides() {
        // The usual 40 MiB last for 40 days at a mebibyte a day.
        assert_eq!(word(10 << 20, 10, &[]), "fail");
        assert_eq!(word(10 << 20, 10, &[("max_log_file_action", "KEEP_LOGS")]), "pass");
        assert_eq!(word(10 << 20, 10, &[("num_logs", "99"), ("max_log_file", "100")]), "pass");
        assert_eq!(word(0, 0, &[]), "pass");
        assert_eq!(judge(&Host::default())[0].outcome.word(), "not-checked");
    }
}
