//! Tests of fixes: plan, apply, verify, roll back, verify, on real files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{Change, FixError, Journal, Plan, State, Step, apply, rollback};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn file(folder: &Path, name: &str, text: &str, mode: u32) -> String {
    let path = folder.join(name);
    super::files::write_private(&path, text.as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_string_lossy().into_owned()
}

fn plan(changes: Vec<Change>) -> Plan {
    let step = |change| Step { rule: "a-rule".into(), resource: "it".into(), change };
    Plan {
        format: "twinkeep-plan/1".into(),
        taken_us: 0,
        steps: changes.into_iter().map(step).collect(),
        also: Vec::new(),
        by_hand: Vec::new(),
    }
}

fn states(journal: &Journal) -> Vec<State> {
    journal.steps.iter().map(|step| step.state).collect()
}

#[test]
fn what_is_applied_can_be_taken_back_and_applied_again() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let a = file(folder.path(), "a", "one\ntwo\n", 0o644);
    let b = file(folder.path(), "b", "", 0o600);
    let plan = plan(vec![
        Change::SetMode { path: a.clone(), from: 0o644, to: 0o600 },
        Change::Rewrite {
            path: a.clone(),
            from: "one\ntwo\n".into(),
            to: "one\n".into(),
            gate: None,
        },
        Change::SetMode { path: b.clone(), from: 0o644, to: 0o600 },
    ]);
    for _ in 0..2 {
        let done = apply(&plan, &journal).unwrap();
        assert_eq!(states(&done), [State::Done, State::Done, State::Found]);
        assert_eq!((mode(Path::new(&a)), fs::read_to_string(&a).unwrap()), (0o600, "one\n".into()));
        assert_eq!(apply(&plan, &journal).unwrap(), done, "a second time changes nothing");

        let undone = rollback(&journal).unwrap();
        assert_eq!(states(&undone), [State::Undone, State::Undone, State::Found]);
        assert_eq!(mode(Path::new(&a)), 0o644);
        assert_eq!(fs::read_to_string(&a).unwrap(), "one\ntwo\n");
        assert_eq!(mode(Path::new(&b)), 0o600, "what was right before stays");
        assert_eq!(rollback(&journal).unwrap(), undone, "a second time changes nothing");
    }
}

#[test]
fn what_somebody_else_changed_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let a = file(folder.path(), "a", "", 0o666);
    let b = file(folder.path(), "b", "", 0o644);
    let plan = plan(vec![
        Change::SetMode { path: b.clone(), from: 0o644, to: 0o600 },
        Change::SetMode { path: a.clone(), from: 0o644, to: 0o600 },
    ]);
    assert!(matches!(apply(&plan, &journal), Err(FixError::Changed { .. })));
    assert_eq!(mode(Path::new(&a)), 0o666);
    // What was made before it stays until it is taken back.
    assert_eq!(mode(Path::new(&b)), 0o600);
    fs::set_permissions(&b, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(rollback(&journal), Err(FixError::Changed { .. })));
    assert_eq!(mode(Path::new(&b)), 0o640);
}

#[test]
fn a_crash_between_the_journal_and_the_change_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    for made in [false, true] {
        let a = file(folder.path(), "a", "", if made { 0o600 } else { 0o644 });
        let plan = plan(vec![Change::SetMode { path: a.clone(), from: 0o644, to: 0o600 }]);
        // As it lies on the disk when the program is killed right before or right after chmod.
        let step = plan.steps[0].clone();
        let inverse = step.change.inverse();
        let begun = super::JournalStep { step, inverse, state: State::Begun };
        let journal = Journal { format: "twinkeep-fix-journal/1".into(), steps: vec![begun] };
        super::files::write_private(&path, &serde_json::to_vec(&journal).unwrap()).unwrap();

        assert_eq!(states(&apply(&plan, &path).unwrap()), [State::Done]);
        assert_eq!(mode(Path::new(&a)), 0o600);
        super::files::write_private(&path, &serde_json::to_vec(&journal).unwrap()).unwrap();
        rollback(&path).unwrap();
        assert_eq!(mode(Path::new(&a)), 0o644, "made: {made}");
    }
}

#[test]
fn a_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let a = file(folder.path(), "a", "", 0o644);
    let link = folder.path().join("link");
    symlink(&a, &link).unwrap();
    let path = link.to_string_lossy().into_owned();
    let plan = plan(vec![Change::SetMode { path, from: 0o644, to: 0o600 }]);
    assert!(apply(&plan, &folder.path().join("journal")).is_err());
    assert_eq!(mode(Path::new(&a)), 0o644);
}

#[test]
fn a_journal_of_another_plan_and_one_that_was_cut_off_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let a = file(folder.path(), "a", "", 0o644);
    let to = |to| plan(vec![Change::SetMode { path: a.clone(), from: 0o644, to }]);
    apply(&to(0o600), &journal).unwrap();
    assert!(matches!(apply(&to(0o400), &journal), Err(FixError::OtherJournal { .. })));
    let text = fs::read(&journal).unwrap();
    super::files::write_private(&journal, &text[..text.len() / 2]).unwrap();
    assert!(matches!(rollback(&journal), Err(FixError::Malformed { .. })));
}
