//! Who is locked, for how long, and who is not.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{ADDRESS_COUNT_MAX, FAILURE_COUNT_MAX, KNOWN_COUNT_MAX, Lockout};
use crate::address::AddressKey;

fn address(number: u32) -> AddressKey {
    AddressKey::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Fails until the address is locked; returns for how long.
fn lock(lockout: &Lockout, now: Duration) -> Duration {
    for _ in 1..FAILURE_COUNT_MAX {
        assert_eq!(lockout.failed(address(1), now), None);
    }
    lockout.failed(address(1), now).unwrap()
}

#[test]
fn each_lock_is_twice_as_long_and_time_forgives() {
    let lockout = Lockout::default();
    let mut now = at(1);
    for seconds in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
        assert_eq!(lock(&lockout, now), at(seconds));
        assert_eq!(lockout.deaf(address(1), now + at(1)), Some(at(seconds - 1)));
        assert_eq!(lockout.failed(address(1), now + at(1)), Some(at(seconds - 1)));
        assert_eq!(lockout.deaf(address(2), now), None);
        now += at(seconds);
        assert_eq!(lockout.deaf(address(1), now), None);
    }
    assert_eq!(lock(&lockout, now + at(7200)), at(60));
}

#[test]
fn failures_that_are_far_apart_lock_nobody() {
    let lockout = Lockout::default();
    for number in 0..200 {
        assert_eq!(lockout.failed(address(1), at(4 * number)), None, "{number}");
    }
}

#[test]
fn a_neighbor_who_was_known_is_heard_and_a_guess_that_is_right_is_not() {
    let lockout = Lockout::default();
    assert_eq!(lockout.recognized(address(1), "key:a", at(1)), None);
    assert_eq!(lock(&lockout, at(2)), at(60));
    assert_eq!(lockout.deaf(address(1), at(3)), None, "somebody here may be heard");
    assert_eq!(lockout.recognized(address(1), "key:a", at(3)), None);
    assert_eq!(lockout.recognized(address(1), "key:guessed", at(3)), Some(at(59)));
    assert_eq!(lockout.recognized(address(2), "key:guessed", at(3)), None);
    assert_eq!(lockout.recognized(address(1), "key:guessed", at(62)), None);
}

#[test]
fn what_is_remembered_is_bounded() {
    let lockout = Lockout::default();
    for number in 0..ADDRESS_COUNT_MAX as u32 + 10 {
        assert_eq!(lockout.failed(address(number), at(1)), None);
    }
    assert_eq!(lockout.0.lock().unwrap().len(), ADDRESS_COUNT_MAX);
    // Later, there is room again.
    assert_eq!(lockout.failed(address(u32::MAX), at(8000)), None);
    assert_eq!(lockout.0.lock().unwrap().len(), 1);
    for number in 0..2 * KNOWN_COUNT_MAX {
        assert_eq!(lockout.recognized(address(u32::MAX), &format!("key:{number}"), at(8000)), None);
    }
    let records = lockout.0.lock().unwrap();
    assert_eq!(records.values().next().unwrap().known.len(), KNOWN_COUNT_MAX);
}
