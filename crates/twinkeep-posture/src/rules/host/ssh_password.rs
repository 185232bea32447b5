//! Rule `host-ssh-password`: logins over SSH need a key.

use super::ssh;
use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-ssh-password",
    title: "Logins over SSH need a key, and not a password",
    severity: Severity::High,
    protects: "Passwords are guessed, and used elsewhere too.",
    remedy: "set `PasswordAuthentication no` and `KbdInteractiveAuthentication no` in /etc/ssh/sshd_config, and reload `sshd`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Strong,
            because: "Whoever logs in proves with a private key who they are.",
        },
        Evidence {
            control: "hipaa-164.308(a)(5)(ii)(D)",
            strength: Strength::Partial,
            because: "There is no password to manage.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Guessing opens nothing.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

fn judge(host: &Host) -> Vec<Judged> {
    const NAMES: &[&str] = &["passwordauthentication", "kbdinteractiveauthentication"];
    ssh(host, NAMES, |settings| {
        let mut found = None;
        for &name in NAMES {
            match settings.get(name)?.first()?.as_str() {
                "no" => {}
                _ => found = found.or(Some(name)),
            }
        }
        let fail = |name| Outcome::fail(Place::of(name), "passwords open a session");
        Some(found.map_or(Outcome::Pass, fail))
    })
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::host::tests::with_ssh;

    #[test]
    fn both_ways_to_give_a_password_are_closed() {
        let word = |password, interactive| {
            let settings = [
                ("passwordauthentication", password),
                ("kbdinteractiveauthentication", interactive),
            ];
            judge(&with_ssh(&settings))[0].outcome.word()
        };
        assert_eq!(word("no", "no"), "pass");
        assert_eq!(word("yes", "no"), "fail");
        assert_eq!(word("no", "yes"), "fail");
    }
}
