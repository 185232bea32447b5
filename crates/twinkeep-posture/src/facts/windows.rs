//! What is known about a Windows workstation: what `twinkeep-collect.ps1` wrote down there.
//!
//! A part that could not be read is `None`. A value of the registry that the collector did not ask
//! for is not in the list, so that a rule with a misspelt key can never pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A workstation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// The version of this form: [`WINDOWS_FORMAT`].
    pub format: String,
    /// The name of the computer.
    pub computer: String,
    /// Whether the collector ran as an administrator.
    pub elevated: bool,
    /// Folders with models or health data.
    pub sensitive_paths: Vec<String>,
    /// Values of the registry that were asked for, found or not.
    pub registry: Vec<RegistryValue>,
    /// The profiles of the firewall, as they are in effect.
    pub firewall_profiles: Option<Vec<FirewallProfile>>,
    /// The enabled rules for inbound connections, as they are in effect.
    pub firewall_rules: Option<Vec<FirewallRule>>,
    /// What listens.
    pub listeners: Option<Vec<Listener>>,
    /// Defender, as it is in effect.
    pub defender: Option<Defender>,
    /// Volumes, as BitLocker sees them.
    pub volumes: Option<Vec<Volume>>,
    /// Services that protection rests on.
    pub services: Option<Vec<Service>>,
    /// What is audited.
    pub audit_policy: Option<Vec<Audited>>,
    /// What could not be read, and the kind of error.
    pub failures: BTreeMap<String, String>,
    /// What was decided where good advice conflicts; added by who judges, not by the collector.
    #[serde(default)]
    pub choices: Choices,
}

/// The version of the form of these facts.
pub const WINDOWS_FORMAT: &str = "twinkeep-windows/1";

/// Decisions where advice for protection and advice for privacy conflict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// Whether Defender may ask the cloud about what it finds.
    pub cloud: Cloud,
    /// Whether files may be sent to Microsoft.
    pub samples: Samples,
    /// The networks from which Jupyter may be reached, such as that of a VPN.
    pub jupyter_networks: Vec<String>,
}

/// Whether Defender asks the cloud. Advice conflicts: with it new malware is found sooner; the CIS
/// benchmark, level 1, turns it off for privacy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// It asks: `SpynetReporting` is 2.
    #[default]
    Advanced,
    /// It does not: `SpynetReporting` is 0.
    Off,
}

/// Whether Defender sends files. Advice conflicts: what is sent may be health data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Samples {
    /// Never: `SubmitSamplesConsent` is 2.
    #[default]
    Never,
    /// Only after somebody was asked each time: 0 will do too.
    Prompt,
}

/// A value of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryValue {
    /// The key.
    pub key: String,
    /// The name.
    pub name: String,
    /// Whether it is there.
    pub state: RegistryState,
    /// The number, if it is one.
    pub number: Option<i64>,
}

/// Whether a value of the registry is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryState {
    /// It is, and is a number.
    Number,
    /// It is, and is something else, which Windows does not take for a number.
    Other,
    /// It is not.
    Absent,
    /// Nobody may read it.
    Unreadable,
}

/// A profile of the firewall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirewallProfile {
    /// `Domain`, `Private`, or `Public`.
    pub name: String,
    /// `True`, `False`, or `NotConfigured`.
    pub enabled: String,
    /// `Block`, `Allow`, or `NotConfigured`.
    pub inbound: String,
}

/// A rule of the firewall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirewallRule {
    /// Its name.
    pub name: String,
    /// `Allow` or `Block`.
    pub action: String,
    /// `TCP`, `UDP`, `Any`, or a number.
    pub protocol: Option<String>,
    /// Ports, ranges, or `Any`.
    pub local_ports: Option<Vec<String>>,
    /// Addresses, ranges, `LocalSubnet`, or `Any`.
    pub remote_addresses: Option<Vec<String>>,
    /// A path, or `Any`.
    pub program: Option<String>,
}

/// A port on which something listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The address.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// Defender, as it is in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defender {
    /// Whether files are checked when they are used.
    pub real_time: bool,
    /// Whether the behavior of programs is watched.
    pub behavior: bool,
    /// Whether downloads are checked.
    pub downloads: bool,
    /// Whether scripts are checked.
    pub scripts: bool,
    /// Whether programs cannot turn it off.
    pub tamper_protected: bool,
    /// How old its signatures are.
    pub signature_age_days: i64,
    /// `MAPSReporting`.
    pub maps: i64,
    /// `SubmitSamplesConsent`.
    pub samples: i64,
    /// `CloudBlockLevel`.
    pub cloud_block_level: i64,
    /// Whether what the cloud has not seen yet is held back.
    pub block_at_first_seen: bool,
    /// Folders and files that it skips.
    pub excluded_paths: Vec<String>,
    /// Kinds of files that it skips.
    pub excluded_extensions: Vec<String>,
    /// Programs whose files it skips.
    pub excluded_processes: Vec<String>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Where it is mounted.
    pub mount: String,
    /// `OperatingSystem` or `Data`.
    pub kind: String,
    /// `On`, `Off`, or `Unknown`.
    pub protection: String,
    /// `FullyEncrypted`, and others.
    pub status: String,
    /// How much of it is encrypted.
    pub percentage: i64,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// `Running`, `Stopped`, and others.
    pub status: String,
}

/// What is audited of one subcategory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audited {
    /// Its identifier, the same in every language of Windows.
    pub subcategory: String,
    /// What is audited, in the language of Windows.
    pub setting: String,
}

impl Windows {
    /// A value of the registry, if the collector asked for it.
    pub fn value(&self, key: &str, name: &str) -> Option<&RegistryValue> {
        // The registry does not tell upper from lower case.
        self.registry.iter().find(|value| {
            value.key.eq_ignore_ascii_case(key) && value.name.eq_ignore_ascii_case(name)
        })
    }
}
