//! Rule `host-core-dumps`: the memory of a program that crashed is not kept.

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-core-dumps",
    title: "The memory of a program that crashed is not written to a disk",
    severity: Severity::Medium,
    protects: "A core dump has keys and people in the clear, and lies where nobody looks for it.",
    remedy: "set `* hard core 0` in /etc/security/limits.conf and `Storage=none` in /etc/systemd/coredump.conf",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Partial,
            because: "Data in memory is data, too.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "A crash gives nothing away.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

/// Programs that take a core dump and keep nothing.
const SINKS: [&str; 4] = ["|/bin/false", "|/bin/true", "|/usr/bin/false", "|/usr/bin/true"];

fn judge(host: &Host) -> Vec<Judged> {
    let outcome = match host.core_dumps.seen() {
        Err(why) => Outcome::not_checked(why),
        Ok(dumps) => {
            let program = dumps.pattern.split_whitespace().next().unwrap_or_default();
            // A program gets them whatever the limit is.
            let kept = if program.starts_with('|') {
                let none = dumps.storage.as_deref() == Some("none");
                let discarded = program.ends_with("/systemd-coredump") && none;
                !(SINKS.contains(&program) || discarded)
            } else {
                !program.is_empty() && dumps.limit != "0"
            };
            if kept {
                let what = format!("they go to `{program}`, with a limit of {}", dumps.limit);
                Outcome::fail(Place::of("/proc/sys/kernel/core_pattern"), what)
            } else {
                Outcome::Pass
            }
        }
    };
    vec![Judged::new("core dumps", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::{CoreDumps, Host};

    fn word(pattern: &str, limit: &str, storage: Option<&str>) -> &'static str {
        let (pattern, limit) = (pattern.to_owned(), limit.to_owned());
        let dumps = CoreDumps { pattern, limit, storage: storage.map(str::to_owned) };
        judge(&Host { core_dumps: Known::Seen(dumps), ..Host::default() })[0].outcome.word()
    }

    #[test]
    fn a_program_gets_them_whatever_the_limit_is() {
        const COREDUMP: &str = "|/lib/systemd/systemd-coredump %P %u";
        assert_eq!(word("core", "0", None), "pass");
        assert_eq!(word("core", "unlimited", None), "fail");
        assert_eq!(word("", "unlimited", None), "pass");
        assert_eq!(word(COREDUMP, "0", None), "fail");
        assert_eq!(word(COREDUMP, "unlimited", Some("none")), "pass");
        assert_eq!(word("|/usr/share/apport/apport %p", "0", Some("none")), "fail");
        assert_eq!(word("|/bin/false", "unlimited", None), "pass");
    }
}
