//! The encodings of PowerShell, and what is no output of the collector.

use std::fs::File;
use std::io::Write as _;

use super::{COLLECTOR, collect};
use crate::facts::windows::Choices;
use crate::rules::windows::tests::good;

fn read(bytes: &[u8]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("facts.json");
    File::create(&path).unwrap().write_all(bytes).unwrap();
    collect(&path, Choices::default()).map(|facts| facts.computer).map_err(|it| it.to_string())
}

#[test]
fn all_encodings_of_powershell_are_read() {
    let text = serde_json::to_string(&good()).unwrap();
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
    for bytes in [
        text.as_bytes().to_vec(),
        marked(&[0xef, 0xbb, 0xbf], text.as_bytes()),
        marked(&[0xff, 0xfe], &little),
        marked(&[0xfe, 0xff], &big),
    ] {
        assert_eq!(read(&bytes).unwrap(), "WS-7");
    }
}

/// PowerShell writes a list of one as the one where a function hands it over, and Windows PowerShell
/// writes the wrapping of a list.
#[test]
fn lists_are_read_as_powershell_writes_them() {
    let mut facts = good();
    facts.services = None;
    facts.failures.insert("services".to_owned(), "CimException".to_owned());
    let mut value = serde_json::to_value(&facts).unwrap();
    let one = |value: &mut serde_json::Value| *value = value[0].take();
    one(&mut value["volumes"]);
    one(&mut value["firewall_rules"]);
    one(&mut value["firewall_rules"]["local_ports"]);
    one(&mut value["firewall_rules"]["remote_addresses"]);
    one(&mut value["sensitive_paths"]);
    let profiles = value["firewall_profiles"].take();
    value["firewall_profiles"] = serde_json::json!({ "value": profiles, "Count": 3 });
    value.as_object_mut().unwrap().remove("choices");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("facts.json");
    File::create(&path).unwrap().write_all(value.to_string().as_bytes()).unwrap();
    assert_eq!(collect(&path, facts.choices.clone()).unwrap(), facts);
}

#[test]
fn what_the_collector_does_not_write_is_refused() {
    for bytes in [&b""[..], b"{}", b"[]", &[0xff, 0xfe, b'{'], &[0xff], b"{\"format\": 1}"] {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
    let text = serde_json::to_string(&good()).unwrap();
    assert!(
        read(text.replace("windows/1", "windows/9").as_bytes()).unwrap_err().contains("format")
    );
    assert!(read(&text.as_bytes()[..text.len() / 2]).is_err());
    assert!(read("[".repeat(1_000_000).as_bytes()).is_err());
}

/// What the collector writes and what is read are the same words.
#[test]
fn each_part_of_the_facts_is_one_that_the_collector_writes() {
    let facts = serde_json::to_value(good()).unwrap();
    for (name, part) in facts.as_object().unwrap() {
        if name != "choices" {
            assert!(COLLECTOR.contains(&format!("    {name} = ")), "{name}");
        }
        let first = part.as_array().and_then(|items| items.first()).unwrap_or(part);
        for inner in first.as_object().into_iter().flatten().map(|(name, _)| name) {
            let named = COLLECTOR.contains(&format!("{inner} = "));
            assert!(named || name == "choices", "{name}.{inner}");
        }
    }
    for value in good().registry {
        assert!(COLLECTOR.contains(&format!("'{}'", value.name)), "{}", value.name);
    }
}
