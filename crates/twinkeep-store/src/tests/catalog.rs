//! Feeds once, senders in order, keys that end.

use std::time::Duration;

use twinkeep_domain::Timestamp;
use twinkeep_vault::SecretKey;

use super::{Sample, add, add_feed, new_feed, root, sample};
use crate::files::WriterLock;
use crate::{Delivery, FeedId, NewApiKey, NewFeed, Store, StoreError};

fn later(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_000_000 + micros)
}

fn deliver(store: &Store, sample: &Sample, sequence: u64) -> Result<FeedId, StoreError> {
    let delivery = Some(Delivery { sender: "sender-1", sequence, manifest_digest: [5; 32] });
    let feed = NewFeed { delivery, ..new_feed(sample) };
    add_feed(store, sample, &feed)
}

#[test]
fn the_same_content_is_refused_the_second_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 3, 3)).unwrap();
    let error = add(&store, &sample(1, 3, 3)).unwrap_err();
    assert_eq!(error.code(), "feed-already-ingested");
    assert_eq!(store.feeds().unwrap().len(), 1);
}

#[test]
fn feeds_of_a_sender_come_in_order_and_only_while_it_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let code = |result: Result<FeedId, StoreError>| result.unwrap_err().code();
    assert_eq!(code(deliver(&store, &sample(1, 2, 2), 1)), "store-refused");
    store.add_sender("sender-1", "identity text", &[("site", "north")], later(0)).unwrap();
    let again = store.add_sender("sender-1", "", &[("site", "south")], later(0));
    assert_eq!(again.unwrap_err().code(), "store-refused");
    assert_eq!(store.setting("site").unwrap().as_deref(), Some("north"));
    deliver(&store, &sample(1, 2, 2), 1).unwrap();
    deliver(&store, &sample(2, 2, 2), 3).unwrap();
    assert_eq!(code(deliver(&store, &sample(3, 2, 2), 3)), "feed-replayed");
    assert_eq!(code(deliver(&store, &sample(3, 2, 2), 2)), "feed-replayed");
    let sender = store.sender("sender-1").unwrap().unwrap();
    assert_eq!((sender.last_sequence, sender.last_manifest), (Some(3), Some([5; 32])));
    assert_eq!(store.feeds().unwrap()[1].delivery, Some(("sender-1".to_owned(), 3)));
    store.revoke_sender("sender-1", later(1)).unwrap();
    store.revoke_sender("sender-1", later(2)).unwrap();
    assert_eq!(store.senders().unwrap()[0].revoked_at, Some(later(1)));
    assert_eq!(code(deliver(&store, &sample(4, 2, 2), 4)), "store-refused");
    assert_eq!(store.revoke_sender("nobody", later(1)).unwrap_err().code(), "store-refused");
    assert_eq!(store.sender("nobody").unwrap(), None);
}

#[test]
fn api_keys_are_found_by_digest_until_they_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let key = NewApiKey {
        id: "key-1",
        name: "dashboard",
        digest: [3; 32],
        scopes: &["forecast", "read"],
        created_at: later(0),
        expires_at: Some(later(10)),
    };
    store.add_api_key(&key).unwrap();
    assert_eq!(store.add_api_key(&key).unwrap_err().code(), "store-refused");
    let same_digest = NewApiKey { id: "key-2", ..key };
    assert_eq!(store.add_api_key(&same_digest).unwrap_err().code(), "store-refused");
    let found = store.api_key_by_digest(&[3; 32]).unwrap().unwrap();
    assert_eq!(found.scopes, ["forecast", "read"]);
    assert!(found.is_live(later(9)) && !found.is_live(later(10)));
    store.touch_api_key("key-1", later(4)).unwrap();
    store.revoke_api_key("key-1", later(5)).unwrap();
    let revoked = store.api_keys().unwrap().remove(0);
    assert_eq!((revoked.last_used_at, revoked.revoked_at), (Some(later(4)), Some(later(5))));
    assert!(!revoked.is_live(later(6)));
    assert_eq!(store.api_key_by_digest(&[4; 32]).unwrap(), None);
    assert_eq!(store.revoke_api_key("nobody", later(1)).unwrap_err().code(), "store-refused");
}

#[test]
fn settings_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    assert_eq!(store.setting("pack").unwrap(), None);
    store.set_setting("pack", "icu").unwrap();
    store.set_setting("pack", "icu-2").unwrap();
    assert_eq!(store.setting("pack").unwrap().as_deref(), Some("icu-2"));
}

#[test]
fn lines_that_many_add_at_once_are_all_there_and_each_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let before = store.epoch().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..12 {
            let store = &store;
            scope.spawn(move || {
                store.add_to_setting("sites", &format!("site-{}", thread % 3)).unwrap();
            });
        }
    });
    let text = store.setting("sites").unwrap().unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["site-0", "site-1", "site-2"]);
    assert_eq!(store.epoch().unwrap(), before + 3, "what is there already writes nothing");
}

#[test]
fn a_store_is_made_once_and_opens_with_its_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let error = Store::create(dir.path(), &root()).unwrap_err();
    assert_eq!(error.code(), "store-already-exists");
    let error = Store::open(dir.path(), &SecretKey::random()).unwrap_err();
    assert_eq!(error.code(), "store-wrong-key");
    store.connection().execute("UPDATE store SET schema_version = 1", []).unwrap();
    assert_eq!(Store::open(dir.path(), &root()).unwrap_err().code(), "store-schema-version");
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(Store::open(nothing.path(), &root()).unwrap_err().code(), "store-catalog");
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let lock = WriterLock::take(dir.path()).unwrap().unwrap();
    assert_eq!(add(&store, &sample(1, 2, 2)).unwrap_err().code(), "store-busy");
    // Everything but feeds goes on meanwhile, and opening waits for nobody.
    store.set_setting("pack", "icu").unwrap();
    let other = Store::open(dir.path(), &root()).unwrap();
    assert_eq!(other.setting("pack").unwrap().as_deref(), Some("icu"));
    drop(lock);
    add(&store, &sample(1, 2, 2)).unwrap();
}

#[test]
fn two_people_never_share_a_pseudonym() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 2, 2)).unwrap();
    let mut second = sample(2, 2, 2);
    second.mapping[0].1 = second.mapping[1].1.clone();
    assert_eq!(add(&store, &second).unwrap_err().code(), "subject-collision");
    assert_eq!(store.feeds().unwrap().len(), 1);
    // Its files were written before that was found, and are gone.
    let refused = dir.path().join("quarantine").read_dir().unwrap().count();
    assert_eq!(refused, 1);
}

#[test]
fn a_key_that_another_process_changes_is_as_it_is_now_a_moment_later() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Store::create(dir.path(), &root()).unwrap();
    let operator = Store::open(dir.path(), &root()).unwrap();
    let known = |digest: [u8; 32]| gate.api_key_by_digest(&digest).unwrap();
    let versions = || gate.rules_version().unwrap();
    // What was said of changes holds for a millisecond.
    let a_moment_later = || std::thread::sleep(Duration::from_millis(2));
    assert_eq!(known([7; 32]), None);
    for (id, byte) in [("one", 7), ("two", 8)] {
        let key = NewApiKey {
            id,
            name: "ward",
            digest: [byte; 32],
            scopes: &["twins:read"],
            created_at: later(0),
            expires_at: None,
        };
        operator.add_api_key(&key).unwrap();
        a_moment_later();
        assert_eq!(known([byte; 32]).map(|key| key.id).as_deref(), Some(id));
    }
    operator.revoke_api_key("one", later(1)).unwrap();
    a_moment_later();
    assert_eq!(known([7; 32]).unwrap().revoked_at, Some(later(1)));
    assert_eq!(known([8; 32]).unwrap().revoked_at, None);
    gate.expire_api_key("two", later(2)).unwrap();
    let expires = known([8; 32]).unwrap().expires_at;
    assert_eq!(expires, Some(later(2)), "what it changes itself, at once");

    let [settings, consents] = versions();
    operator.touch_api_key("two", later(1)).unwrap();
    a_moment_later();
    assert_eq!(versions(), [settings.clone(), consents.clone()], "it is no rule");
    operator.set_setting("policy", "text").unwrap();
    a_moment_later();
    let [changed, same] = versions();
    assert_ne!(changed, settings);
    assert_eq!(same, consents);
}
