//! Rules about the computer that the keep is on.

use std::collections::BTreeMap;

use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome};

pub(crate) mod audit_boot;
pub(crate) mod audit_canary;
pub(crate) mod audit_loss;
pub(crate) mod audit_retention;
pub(crate) mod audit_rules;
pub(crate) mod audit_running;
pub(crate) mod clock;
pub(crate) mod core_dumps;
pub(crate) mod firewall;
pub(crate) mod modes;
pub(crate) mod parents;
pub(crate) mod ssh_idle;
pub(crate) mod ssh_password;
pub(crate) mod ssh_root;
pub(crate) mod storage;
pub(crate) mod swap;

/// Asks these settings of `sshd`; where one is missing, or is there for some people or addresses
/// besides, nobody knows.
fn ssh(
    host: &Host,
    names: &[&str],
    ask: impl Fn(&BTreeMap<String, Vec<String>>) -> Option<Outcome>,
) -> Vec<Judged> {
    let outcome = match host.ssh.seen() {
        Ok(Some(settings)) => {
            let blocks = settings.get("match").map(Vec::as_slice).unwrap_or_default();
            let is_asked = |name: &String| name == "include" || names.contains(&name.as_str());
            match ask(settings) {
                Some(Outcome::Pass) if blocks.iter().any(is_asked) => Outcome::not_checked(
                    "a `Match` block or an included file may say otherwise: `sshd -T -C` tells",
                ),
                Some(outcome) => outcome,
                None => Outcome::not_checked("`sshd -T` says nothing of it"),
            }
        }
        Ok(None) => Outcome::not_applicable("there is no `sshd`"),
        Err(why) => Outcome::not_checked(why),
    };
    vec![Judged::new("sshd", outcome)]
}

#[cfg(test)]
mod tests {
    use crate::facts::Known;
    use crate::facts::host::Host;

    /// A computer of which these settings of `sshd` are known.
    pub(in crate::rules::host) fn with_ssh(settings: &[(&str, &str)]) -> Host {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), vec![(*value).to_owned()]);
        let settings = settings.iter().map(owned).collect();
        Host { ssh: Known::Seen(Some(settings)), ..Host::default() }
    }
}
