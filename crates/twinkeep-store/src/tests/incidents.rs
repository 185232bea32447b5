//! Incidents are whole, sealed, and one at a time, whoever writes them.

use std::fs;

use super::root;
use crate::{IncidentRecord, Incidents, Store};

fn write(store: &Store, which: Incidents, change: impl Fn(&str) -> Option<(bool, String)>) {
    let mut changed = |known: &[IncidentRecord], next| {
        let text = known.first().map(|it| it.record.as_str()).unwrap_or_default();
        let number = known.first().map_or(next, |it| it.number);
        change(text).map(|(closed, record)| IncidentRecord { number, closed, record })
    };
    store.change_incidents(which, &mut changed).unwrap();
}

#[test]
fn an_incident_is_opened_changed_and_closed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    assert_eq!(store.incidents(Incidents::All).unwrap(), []);
    write(&store, Incidents::Open, |_| Some((false, "zq-found".to_owned())));
    let before = store.epoch().unwrap();
    write(&store, Incidents::One(1), |_| None);
    assert_eq!(store.epoch().unwrap(), before, "what is not changed is not written");
    write(&store, Incidents::One(1), |text| Some((true, format!("{text} and contained"))));
    write(&store, Incidents::Open, |text| Some((false, format!("{text}second"))));
    drop(store);
    let store = Store::open(dir.path(), &root()).unwrap();
    let found = |which| {
        let of = |it: IncidentRecord| (it.number, it.closed, it.record);
        store.incidents(which).unwrap().into_iter().map(of).collect::<Vec<_>>()
    };
    let first = (1, true, "zq-found and contained".to_owned());
    let second = (2, false, "second".to_owned());
    assert_eq!(found(Incidents::All), [first.clone(), second.clone()]);
    assert_eq!(found(Incidents::Open), [second]);
    assert_eq!(found(Incidents::One(1)), [first]);
    assert_eq!(found(Incidents::One(3)), []);
    drop(store);
    for file in fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            let bytes = fs::read(&file).unwrap();
            assert!(!bytes.windows(8).any(|it| it == b"zq-found"), "{}", file.display());
        }
    }
}

#[test]
fn whoever_writes_at_the_same_time_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stores =
        [Store::create(dir.path(), &root()).unwrap(), Store::open(dir.path(), &root()).unwrap()];
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(move || {
                for _ in 0..10 {
                    write(store, Incidents::Open, |text| Some((false, format!("{text}x"))));
                }
            });
        }
    });
    let found = stores[0].incidents(Incidents::All).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].record, "x".repeat(20));
}
