//! Every state of a connection has its deadline.

use std::time::{Duration, Instant};

use super::{Stall, StallLimits, Watch};

const LIMITS: StallLimits = StallLimits {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(30),
    request: Duration::from_secs(60),
    read_rate_min: 1000,
    write: Duration::from_secs(5),
    write_rate_min: 1000,
    connection: Duration::from_secs(3600),
    drain: Duration::from_secs(3),
};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_connection_without_a_request_is_idle() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    assert_eq!(watch.deadline(), (start + seconds(30), Stall::Idle));
}

#[test]
fn more_bytes_of_a_head_do_not_move_its_deadline() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    for drip in 0..9 {
        watch.head_began(start + seconds(drip));
    }
    assert_eq!(watch.deadline(), (start + seconds(10), Stall::Head));
}

#[test]
fn a_head_that_waits_behind_a_request_is_not_late() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    let request = watch.request_began(start);
    watch.head_began(start);
    assert_eq!(watch.deadline(), (start + seconds(60), Stall::Request));
    drop(request);
    let (at, stall) = watch.deadline();
    assert_eq!(stall, Stall::Head);
    assert!(start + seconds(10) <= at);
}

#[test]
fn the_oldest_request_decides_however_many_follow() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    let _oldest = watch.request_began(start);
    for later in 1..50 {
        drop(watch.request_began(start + seconds(later)));
    }
    assert_eq!(watch.deadline(), (start + seconds(60), Stall::Request));
}

#[test]
fn an_answer_must_be_read_at_the_minimum_rate() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    let _request = watch.request_began(start);
    watch.write_blocked(start);
    assert_eq!(watch.deadline(), (start + seconds(5), Stall::Write));
    watch.wrote(3999);
    watch.write_blocked(start + seconds(4));
    assert_eq!(watch.deadline(), (start + seconds(8), Stall::Write));
    watch.flushed();
    assert_eq!(watch.deadline(), (start + seconds(60), Stall::Request));
}

#[test]
fn what_is_under_way_has_a_bounded_time_to_finish() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    let _request = watch.request_began(start);
    watch.ending(start + seconds(1));
    watch.ending(start + seconds(2));
    assert_eq!(watch.deadline(), (start + seconds(4), Stall::Drain));
}

#[test]
fn a_busy_connection_ends_when_it_is_old() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    let _request = watch.request_began(start + seconds(3590));
    assert_eq!(watch.deadline(), (start + seconds(3600), Stall::Age));
}

#[test]
fn a_body_that_arrives_at_the_minimum_rate_is_given_longer() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.received(1_000_000);
    let request = watch.request_began(start);
    assert_eq!(watch.deadline(), (start + seconds(60), Stall::Request));
    watch.received(30_999);
    assert_eq!(watch.deadline(), (start + seconds(90), Stall::Request));
    watch.received(usize::MAX);
    assert_eq!(watch.deadline(), (start + seconds(3600), Stall::Age));
    drop(request);
    let _next = watch.request_began(start);
    assert_eq!(watch.deadline(), (start + seconds(60), Stall::Request));
}

#[test]
fn an_answer_that_goes_on_is_neither_late_nor_idle_and_ends_with_its_connection() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    let mut stream = watch.request_began(start);
    stream.goes_on();
    stream.goes_on();
    assert_eq!(watch.deadline(), (start + seconds(3600), Stall::Age));
    // Another request on the same connection has its own time, and what waits behind has none.
    let other = watch.request_began(start);
    assert_eq!(watch.deadline(), (start + seconds(60), Stall::Request));
    drop(other);
    watch.head_began(start);
    assert_eq!(watch.deadline(), (start + seconds(3600), Stall::Age));
    watch.head_ended();
    // It must be read like any other, and not for longer than a closing gate waits.
    watch.write_blocked(start);
    assert_eq!(watch.deadline(), (start + seconds(5), Stall::Write));
    watch.flushed();
    watch.ending(start);
    assert_eq!(watch.deadline(), (start + seconds(3), Stall::Drain));
    let watch = Watch::new(LIMITS, start);
    let mut stream = watch.request_began(start);
    stream.goes_on();
    drop(stream);
    assert_eq!(watch.deadline().1, Stall::Idle);
}
