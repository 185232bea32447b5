//! Rule `host-audit-boot`: processes that are older than auditd are audited, too.

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-audit-boot",
    title: "The kernel was started with audit=1",
    severity: Severity::Medium,
    protects: "What was started before auditing leaves no records, however long it runs.",
    remedy: "add `audit=1` to the kernel's command line (`GRUB_CMDLINE_LINUX` in /etc/default/grub, then `update-grub`), and start the computer anew",
    controls: &[Evidence {
        control: "hipaa-164.312(b)",
        strength: Strength::Partial,
        because: "Every process is audited, whenever it was started.",
    }],
    check: Check::Host(Judge { judge }),
};

fn judge(host: &Host) -> Vec<Judged> {
    let outcome = match host.audit.from_boot.seen() {
        Ok(true) => Outcome::Pass,
        Ok(false) => Outcome::fail(
            Place::of("/proc/cmdline"),
            "processes that are older than auditd may leave no records",
        ),
        Err(why) => Outcome::not_checked(why),
    };
    vec![Judged::new("kernel", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::Host;

    #[test]
    fn the_kernel_must_have_been_told() {
        let word = |from_boot| {
            let mut host = Host::default();
            host.audit.from_boot = from_boot;
            judge(&host)[0].outcome.word()
        };
        assert_eq!(word(Known::Seen(true)), "pass");
        assert_eq!(word(Known::Seen(false)), "fail");
        assert_eq!(word(Known::default()), "not-checked");
    }
}
