//! Which version serves: releases, rollbacks, backups, and the way out of quarantine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use twinkeep_domain::Timestamp;

use super::{NOW, Sample, because, open_to_us, overwrite};
use crate::registry::Decision;
use crate::{Status, VersionId};

/// A sample whose versions were in service one after the other; the last one still is.
fn served_in_turn(count: u8) -> (Sample, Vec<VersionId>) {
    let sample = Sample::new();
    let mut ids = Vec::new();
    for number in 1..=count {
        let id = sample.submit(f32::from(number));
        let at = Timestamp::from_micros(NOW.micros() + i64::from(number));
        sample.registry.release(&id, &Decision { at, ..because("newer") }, false).unwrap();
        ids.push(id);
    }
    (sample, ids)
}

fn agreed<'a>(reason: &'a str, approved_by: &'a [String]) -> Decision<'a> {
    Decision { approved_by, ..because(reason) }
}

#[test]
fn a_version_that_served_before_serves_again_by_a_rollback_only() {
    let (sample, ids) = served_in_turn(2);
    let registry = &sample.registry;
    assert_eq!(sample.release(&ids[0]).unwrap_err().code(), "model-older");
    assert_eq!(registry.promote(&ids[0], &because("x")).unwrap_err().code(), "model-older");
    let back = registry.roll_back(None, &because("drift")).unwrap();
    assert_eq!((&back.id, back.retired.as_ref()), (&ids[0], Some(&ids[1])));
    assert_eq!(back.backup, None, "what was rolled back from is no backup");
    let record = registry.show(&ids[0]).unwrap();
    assert_eq!(record.steps.last().unwrap().reason, "drift");
    registry.load(&ids[0]).unwrap();
    assert_eq!(sample.release(&ids[0]).unwrap_err().code(), "model-state");
    // And forward again, by name.
    let forward = registry.roll_back(Some(&ids[1]), &because("it was not the model")).unwrap();
    assert_eq!(forward.id, ids[1]);
    let candidate = sample.submit(9.0);
    let refused = registry.roll_back(Some(&candidate), &because("x")).unwrap_err();
    assert_eq!(refused.code(), "model-state");
}

#[test]
fn there_is_nothing_to_go_back_to_at_first() {
    let (sample, _) = Sample::served();
    let refused = sample.registry.roll_back(None, &because("drift")).unwrap_err();
    assert_eq!(refused.code(), "model-nothing-before");
}

#[test]
fn the_version_before_is_the_backup_and_takes_over_in_one_step() {
    let (sample, ids) = served_in_turn(3);
    let registry = &sample.registry;
    assert_eq!(registry.backup().unwrap(), Some(ids[1].clone()));
    let counter = registry.counter().unwrap();
    let found = registry.quarantine(&ids[2], "watch", "changed", NOW).unwrap();
    assert_eq!(found.replaced_by, Some(ids[1].clone()));
    assert_eq!(registry.counter().unwrap(), counter + 1, "one state, so nobody sees neither");
    assert_eq!(registry.in_service().unwrap(), Some(ids[1].clone()));
    registry.load(&ids[1]).unwrap();
    assert_eq!(registry.backup().unwrap(), Some(ids[0].clone()), "the next one stands by");
    registry.quarantine(&ids[1], "watch", "changed", NOW).unwrap();
    registry.quarantine(&ids[0], "watch", "changed", NOW).unwrap();
    assert_eq!((registry.in_service().unwrap(), registry.backup().unwrap()), (None, None));
}

#[test]
fn a_backup_that_was_changed_does_not_take_over() {
    let (sample, ids) = served_in_turn(3);
    overwrite(&sample.file(&ids[1], "card.json"), b"another card");
    let found = sample.registry.quarantine(&ids[2], "watch", "changed", NOW).unwrap();
    assert_eq!(found.replaced_by, None, "the named backup does not verify");
    assert_eq!(sample.registry.backup().unwrap(), Some(ids[0].clone()));
    assert_eq!(sample.registry.roll_back(None, &because("serve")).unwrap().id, ids[0]);
}

#[test]
fn a_released_version_stands_by_until_it_is_promoted_and_can_be_the_backup() {
    let (sample, first) = Sample::served();
    let registry = &sample.registry;
    let second = sample.submit(2.0);
    assert_eq!(registry.promote(&second, &because("x")).unwrap_err().code(), "model-state");
    assert_eq!(registry.set_backup(&second, &because("x")).unwrap_err().code(), "model-state");
    let released = registry.release(&second, &because("checked"), true).unwrap();
    assert_eq!((released.retired, released.backup), (None, Some(second.clone())));
    assert_eq!(registry.in_service().unwrap(), Some(first.clone()));
    assert_eq!(registry.load(&second).unwrap_err().code(), "model-state");
    let promoted = registry.promote(&second, &because("ready")).unwrap();
    assert_eq!((promoted.retired, promoted.backup), (Some(first.clone()), Some(first.clone())));
    let third = sample.submit(3.0);
    registry.release(&third, &because("checked"), true).unwrap();
    registry.set_backup(&third, &because("newer")).unwrap();
    assert_eq!(sample.reopen().unwrap().backup().unwrap(), Some(third.clone()));
    // A backup that is taken away is replaced.
    registry.quarantine(&third, "operator", "changed", NOW).unwrap();
    assert_eq!(registry.backup().unwrap(), Some(first));
    assert_eq!(registry.in_service().unwrap(), Some(second));
}

#[test]
fn a_version_leaves_quarantine_if_it_verifies_and_another_person_agrees() {
    let (sample, id) = Sample::served();
    let registry = &sample.registry;
    registry.quarantine(&id, "ada", "suspicion", NOW).unwrap();
    let [ada, bob] = ["ada", "bob"].map(str::to_owned);
    for alone in [&[][..], std::slice::from_ref(&ada)] {
        let refused = registry.restore(&id, &agreed("looked at it", alone)).unwrap_err();
        assert_eq!(refused.code(), "model-second-person");
    }
    let card = sample.path("quarantine").join(id.as_str()).join("card.json");
    open_to_us(&card);
    let sound = fs::read(&card).unwrap();
    overwrite(&card, b"another card");
    let both = [ada, bob];
    let refused = registry.restore(&id, &agreed("looked at it", &both)).unwrap_err();
    assert_eq!(refused.code(), "model-signature");
    assert!(card.exists() && !sample.path(id.as_str()).exists(), "it is back in quarantine");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&card), 0);
    open_to_us(&card);
    overwrite(&card, &sound);
    registry.restore(&id, &agreed("looked at it", &both)).unwrap();
    assert_eq!(mode(&sample.file(&id, "card.json")), 0o600);
    let record = registry.show(&id).unwrap();
    assert_eq!(record.status, Status::Candidate);
    assert_eq!(record.steps.last().unwrap().approved_by, both);
    assert_eq!(registry.load(&id).unwrap_err().code(), "model-state", "it must be released again");
    sample.release(&id).unwrap();
    let refused = registry.restore(&id, &agreed("again", &both)).unwrap_err();
    assert_eq!(refused.code(), "model-state");
}

#[test]
fn files_that_left_quarantine_before_a_crash_go_back() {
    let (sample, id) = Sample::served();
    sample.registry.quarantine(&id, "ada", "suspicion", NOW).unwrap();
    let inside = sample.path("quarantine").join(id.as_str());
    fs::rename(&inside, sample.path(id.as_str())).unwrap();
    let registry = sample.reopen().unwrap();
    assert!(inside.exists());
    assert_eq!(registry.show(&id).unwrap().status, Status::Quarantined);
}

#[test]
fn a_release_needs_as_many_approvers_as_are_asked_for() {
    let sample = Sample::new();
    let registry = &sample.registry;
    let id = sample.submit(1.0);
    assert_eq!(registry.require_approvals(1).unwrap_err().code(), "approver");
    registry.add_approver("ada", [1; 32], "operator", NOW).unwrap();
    for (name, key) in [("ada", [9; 32]), ("bob", [1; 32]), ("", [9; 32]), ("a\nb", [9; 32])] {
        let refused = registry.add_approver(name, key, "operator", NOW).unwrap_err();
        assert_eq!(refused.code(), "approver", "{name}");
    }
    registry.add_approver("bob", [2; 32], "operator", NOW).unwrap();
    registry.require_approvals(2).unwrap();
    assert_eq!(registry.require_approvals(3).unwrap_err().code(), "approver");
    assert_eq!(registry.remove_approver("bob").unwrap_err().code(), "approver");
    assert_eq!(registry.remove_approver("eve").unwrap_err().code(), "approver");
    let (approvers, required) = sample.reopen().unwrap().approvers().unwrap();
    assert_eq!((approvers.len(), required), (2, 2));
    assert_eq!(approvers["ada"].key, [1; 32]);
    let names = ["ada", "bob"].map(str::to_owned);
    for stand_by in [true, false] {
        let refused = registry.release(&id, &agreed("why", &names[..1]), stand_by).unwrap_err();
        assert_eq!(refused.code(), "model-approvals");
    }
    registry.release(&id, &agreed("why", &names), false).unwrap();
    assert_eq!(registry.show(&id).unwrap().steps[1].approved_by, names);
    registry.require_approvals(0).unwrap();
    registry.remove_approver("bob").unwrap();
}

#[test]
fn a_version_that_may_know_an_erased_person_neither_serves_nor_stands_by() {
    let (sample, ids) = served_in_turn(2);
    let registry = &sample.registry;
    assert_eq!(registry.backup().unwrap(), Some(ids[0].clone()));
    registry.mark_learned_since(NOW, "operator", "a person was erased", NOW).unwrap();
    assert_eq!(registry.backup().unwrap(), None);
    assert_eq!(registry.roll_back(None, &because("drift")).unwrap_err().code(), "model-marked");
    assert_eq!(registry.set_backup(&ids[0], &because("x")).unwrap_err().code(), "model-marked");
    let third = sample.submit(3.0);
    let released = sample.release(&third).unwrap();
    assert_eq!((released.retired, released.backup), (Some(ids[1].clone()), None));
    let found = registry.quarantine(&third, "watch", "changed", NOW).unwrap();
    assert_eq!((found.replaced_by, registry.in_service().unwrap()), (None, None));
}
