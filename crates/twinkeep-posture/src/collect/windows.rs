//! Reads what `twinkeep-collect.ps1` wrote down on a Windows workstation.
//!
//! Needs the path of its output, and what was decided where advice conflicts. PowerShell writes
//! UTF-16 or UTF-8, with or without a byte order mark: all are read.

use std::path::Path;

use serde_json::Value;

use super::{CollectError, regular};
use crate::facts::windows::{Choices, WINDOWS_FORMAT, Windows};

#[cfg(test)]
mod tests;

/// The collector: reads only, and prints one JSON object.
pub const COLLECTOR: &str = include_str!("windows/twinkeep-collect.ps1");

/// Reads the facts of a workstation.
pub fn collect(path: &Path, choices: Choices) -> Result<Windows, CollectError> {
    let shown = path.display().to_string();
    let failed = |source| CollectError::Read { path: shown.clone(), source };
    let unexpected = |why: String| CollectError::Unexpected { what: shown.clone(), why };
    let bytes = regular::read(path, BYTES_MAX).map_err(failed)?;
    let text = decoded(&bytes).ok_or_else(|| {
        unexpected("it is neither UTF-8 nor UTF-16; run the collector again".to_owned())
    })?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        unexpected(format!(
            "line {line}, column {column} is no JSON; run the collector again and keep all that it \
             prints"
        ))
    })?;
    as_lists(&mut value);
    let mut facts: Windows = serde_json::from_value(value).map_err(|_| {
        unexpected(
            "it is not what the collector writes; run the collector of this version again"
                .to_owned(),
        )
    })?;
    if facts.format != WINDOWS_FORMAT {
        return Err(unexpected(format!(
            "its format is not `{WINDOWS_FORMAT}`; run the collector of this version"
        )));
    }
    facts.choices = choices;
    Ok(facts)
}

/// Makes lists of what PowerShell wrote in another way: a list of one as the one, and a list that
/// went through a function as `{"value": […], "Count": 1}`.
fn as_lists(value: &mut Value) {
    let Value::Object(parts) = value else { return };
    for (name, part) in parts {
        // What could not be read is told by the same names, with a word for each.
        if name == "failures" {
            continue;
        }
        if LISTS.contains(&name.as_str()) {
            let wrapped =
                part.as_object().filter(|map| map.len() == 2 && map.contains_key("Count"));
            if let Some(Value::Array(items)) = wrapped.and_then(|map| map.get("value")) {
                *part = Value::Array(items.clone());
            } else if !part.is_array() && !part.is_null() {
                *part = Value::Array(vec![part.take()]);
            }
        }
        match part {
            Value::Array(items) => items.iter_mut().for_each(as_lists),
            part => as_lists(part),
        }
    }
}

/// All parts of the facts that are lists.
const LISTS: &[&str] = &[
    "sensitive_paths",
    "registry",
    "firewall_profiles",
    "firewall_rules",
    "local_ports",
    "remote_addresses",
    "listeners",
    "excluded_paths",
    "excluded_extensions",
    "excluded_processes",
    "volumes",
    "services",
    "audit_policy",
];

/// The text of what PowerShell wrote.
pub(super) fn decoded(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], join: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|&pair| join(pair)).collect();
        if rest.is_empty() { String::from_utf16(&units).ok() } else { None }
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

/// A workstation has some thousand rules of the firewall, at some hundred bytes each.
const BYTES_MAX: u64 = 64 << 20;
