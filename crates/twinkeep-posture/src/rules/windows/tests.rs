//! Workstations in order, out of order, and with a policy against what is in effect.

use crate::facts::windows::{
    Audited, Choices, Cloud, Defender, FirewallProfile, FirewallRule, Listener, RegistryState,
    RegistryValue, Samples, Service, Volume, WINDOWS_FORMAT, Windows,
};
use crate::facts::{Check, Facts};
use crate::outcome::{Judged, Outcome};
use crate::rules::{RULES, find};

const POLICIES: &str = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft";

/// The values that the collector asks for, with what is right.
fn values() -> Vec<(String, &'static str, i64)> {
    let mut values = Vec::new();
    for profile in ["DomainProfile", "PrivateProfile", "PublicProfile"] {
        for name in ["EnableFirewall", "DefaultInboundAction"] {
            values.push((format!("{POLICIES}\\WindowsFirewall\\{profile}"), name, 1));
        }
    }
    let real_time = format!("{POLICIES}\\Windows Defender\\Real-Time Protection");
    for name in [
        "DisableRealtimeMonitoring",
        "DisableBehaviorMonitoring",
        "DisableIOAVProtection",
        "DisableScriptScanning",
    ] {
        values.push((real_time.clone(), name, 0));
    }
    let spynet = format!("{POLICIES}\\Windows Defender\\Spynet");
    values.push((spynet.clone(), "SpynetReporting", 2));
    values.push((spynet.clone(), "SubmitSamplesConsent", 2));
    values.push((spynet, "DisableBlockAtFirstSeen", 0));
    values.push((format!("{POLICIES}\\Windows Defender\\MpEngine"), "MpCloudBlockLevel", 2));
    let system =
        "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System";
    values.push((system.to_owned(), "InactivityTimeoutSecs", 600));
    values
}

/// A workstation on which all is in order.
pub(crate) fn good() -> Windows {
    let registry = values().into_iter().map(|(key, name, number)| RegistryValue {
        key,
        name: name.to_owned(),
        state: RegistryState::Number,
        number: Some(number),
    });
    let profiles = ["Domain", "Private", "Public"].map(|name| FirewallProfile {
        name: name.to_owned(),
        enabled: "True".to_owned(),
        inbound: "Block".to_owned(),
    });
    let audited = |guid: &str| Audited {
        subcategory: format!("{{{guid}}}"),
        setting: "Success and Failure".to_owned(),
    };
    Windows {
        format: WINDOWS_FORMAT.to_owned(),
        computer: "WS-7".to_owned(),
        elevated: true,
        sensitive_paths: vec!["D:\\models".to_owned()],
        registry: registry.collect(),
        firewall_profiles: Some(profiles.to_vec()),
        firewall_rules: Some(vec![rule("8888", "10.8.0.0/16", "Any")]),
        listeners: Some(vec![Listener { address: "127.0.0.1".to_owned(), port: 8888 }]),
        defender: Some(Defender {
            real_time: true,
            behavior: true,
            downloads: true,
            scripts: true,
            tamper_protected: true,
            maps: 2,
            samples: 2,
            cloud_block_level: 2,
            block_at_first_seen: true,
            ..Defender::default()
        }),
        volumes: Some(vec![volume("On", "FullyEncrypted")]),
        services: Some(vec![Service { name: "EventLog".to_owned(), status: "Running".to_owned() }]),
        audit_policy: Some(vec![
            audited("0CCE9215-69AE-11D9-BED3-505054503030"),
            audited("0CCE921D-69AE-11D9-BED3-505054503030"),
        ]),
        choices: Choices { jupyter_networks: vec!["10.8.0.0/16".to_owned()], ..Choices::default() },
        ..Windows::default()
    }
}

/// A workstation as it comes: no policies, and much turned off.
pub(crate) fn bad() -> Windows {
    let mut facts = good();
    for value in &mut facts.registry {
        value.state = RegistryState::Absent;
        value.number = None;
    }
    for profile in facts.firewall_profiles.iter_mut().flatten() {
        profile.enabled = "False".to_owned();
        profile.inbound = "Allow".to_owned();
    }
    facts.firewall_rules = Some(vec![rule("8000-9000", "Any", "Any")]);
    facts.listeners = Some(vec![Listener { address: "0.0.0.0".to_owned(), port: 8888 }]);
    facts.defender = Some(Defender {
        samples: 1,
        excluded_paths: vec!["D:\\".to_owned()],
        excluded_extensions: vec![".pkl".to_owned()],
        excluded_processes: vec!["python.exe".to_owned()],
        signature_age_days: 40,
        ..Defender::default()
    });
    facts.volumes = Some(vec![volume("Off", "FullyDecrypted")]);
    facts.services =
        Some(vec![Service { name: "EventLog".to_owned(), status: "Stopped".to_owned() }]);
    for audited in facts.audit_policy.iter_mut().flatten() {
        audited.setting = "No Auditing".to_owned();
    }
    facts
}

fn rule(ports: &str, remote: &str, program: &str) -> FirewallRule {
    FirewallRule {
        name: "notebooks".to_owned(),
        action: "Allow".to_owned(),
        protocol: Some("TCP".to_owned()),
        local_ports: Some(vec![ports.to_owned()]),
        remote_addresses: Some(vec![remote.to_owned()]),
        program: Some(program.to_owned()),
    }
}

fn volume(protection: &str, status: &str) -> Volume {
    Volume {
        mount: "C:".to_owned(),
        kind: "OperatingSystem".to_owned(),
        protection: protection.to_owned(),
        status: status.to_owned(),
        percentage: 100,
    }
}

fn judge(name: &str, facts: &Windows) -> Vec<Judged> {
    // Through a file and back.
    let text = serde_json::to_string(facts).unwrap();
    let facts: Windows = serde_json::from_str(&text).unwrap();
    find(name).unwrap().check.judge(&Facts::from(facts)).unwrap()
}

#[track_caller]
fn words(name: &str, facts: &Windows) -> Vec<&'static str> {
    let mut words: Vec<&str> =
        judge(name, facts).iter().map(|judged| judged.outcome.word()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn all() -> impl Iterator<Item = &'static str> {
    RULES.iter().filter(|rule| matches!(rule.check, Check::Windows(_))).map(|rule| rule.id)
}

#[test]
fn a_workstation_in_order_passes_all_rules() {
    for name in all() {
        assert_eq!(words(name, &good()), ["pass"], "{name}: {:?}", judge(name, &good()));
    }
}

#[test]
fn a_workstation_out_of_order_fails_all_rules() {
    for name in all() {
        assert_eq!(words(name, &bad()), ["fail"], "{name}: {:?}", judge(name, &bad()));
    }
}

#[test]
fn what_nobody_could_read_is_never_passed() {
    let nothing = Windows { computer: "WS-7".to_owned(), ..Windows::default() };
    for name in all() {
        assert_eq!(words(name, &nothing), ["not-checked"], "{name}");
    }
}

/// A peer asked for `Real-TimeProtection`, without the space: its check always passed.
#[test]
fn a_misspelt_or_absent_key_is_never_a_pass() {
    let mut facts = good();
    for value in &mut facts.registry {
        value.key = value.key.replace("Real-Time Protection", "Real-TimeProtection");
    }
    assert_eq!(words("win-defender-realtime", &facts), ["not-checked"]);
    let mut facts = good();
    facts.registry.iter_mut().for_each(|value| value.state = RegistryState::Absent);
    facts.defender = None;
    assert_eq!(words("win-defender-realtime", &facts), ["not-checked"]);
    assert_eq!(words("win-screen-lock", &facts), ["fail"]);
}

#[test]
fn a_policy_against_what_is_in_effect_fails_either_way() {
    let mut facts = good();
    facts.firewall_profiles.as_mut().unwrap()[2].enabled = "False".to_owned();
    assert_eq!(words("win-firewall", &facts), ["fail", "pass"]);
    let mut facts = good();
    let named = |value: &&mut RegistryValue| value.name == "DisableRealtimeMonitoring";
    facts.registry.iter_mut().find(named).unwrap().number = Some(1);
    assert_eq!(words("win-defender-realtime", &facts), ["fail", "pass"]);
    let named = |value: &&mut RegistryValue| value.name == "DisableBehaviorMonitoring";
    facts.registry.iter_mut().find(named).unwrap().state = RegistryState::Unreadable;
    assert_eq!(words("win-defender-realtime", &facts), ["fail", "not-checked", "pass"]);
}

#[test]
fn advice_that_conflicts_is_a_choice() {
    let mut facts = good();
    facts.choices.cloud = Cloud::Off;
    assert_eq!(words("win-defender-cloud", &facts), ["fail"]);
    assert!(judge("win-defender-cloud", &facts)[0].resource.contains("chosen off"));
    facts.registry.iter_mut().find(|value| value.name == "SpynetReporting").unwrap().number =
        Some(0);
    facts.defender.as_mut().unwrap().maps = 0;
    assert_eq!(words("win-defender-cloud", &facts), ["pass"]);
    facts.registry.iter_mut().find(|value| value.name == "SubmitSamplesConsent").unwrap().number =
        Some(0);
    facts.defender.as_mut().unwrap().samples = 0;
    assert_eq!(words("win-defender-samples", &facts), ["fail"]);
    facts.choices.samples = Samples::Prompt;
    assert_eq!(words("win-defender-samples", &facts), ["pass"]);
}

#[test]
fn every_way_to_the_notebook_counts() {
    let check = |rule: FirewallRule, wanted: &str| {
        let mut facts = good();
        facts.firewall_rules = Some(vec![rule.clone()]);
        assert_eq!(words("win-jupyter-port", &facts), [wanted], "{rule:?}");
    };
    check(rule("8888", "Any", "Any"), "fail");
    check(rule("8000-9000", "LocalSubnet", "Any"), "fail");
    check(rule("Any", "10.0.0.0/8", "C:\\Tools\\Python\\python.exe"), "fail");
    check(rule("Any", "10.8.0.0-10.9.0.1", "Any"), "fail");
    check(rule("Any", "10.8.3.0/255.255.255.0", "Any"), "pass");
    check(rule("Any", "10.8.0.1-10.8.255.255", "Any"), "pass");
    check(rule("Any", "Any", "C:\\Windows\\system32\\svchost.exe"), "pass");
    check(rule("443", "Any", "Any"), "pass");
    check(FirewallRule { action: "Block".to_owned(), ..rule("8888", "Any", "Any") }, "pass");
    check(FirewallRule { protocol: Some("UDP".to_owned()), ..rule("8888", "Any", "Any") }, "pass");
    check(FirewallRule { local_ports: None, ..rule("8888", "Any", "Any") }, "not-checked");
    check(FirewallRule { remote_addresses: None, ..rule("8888", "", "Any") }, "not-checked");
    let mut facts = good();
    facts.choices.jupyter_networks.clear();
    assert_eq!(words("win-jupyter-port", &facts), ["fail"]);
    let mut facts = good();
    facts.firewall_profiles.as_mut().unwrap()[0].enabled = "False".to_owned();
    assert_eq!(words("win-jupyter-port", &facts), ["pass"]);
    facts.listeners.as_mut().unwrap()[0].address = "::".to_owned();
    assert_eq!(words("win-jupyter-port", &facts), ["fail"]);
    // On, and letting everything in that no rule blocks.
    let mut facts = good();
    facts.listeners.as_mut().unwrap()[0].address = "0.0.0.0".to_owned();
    assert_eq!(words("win-jupyter-port", &facts), ["pass"]);
    facts.firewall_profiles.as_mut().unwrap()[2].inbound = "Allow".to_owned();
    assert_eq!(words("win-jupyter-port", &facts), ["fail"]);
}

#[test]
fn exclusions_cover_by_folder_kind_and_program() {
    let check = |path: &str, wanted: &str| {
        let mut facts = good();
        facts.defender.as_mut().unwrap().excluded_paths = vec![path.to_owned()];
        assert_eq!(words("win-defender-exclusions", &facts), [wanted], "{path}");
    };
    check("d:/Models", "fail");
    check("D:\\models\\sepsis", "fail");
    check("D:\\", "fail");
    check("D:\\mod*", "fail");
    check("D:\\models2", "pass");
    check("C:\\Tools", "pass");
    let mut facts = good();
    facts.sensitive_paths.clear();
    facts.defender.as_mut().unwrap().excluded_paths = vec!["C:\\Tools".to_owned()];
    assert_eq!(words("win-defender-exclusions", &facts), ["not-checked"]);
}

#[test]
fn exclusions_that_nobody_may_see_are_not_checked() {
    let mut facts = good();
    let hidden = "N/A: Must be an administrator to view exclusions".to_owned();
    facts.defender.as_mut().unwrap().excluded_paths = vec![hidden];
    assert_eq!(words("win-defender-exclusions", &facts), ["not-checked"]);
    let facts = Windows { elevated: false, ..good() };
    assert_eq!(words("win-defender-exclusions", &facts), ["not-checked"]);
    // What can be seen and is wrong stays wrong.
    let mut facts = Windows { elevated: false, ..good() };
    facts.defender.as_mut().unwrap().excluded_extensions = vec!["pkl".to_owned()];
    assert_eq!(words("win-defender-exclusions", &facts), ["fail"]);
}

#[test]
fn other_languages_of_windows_are_not_checked() {
    let mut facts = good();
    facts.audit_policy.as_mut().unwrap()[0].setting = "Erfolg und Fehler".to_owned();
    assert_eq!(words("win-audit", &facts), ["not-checked", "pass"]);
}

#[test]
fn protection_that_is_off_leaves_the_key_beside_the_volume() {
    let mut facts = good();
    facts.volumes = Some(vec![volume("Off", "FullyEncrypted")]);
    let judged = judge("win-bitlocker", &facts);
    assert!(
        matches!(&judged[0].outcome, Outcome::Fail { what, .. } if what.contains("key lies open"))
    );
    facts.volumes = Some(Vec::new());
    assert_eq!(words("win-bitlocker", &facts), ["not-checked"]);
}
