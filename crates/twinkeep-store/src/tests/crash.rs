//! A feed is there once or not at all, wherever the process dies.
//!
//! The tests start themselves again as a child process that adds a feed and is killed: at every
//! step by `abort`, and at many moments by `SIGKILL`.

use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Sample, add, add_stepwise, decision, event_count, hold, root, sample, staged};
use crate::layout::{data_folders, path};
use crate::{FeedId, FeedState, Store, StoreError};

const DIR: &str = "TWINKEEP_TEST_CRASH_DIR";
const STEP: &str = "TWINKEEP_TEST_CRASH_STEP";
const RELEASE: &str = "TWINKEEP_TEST_CRASH_RELEASE";

/// Not a test of its own: the child process runs it.
#[test]
fn child() {
    let Some(dir) = env::var_os(DIR) else { return };
    let store = Store::open(Path::new(&dir), &root()).unwrap();
    if env::var_os(RELEASE).is_some() {
        store.release_feed(FeedId(1), decision()).unwrap();
        return;
    }
    let step: usize = env::var(STEP).unwrap().parse().unwrap();
    let done = AtomicUsize::new(0);
    let crash = |_| {
        if done.fetch_add(1, Ordering::Relaxed) == step {
            std::process::abort();
        }
    };
    add_stepwise(&store, &sample(2, 40, 200), &crash).unwrap();
}

fn start_child(dir: &Path, step: usize) -> Child {
    child_process(dir).env(STEP, step.to_string()).spawn().unwrap()
}

fn child_process(dir: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "tests::crash::child"]).env(DIR, dir);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Opens the store after a crash and checks that the feed is whole or absent; then adds it.
fn check(dir: &Path) -> bool {
    let store = Store::open(dir, &root()).unwrap();
    let named = store.feeds().unwrap().into_iter().map(|feed| feed.shard_digests.len() + 1);
    let named: usize = named.sum();
    let files =
        data_folders().into_iter().map(|folder| path(dir, &folder).read_dir().unwrap().count());
    assert_eq!(files.sum::<usize>(), named, "opening removes what no feed names");
    assert_eq!(staged(&store), 0, "opening removes what was staged");
    let there = event_count(&store) == 10 * 10 + 40 * 200;
    assert!(there || event_count(&store) == 10 * 10);
    match add(&store, &sample(2, 40, 200)) {
        Ok(_) => assert!(!there),
        Err(StoreError::FeedAlreadyIngested { feed: 2 }) => assert!(there),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(event_count(&store), 10 * 10 + 40 * 200);
    there
}

fn store_with_one_feed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 10, 10)).unwrap();
    dir
}

#[test]
fn a_crash_between_any_two_steps_leaves_the_feed_once_or_not_at_all() {
    let mut outcomes = Vec::new();
    for step in 0.. {
        let dir = store_with_one_feed();
        let status = start_child(dir.path(), step).wait().unwrap();
        outcomes.push(check(dir.path()));
        if status.success() {
            break;
        }
    }
    // Locked, planned, three shards, staged, quarantine, rows inserted: not there. Committed, and
    // the run that came to its end: there.
    let mut expected = vec![false; 8];
    expected.extend([true, true]);
    assert_eq!(outcomes, expected);
}

/// The held feed has events that were admitted meanwhile, so its shards are written again.
#[test]
fn a_kill_during_a_release_leaves_every_event_once() {
    for round in 0..16 {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), &root()).unwrap();
        hold(&store, &sample(1, 40, 200)).unwrap();
        let other = Sample { digest: [2; 32], ..sample(1, 20, 200) };
        add(&store, &other).unwrap();
        drop(store);
        let mut command = child_process(dir.path());
        let mut child = command.env(RELEASE, "1").spawn().unwrap();
        std::thread::sleep(Duration::from_micros(2500 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(dir.path(), &root()).unwrap();
        match store.feeds().unwrap()[0].state {
            FeedState::Held => {
                assert_eq!(event_count(&store), 20 * 200);
                store.release_feed(FeedId(1), decision()).unwrap();
            }
            state => assert_eq!(state, FeedState::Admitted),
        }
        assert_eq!(event_count(&store), 40 * 200);
        assert_eq!(store.quarantined(FeedId(1), 0, 10_000).unwrap().len(), 20 * 200);
        assert_eq!(staged(&store), 0);
    }
}

#[test]
fn a_kill_at_any_moment_leaves_the_feed_once_or_not_at_all() {
    for round in 0..24 {
        let dir = store_with_one_feed();
        let mut child = start_child(dir.path(), usize::MAX);
        std::thread::sleep(Duration::from_micros(1500 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        check(dir.path());
    }
}
