//! Scans of what the collector writes on Windows workstations, as PowerShell writes it.

use serde_json::{Value, json};

use crate::harness::{Place, write};

const POLICIES: &str = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft";

fn value(key: &str, name: &str, number: Option<i64>) -> Value {
    let state = if number.is_some() { "number" } else { "absent" };
    json!({ "key": key, "name": name, "state": state, "number": number })
}

/// What the collector asks of the registry. A policy that nobody set is absent.
fn registry(set: bool) -> Vec<Value> {
    let when = |number| set.then_some(number);
    let mut values = Vec::new();
    let local = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy";
    for profile in ["DomainProfile", "PrivateProfile", "PublicProfile"] {
        for name in ["EnableFirewall", "DefaultInboundAction"] {
            values.push(value(&format!("{POLICIES}\\WindowsFirewall\\{profile}"), name, when(1)));
            let profile = profile.replace("Private", "Standard");
            values.push(value(&format!("{local}\\{profile}"), name, Some(1)));
        }
    }
    let defender = format!("{POLICIES}\\Windows Defender");
    for (key, name, number) in [
        ("\\Real-Time Protection", "DisableRealtimeMonitoring", 0),
        ("\\Real-Time Protection", "DisableBehaviorMonitoring", 0),
        ("\\Real-Time Protection", "DisableIOAVProtection", 0),
        ("\\Real-Time Protection", "DisableScriptScanning", 0),
        ("\\Spynet", "SpynetReporting", 2),
        ("\\Spynet", "SubmitSamplesConsent", 2),
        ("\\Spynet", "DisableBlockAtFirstSeen", 0),
        ("\\MpEngine", "MpCloudBlockLevel", 2),
    ] {
        values.push(value(&format!("{defender}{key}"), name, when(number)));
    }
    values.push(value(&defender, "DisableAntiSpyware", None));
    let system =
        "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System";
    values.push(value(system, "InactivityTimeoutSecs", when(600)));
    values
}

/// A workstation in order, with one volume, one rule, and one listener: PowerShell writes a list of
/// one as the one, and a list that went through a function with its wrapping.
fn good() -> Value {
    let profile = |name: &str| json!({ "name": name, "enabled": "True", "inbound": "Block" });
    json!({
        "format": "twinkeep-windows/1",
        "computer": "WS-7",
        "elevated": true,
        "sensitive_paths": "D:\\models",
        "registry": registry(true),
        "firewall_profiles": {
            "value": [profile("Domain"), profile("Private"), profile("Public")], "Count": 3
        },
        "firewall_rules": {
            "name": "{7C1E}", "action": "Allow", "protocol": "TCP", "local_ports": "8888",
            "remote_addresses": "10.8.0.0/255.255.0.0", "program": "Any"
        },
        "listeners": { "address": "127.0.0.1", "port": 8888 },
        "defender": {
            "real_time": true, "behavior": true, "downloads": true, "scripts": true,
            "tamper_protected": true, "signature_age_days": 0, "maps": 2, "samples": 2,
            "cloud_block_level": 2, "block_at_first_seen": true, "excluded_paths": [],
            "excluded_extensions": [], "excluded_processes": []
        },
        "volumes": {
            "mount": "C:", "kind": "OperatingSystem", "protection": "On",
            "status": "FullyEncrypted", "percentage": 100
        },
        "services": [
            { "name": "EventLog", "status": "Running" },
            { "name": "mpssvc", "status": "Running" },
            { "name": "WinDefend", "status": "Running" }
        ],
        "audit_policy": [
            { "subcategory": "{0CCE9215-69AE-11D9-BED3-505054503030}", "setting": "Success and Failure" },
            { "subcategory": "{0CCE921D-69AE-11D9-BED3-505054503030}", "setting": "Failure" }
        ],
        "failures": {}
    })
}

/// Scans what `>` of Windows PowerShell makes of it, UTF-16 with a mark, and returns the rules with
/// this outcome.
#[track_caller]
fn rules(place: &Place, facts: &Value, outcome: &str) -> Vec<String> {
    let text = format!("\u{feff}{facts}\r\n");
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    write(&place.path("facts.json"), &bytes);
    let network = ["--jupyter-network", "10.8.0.0/16"];
    let scan = ["scan", "windows:facts.json", "--format", "json", "--out", "report.json"];
    let ran = place.run(&[&scan[..], &network].concat());
    assert!([0, 1, 3].contains(&ran.code), "{}", ran.stderr);
    let report = std::fs::read(place.path("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let mut rules: Vec<String> = findings
        .filter(|finding| finding["outcome"] == outcome)
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect();
    rules.sort();
    rules.dedup();
    rules
}

#[test]
fn a_workstation_in_order_passes_as_powershell_writes_it_down() {
    let place = Place::empty();
    assert_eq!(rules(&place, &good(), "fail"), [""; 0]);
    assert_eq!(rules(&place, &good(), "not-checked"), [""; 0]);
    assert_eq!(rules(&place, &good(), "pass").len(), 10);
}

#[test]
fn a_policy_does_not_make_up_for_what_is_in_effect_nor_the_other_way_around() {
    let place = Place::empty();
    // The policy is right, and what is in effect is not.
    let mut facts = good();
    facts["defender"]["real_time"] = json!(false);
    facts["firewall_profiles"]["value"][2]["enabled"] = json!("False");
    facts["volumes"]["protection"] = json!("Off");
    facts["firewall_rules"]["remote_addresses"] = json!("Any");
    let failed = ["win-bitlocker", "win-defender-realtime", "win-firewall", "win-jupyter-port"];
    assert_eq!(rules(&place, &facts, "fail"), failed);
    // What is in effect is right, and a policy says otherwise: it will be so soon.
    let mut facts = good();
    let values = facts["registry"].as_array_mut().unwrap();
    let monitoring = values.iter_mut().find(|it| it["name"] == "DisableRealtimeMonitoring");
    monitoring.unwrap()["number"] = json!(1);
    assert_eq!(rules(&place, &facts, "fail"), ["win-defender-realtime"]);
}

#[test]
fn a_workstation_as_it_comes_fails_and_gets_its_scripts() {
    let place = Place::empty();
    let mut facts = good();
    facts["registry"] = json!(registry(false));
    facts["defender"]["samples"] = json!(1);
    facts["defender"]["excluded_paths"] = json!("D:\\");
    facts["volumes"]["protection"] = json!("Off");
    let failed = rules(&place, &facts, "fail");
    for rule in ["win-bitlocker", "win-defender-exclusions", "win-defender-samples"] {
        assert!(failed.contains(&rule.to_owned()), "{failed:?}");
    }
    place.run(&["scan", "scripts", "windows:facts.json", "--out", "scripts"]).done();
    let script =
        |name: &str| std::fs::read_to_string(place.path(&format!("scripts/{name}.ps1"))).unwrap();
    assert!(script("repair").contains("Remove-MpPreference -ExclusionPath 'D:\\'"));
    assert!(script("rollback").contains("Add-MpPreference -ExclusionPath 'D:\\'"));

    // Who is no administrator is told nothing, and that is no good news.
    facts["elevated"] = json!(false);
    facts["defender"]["excluded_paths"] = json!("N/A: Must be an administrator to view exclusions");
    facts["volumes"] = Value::Null;
    facts["audit_policy"] = Value::Null;
    facts["failures"] = json!({ "volumes": "CimException", "audit_policy": "RuntimeException" });
    let unknown = rules(&place, &facts, "not-checked");
    for rule in ["win-audit", "win-bitlocker", "win-defender-exclusions"] {
        assert!(unknown.contains(&rule.to_owned()), "{unknown:?}");
    }
}
