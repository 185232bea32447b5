//! The scripts, and that PowerShell's grammar takes them.

use tree_sitter::Parser;

use super::{quoted, scripts};
use crate::collect::windows::COLLECTOR;
use crate::rules::windows::tests::{bad, good};

/// Where a script breaks the grammar, if it does.
#[track_caller]
fn assert_grammatical(script: &str) {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
    let tree = parser.parse(script, None).unwrap();
    let mut cursor = tree.walk();
    let mut open = vec![tree.root_node()];
    while let Some(node) = open.pop() {
        let line = node.start_position().row;
        let text = script.lines().nth(line).unwrap_or_default();
        assert!(!node.is_error() && !node.is_missing(), "line {}: {text}", line + 1);
        let children: Vec<_> = node.children(&mut cursor).collect();
        open.extend(children);
    }
}

#[test]
fn the_grammar_takes_the_collector_and_refuses_what_is_broken() {
    assert_grammatical(COLLECTOR);
    let broken = COLLECTOR.replacen("param(", "param((", 1);
    assert!(std::panic::catch_unwind(|| assert_grammatical(&broken)).is_err());
}

#[test]
fn the_collector_changes_nothing() {
    let forbidden = [
        "Set-",
        "New-Item",
        "Remove-",
        "Add-",
        "Invoke-",
        "Start-",
        "Stop-",
        "Out-File",
        "Enable-",
        "Disable-",
        "Clear-",
        "Export-",
        "Restart-",
        "Register-",
        "iex",
        "DownloadString",
    ];
    for line in COLLECTOR.lines().filter(|line| !line.contains("Set-StrictMode")) {
        for word in forbidden {
            assert!(!line.contains(word), "{line}");
        }
    }
}

#[test]
fn a_workstation_in_order_needs_no_change() {
    let scripts = scripts(&good());
    assert_eq!(scripts.change_count, 0);
    assert_grammatical(&scripts.apply);
    assert_grammatical(&scripts.rollback);
}

#[test]
fn each_change_has_its_inverse_the_other_way_around() {
    let scripts = scripts(&bad());
    assert!(scripts.change_count > 10, "{}", scripts.apply);
    assert_grammatical(&scripts.apply);
    assert_grammatical(&scripts.rollback);
    let lines = |script: &str| -> Vec<String> {
        let starts = ["Set-Value '", "Remove-Mp", "Add-Mp"];
        let own = |line: &&str| starts.iter().any(|start| line.starts_with(start));
        script.lines().filter(own).map(str::to_owned).collect()
    };
    let (apply, mut rollback) = (lines(&scripts.apply), lines(&scripts.rollback));
    rollback.reverse();
    assert_eq!(apply.len(), scripts.change_count);
    for (forward, back) in apply.iter().zip(&rollback) {
        if let Some(rest) = forward.strip_prefix("Remove-MpPreference") {
            assert_eq!(*back, format!("Add-MpPreference{rest}"));
            continue;
        }
        let (what, change) = forward.split_once(" -From ").unwrap();
        let (from, to) = change.split_once(" -To ").unwrap();
        assert_eq!(*back, format!("{what} -From {to} -To {from}"));
    }
    assert!(scripts.apply.contains("SpynetReporting' -From $null -To 2"));
}

#[test]
fn a_hostile_path_does_not_leave_its_quotes() {
    for hostile in
        ["'; Remove-Item C:\\ -Recurse; '", "\u{2019}; calc; \u{2018}", "$(calc)`\n\"calc\""]
    {
        let mut facts = bad();
        if let Some(defender) = &mut facts.defender {
            defender.excluded_paths = vec![format!("D:\\models\\{hostile}")];
        }
        facts.computer = hostile.to_owned();
        let scripts = scripts(&facts);
        assert_grammatical(&scripts.apply);
        // The whole word is one string: every quote in it is doubled.
        let line = scripts.apply.lines().find(|line| line.contains("-ExclusionPath '")).unwrap();
        let word = line.split_once("-ExclusionPath ").unwrap().1;
        let inside = &word[1..word.len() - 1];
        let quotes = ['\'', '\u{2018}', '\u{2019}'];
        let mut characters = inside.chars().peekable();
        while let Some(character) = characters.next() {
            if quotes.contains(&character) {
                assert_eq!(characters.next(), Some(character), "{word}");
            }
        }
    }
    assert_eq!(quoted("a'b"), "'a''b'");
}
