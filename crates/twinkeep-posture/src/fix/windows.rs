//! Scripts that repair a Windows workstation, and that take the repair back.
//!
//! A workstation is judged elsewhere, so that its fixes are scripts for PowerShell, to be read and
//! run there by an administrator. Each line of the first changes a value only if it still is as
//! the facts say; each line of the second gives it back only if it is as the first one left it.
//! So a script that runs twice, or stops half way, does no harm.
//!
//! # Invariants
//!
//! - Nothing from the facts gets into a script but numbers, and words in quotes that cannot end
//!   early.

use std::fmt::Write as _;

use crate::facts::windows::{Cloud, RegistryState, Samples, Windows};
use crate::rules::windows as rules;
use crate::rules::windows::Policy;

#[cfg(test)]
mod tests;

/// Two scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripts {
    /// What repairs.
    pub apply: String,
    /// What takes the repair back.
    pub rollback: String,
    /// How many changes they make.
    pub change_count: usize,
}

/// Writes the scripts for all policies that do not say what they have to, and for exclusions that
/// cover what Defender must look at.
pub fn scripts(facts: &Windows) -> Scripts {
    let mut apply = header("repairs", facts);
    let mut rollback = header("takes back what the repair changed on", facts);
    let mut undo = Vec::new();
    for policy in policies(facts) {
        let Some(before) = before(facts, policy) else { continue };
        let (key, name) = (quoted(policy.key), quoted(policy.name));
        let to = policy.fix;
        let _ = writeln!(apply, "Set-Value {key} {name} -From {before} -To {to}");
        undo.push(format!("Set-Value {key} {name} -From {to} -To {before}\n"));
    }
    let covering = facts
        .defender
        .as_ref()
        .map(|defender| rules::defender_exclusions::covering(defender, &facts.sensitive_paths));
    for (kind, what) in covering.unwrap_or_default() {
        let (property, what) = (kind.property(), quoted(what));
        let _ = writeln!(apply, "Remove-MpPreference -{property} {what}");
        undo.push(format!("Add-MpPreference -{property} {what}\n"));
    }
    let change_count = undo.len();
    rollback.extend(undo.into_iter().rev());
    Scripts { apply, rollback, change_count }
}

/// The policies that a fix may set, by what was chosen.
fn policies(facts: &Windows) -> Vec<&'static Policy> {
    let mut all: Vec<&Policy> = Vec::new();
    all.extend(rules::firewall::PROFILES.iter().flat_map(|(_, policies)| policies));
    all.extend(rules::defender_realtime::PARTS.iter().map(|(policy, _)| policy));
    match facts.choices.cloud {
        Cloud::Advanced => all.extend(rules::defender_cloud::ADVANCED),
        Cloud::Off => all.push(&rules::defender_cloud::OFF),
    }
    all.push(match facts.choices.samples {
        Samples::Never => &rules::defender_samples::NEVER,
        Samples::Prompt => &rules::defender_samples::PROMPT,
    });
    all.push(&rules::screen_lock::LOCK);
    all
}

/// What a policy says now, in PowerShell, if it has to be set. A value that nobody could read, or
/// that is no number, is left alone.
fn before(facts: &Windows, policy: &Policy) -> Option<String> {
    let value = facts.value(policy.key, policy.name)?;
    match (value.state, value.number) {
        (RegistryState::Number, Some(number)) if (policy.good)(number) => None,
        (RegistryState::Number, Some(number)) => {
            u32::try_from(number).ok().map(|it| it.to_string())
        }
        (RegistryState::Absent, _) => Some("$null".to_owned()),
        _ => None,
    }
}

fn header(does: &str, facts: &Windows) -> String {
    let computer = quoted(&facts.computer);
    format!(
        "# Twinkeep: {does} one workstation. Run it there as an administrator.\n{FUNCTIONS}\nAssert-Computer {computer}\n"
    )
}

/// A word in single quotes. PowerShell takes typographic quotes for single quotes too; doubled,
/// each stands for itself. Control characters have no place in a path.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for character in text.chars().filter(|character| !character.is_control()) {
        if matches!(character, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            quoted.push(character);
        }
        quoted.push(character);
    }
    quoted.push('\'');
    quoted
}

/// What both scripts call.
const FUNCTIONS: &str = r"#Requires -RunAsAdministrator
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

function Assert-Computer {
    param([string] $Name)
    if ($env:COMPUTERNAME -ne $Name) {
        throw 'this script is for another computer'
    }
}

function Set-Value {
    param([string] $Key, [string] $Name, $From, $To)
    $path = 'Registry::' + $Key
    $now = $null
    if (Test-Path -LiteralPath $path) {
        $item = Get-Item -LiteralPath $path
        if ($item.GetValueNames() -contains $Name) {
            $now = $item.GetValue($Name)
        }
    }
    if ($now -eq $To -and ($null -eq $now) -eq ($null -eq $To)) {
        Write-Output ('already: ' + $Key + '\' + $Name)
        return
    }
    if ($now -ne $From -or ($null -eq $now) -ne ($null -eq $From)) {
        Write-Warning ('changed since the scan, left alone: ' + $Key + '\' + $Name)
        return
    }
    if ($null -eq $To) {
        Remove-ItemProperty -LiteralPath $path -Name $Name
    } else {
        if (-not (Test-Path -LiteralPath $path)) {
            New-Item -Path $path -Force | Out-Null
        }
        New-ItemProperty -LiteralPath $path -Name $Name -Value $To -PropertyType DWord -Force | Out-Null
    }
    Write-Output ('set: ' + $Key + '\' + $Name)
}
";
