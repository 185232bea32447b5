//! Rules over a Windows workstation.
//!
//! Policy comes first, then what is in effect. A policy that says the wrong thing fails whatever is
//! in effect now; a policy that says the right thing, or nothing, passes only if what is in effect
//! is right too. A value that nobody looked for is not checked.

use crate::facts::windows::{FirewallProfile, RegistryState, Windows};
use crate::outcome::{Judged, Outcome, Place};

pub(crate) mod audit;
pub(crate) mod bitlocker;
pub(crate) mod defender_cloud;
pub(crate) mod defender_exclusions;
pub(crate) mod defender_realtime;
pub(crate) mod defender_samples;
pub(crate) mod defender_tamper;
pub(crate) mod firewall;
pub(crate) mod jupyter_port;
pub(crate) mod screen_lock;

#[cfg(test)]
pub(crate) mod tests;

/// Where a policy is, and what a rule takes for right.
pub(crate) struct Policy {
    /// The key.
    pub(crate) key: &'static str,
    /// The name of the value.
    pub(crate) name: &'static str,
    /// Whether a number is right.
    pub(crate) good: fn(i64) -> bool,
    /// The number that a fix sets.
    pub(crate) fix: i64,
}

/// What a policy says.
enum Says {
    Right,
    Wrong(i64),
    Nothing,
    Unknown(String),
}

fn policy(facts: &Windows, policy: &Policy) -> Says {
    let path = || format!("{}\\{}", policy.key, policy.name);
    let Some(value) = facts.value(policy.key, policy.name) else {
        return Says::Unknown(format!("the collector did not look for `{}`", path()));
    };
    match (value.state, value.number) {
        (RegistryState::Number, Some(number)) if (policy.good)(number) => Says::Right,
        (RegistryState::Number, Some(number)) => Says::Wrong(number),
        (RegistryState::Absent, _) => Says::Nothing,
        (RegistryState::Unreadable, _) => Says::Unknown(format!("`{}` could not be read", path())),
        _ => Says::Unknown(format!("`{}` is not a number", path())),
    }
}

/// Judges a policy, and what is in effect if that is known.
fn judge_policy(facts: &Windows, wanted: &Policy, effective: Option<bool>) -> Outcome {
    let at = || Place::of(format!("{}\\{}", wanted.key, wanted.name));
    match (policy(facts, wanted), effective) {
        (Says::Wrong(number), _) => Outcome::fail(at(), format!("the policy says {number}")),
        (Says::Right, Some(false)) => {
            Outcome::fail(at(), "the policy is right, and what is in effect is not")
        }
        (Says::Nothing, Some(false)) => {
            Outcome::fail(at(), "no policy says it, and what is in effect is not right")
        }
        (Says::Unknown(why), _) => Outcome::not_checked(why),
        (Says::Right | Says::Nothing, None) => {
            Outcome::not_checked("what is in effect could not be read")
        }
        (Says::Right | Says::Nothing, Some(true)) => Outcome::Pass,
    }
}

/// Whether a profile, as it is in effect, blocks what no rule lets in: `NotConfigured` does, as
/// Windows documents the default.
fn blocks_inbound(profile: &FirewallProfile) -> bool {
    ["Block", "NotConfigured"].contains(&profile.inbound.as_str())
}

/// One resource of a workstation.
fn on(facts: &Windows, part: &str, outcome: Outcome) -> Judged {
    Judged::new(format!("{}, {part}", facts.computer), outcome)
}

const FIREWALL_DOMAIN: &str =
    "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\DomainProfile";
const FIREWALL_PRIVATE: &str =
    "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\PrivateProfile";
const FIREWALL_PUBLIC: &str =
    "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\PublicProfile";
const REAL_TIME: &str =
    "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Windows Defender\\Real-Time Protection";
const SPYNET: &str = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Windows Defender\\Spynet";
const ENGINE: &str =
    "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Windows Defender\\MpEngine";
const SYSTEM: &str =
    "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System";
