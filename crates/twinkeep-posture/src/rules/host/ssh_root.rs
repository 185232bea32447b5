//! Rule `host-ssh-root`: nobody logs in as root with a password.

use super::ssh;
use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-ssh-root",
    title: "Nobody logs in as root over SSH with a password",
    severity: Severity::High,
    protects: "Root is nobody in particular: who it was, no record can say.",
    remedy: "set `PermitRootLogin no` in /etc/ssh/sshd_config, and reload `sshd`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(i)",
            strength: Strength::Strong,
            because: "People log in under names of their own.",
        },
        Evidence {
            control: "gdpr-32(4)",
            strength: Strength::Partial,
            because: "Who acts can be told.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

fn judge(host: &Host) -> Vec<Judged> {
    ssh(host, &["permitrootlogin"], |settings| {
        let value = settings.get("permitrootlogin").and_then(|values| values.first())?;
        Some(match value.as_str() {
            "yes" => Outcome::fail(Place::of("PermitRootLogin"), "root may log in with a password"),
            _ => Outcome::Pass,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::host::tests::with_ssh;

    #[test]
    fn a_password_for_root_fails() {
        let word = |value| judge(&with_ssh(&[("permitrootlogin", value)]))[0].outcome.word();
        assert_eq!(word("yes"), "fail");
        assert_eq!(word("no"), "pass");
        assert_eq!(word("without-password"), "pass");
        assert_eq!(judge(&with_ssh(&[]))[0].outcome.word(), "not-checked");
    }
}
