//! New keys for the same rows: nothing is lost, and the old keys are gone, after any crash.

use std::cell::Cell;
use std::fs;
use std::panic::{self, AssertUnwindSafe};

use twinkeep_domain::Split;

use super::{add, event_count, root, sample};
use crate::layout::{data_folders, path};
use crate::rotate::Step;
use crate::{FeedId, Rotation, Store};

fn names(dir: &std::path::Path) -> Vec<String> {
    let list = |folder: String| {
        fs::read_dir(path(dir, &folder))
            .unwrap()
            .map(move |file| format!("{folder}/{}", file.unwrap().file_name().to_string_lossy()))
    };
    data_folders().into_iter().flat_map(list).collect()
}

#[test]
fn every_file_gets_a_new_key_and_keeps_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 30, 40)).unwrap();
    add(&store, &sample(2, 30, 40)).unwrap();
    let before = names(dir.path());
    let up_to = store.newest_file().unwrap();
    let rotation = store.rotate_data_keys(up_to, &mut |_| ()).unwrap();
    assert_eq!(rotation, Rotation { done: 8, total: 8 });
    let after = names(dir.path());
    assert_eq!(after.len(), 8);
    assert!(after.iter().all(|name| !before.contains(name)));
    assert_eq!(event_count(&store), 2 * 30 * 40);
    assert_eq!(store.quarantined(FeedId(2), 0, 10).unwrap().len(), 2);
    for (subject, _) in &sample(1, 30, 40).mapping {
        assert_eq!(store.timeline(*subject).unwrap().unwrap().timelines[0].events().len(), 80);
    }
    for name in before {
        let ring = store.keyring.now().unwrap();
        assert!(ring.file_key(twinkeep_vault::Purpose::ShardKey, &name).is_err());
    }
    let again = store.rotate_data_keys(up_to, &mut |_| ()).unwrap();
    assert_eq!(again, Rotation { done: 0, total: 0 });
}

#[test]
fn a_rotation_that_is_interrupted_anywhere_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 30, 20)).unwrap();
    let up_to = store.newest_file().unwrap();
    drop(store);
    for stop in 0..9 {
        let store = Store::open(dir.path(), &root()).unwrap();
        let steps = Cell::new(0);
        let interrupt = |_: Step| {
            steps.set(steps.get() + 1);
            assert!(steps.get() <= stop, "interrupted on purpose");
        };
        let run = || store.rotate_stepwise(up_to, &mut |_| (), &interrupt);
        let _ = panic::catch_unwind(AssertUnwindSafe(run));
        drop(store);
        let store = Store::open(dir.path(), &root()).unwrap();
        assert_eq!(event_count(&store), 30 * 20);
        assert_eq!(names(dir.path()).len(), 4);
    }
    let store = Store::open(dir.path(), &root()).unwrap();
    store.rotate_data_keys(up_to, &mut |_| ()).unwrap();
    assert!(up_to < store.newest_file().unwrap());
    assert_eq!(
        Split::ALL.map(|split| store.cohort(split).unwrap().timelines.len()).iter().sum::<usize>(),
        30
    );
}
