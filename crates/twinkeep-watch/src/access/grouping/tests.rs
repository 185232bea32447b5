//! Sightings go in, groups come out.

use std::sync::Arc;

use twinkeep_domain::Timestamp;

use super::{GROUP_COUNT_MAX, Group, Grouper, WINDOW_MICROS};
use crate::access::{Action, Answer, Process, Program, Sighting, Who};

fn seen(micros: i64, file: &str, pid: u32, name: &str) -> Sighting {
    let who = Who::Process(Process {
        pid,
        parent: 1,
        user: 1000,
        login: None,
        name: name.to_owned(),
        program: Arc::new(Program { path: "/usr/bin/cat".to_owned(), file: None, handle: None }),
        own: false,
        permitted: false,
    });
    let time = Timestamp::from_micros(micros);
    Sighting { time, file: file.to_owned(), action: Action::Open, answer: Answer::Allowed, who }
}

fn own(mut sighting: Sighting) -> Sighting {
    if let Who::Process(process) = &mut sighting.who {
        process.own = true;
    }
    sighting
}

fn total(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.count).sum()
}

#[test]
fn the_first_of_a_kind_is_passed_on_at_once_and_the_rest_as_one() {
    let mut grouper = Grouper::default();
    let first = grouper.see(seen(0, "a", 1, "cat"));
    assert_eq!((first.len(), first[0].count), (1, 1));
    for pid in 2..=1000 {
        assert_eq!(grouper.see(seen(i64::from(pid), "a", pid, "cat")), []);
    }
    assert_eq!(grouper.due(Timestamp::from_micros(WINDOW_MICROS - 1)), []);
    let rest = grouper.due(Timestamp::from_micros(WINDOW_MICROS));
    assert_eq!((rest.len(), rest[0].count, rest[0].mixed), (1, 999, false));
    assert_eq!(rest[0].last.micros(), 1000);
    assert_eq!(grouper.see(seen(WINDOW_MICROS + 1, "a", 1, "cat")).len(), 1, "a new window");
}

#[test]
fn whoever_makes_up_names_makes_no_more_entries_and_nothing_is_lost() {
    let mut grouper = Grouper::default();
    let mut passed_on = Vec::new();
    for pid in 0..10_000 {
        let mut sighting = seen(i64::from(pid), "a", pid, &format!("name-{pid}"));
        if pid == 9_999 {
            sighting.answer = Answer::Denied;
        }
        passed_on.extend(grouper.see(sighting));
    }
    assert_eq!(passed_on.len(), GROUP_COUNT_MAX);
    passed_on.extend(grouper.finish());
    assert_eq!(passed_on.len(), GROUP_COUNT_MAX + 2);
    assert_eq!(total(&passed_on), 10_000);
    let mixed: Vec<_> = passed_on.iter().filter(|group| group.mixed).collect();
    assert_eq!(mixed[1].first.answer, Answer::Denied, "a refusal is told apart");
    assert_eq!(grouper.finish(), []);
}

#[test]
fn what_differs_is_told_apart_but_for_the_own_program() {
    let mut grouper = Grouper::default();
    assert_eq!(grouper.see(seen(0, "a", 1, "cat")).len(), 1);
    assert_eq!(grouper.see(seen(0, "b", 1, "cat")).len(), 1, "another file");
    let mut read = seen(0, "a", 1, "cat");
    read.action = Action::Read;
    assert_eq!(grouper.see(read).len(), 1, "another action");
    let gone = Sighting { who: Who::Gone { pid: 4 }, ..seen(0, "a", 1, "cat") };
    assert_eq!(grouper.see(gone).len(), 1, "nobody knows who");
    assert_eq!(grouper.see(own(seen(0, "a", 1, "twinkeep"))).len(), 1);
    assert_eq!(grouper.see(own(seen(0, "b", 2, "twinkeep"))), []);
}

#[test]
fn a_clock_that_was_set_back_does_not_keep_a_window_open() {
    let mut grouper = Grouper::default();
    grouper.see(seen(1_000_000, "a", 1, "cat"));
    grouper.see(seen(1_000_001, "a", 1, "cat"));
    assert_eq!(total(&grouper.due(Timestamp::from_micros(0))), 1);
}
