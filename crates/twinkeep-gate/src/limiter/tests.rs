//! The limiter against nginx's own arithmetic.

use std::time::Duration;

use super::{Limiter, Rate};

mod nginx;

const RATE: Rate = Rate { per_second: 5, burst: 10 };

/// nginx's arithmetic, after `ngx_http_limit_req_lookup`: thousandths of a request, milliseconds.
struct Nginx {
    rate: i64,
    burst: i64,
    last: Option<(i64, i64)>,
}

impl Nginx {
    fn accepts(&mut self, now_ms: i64) -> bool {
        let excess = match self.last {
            None => 0,
            Some((last, excess)) => (excess - self.rate * (now_ms - last) + 1000).max(0),
        };
        if self.burst * 1000 < excess {
            return false;
        }
        self.last = Some((now_ms, excess));
        true
    }
}

fn accepted(limiter: &Limiter<u32>, key: u32, count: usize, at: Duration) -> usize {
    (0..count).filter(|_| limiter.check(&key, at).allowed()).count()
}

#[test]
fn five_a_second_with_burst_ten_lets_eleven_through_at_once() {
    let limiter = Limiter::new(RATE, 10);
    assert_eq!(accepted(&limiter, 1, 100, Duration::ZERO), 11);
    assert_eq!(accepted(&limiter, 1, 100, Duration::from_secs(1)), 5);
    assert_eq!(accepted(&limiter, 1, 100, Duration::from_millis(1199)), 0);
    assert_eq!(accepted(&limiter, 1, 100, Duration::from_millis(1200)), 1);
    assert_eq!(accepted(&limiter, 1, 100, Duration::from_secs(3600)), 11);
    assert_eq!(accepted(&limiter, 2, 100, Duration::from_secs(3600)), 11, "another client");
}

#[test]
fn it_accepts_what_nginx_accepts() {
    for (per_second, burst) in [(5, 10), (1, 0), (10, 3), (100, 50)] {
        let rate = Rate { per_second, burst };
        let limiter = Limiter::new(rate, 10);
        let mut nginx = Nginx { rate: per_second.into(), burst: burst.into(), last: None };
        let mut seed: u64 = 7;
        let mut now_ms = 1;
        let mut accepted = 0;
        for _ in 0..50_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let long = (seed >> 60) == 0;
            now_ms +=
                (seed >> 33) as i64 % if long { 3000 } else { 400 / i64::from(per_second) + 1 };
            let ours = limiter.check(&1, Duration::from_millis(now_ms as u64)).allowed();
            assert_eq!(ours, nginx.accepts(now_ms), "{rate:?} at {now_ms} ms");
            accepted += u32::from(ours);
        }
        assert!(0 < accepted && accepted < 50_000, "{accepted}");
    }
}

#[test]
fn a_refused_request_says_when_to_come_back_and_that_is_true() {
    let limiter = Limiter::new(RATE, 10);
    let now = Duration::from_secs(100);
    accepted(&limiter, 1, 11, now);
    let wait = limiter.check(&1, now).retry_in.unwrap();
    assert_eq!(wait, Duration::from_millis(200));
    assert!(!limiter.check(&1, now + wait - Duration::from_nanos(1)).allowed());
    assert!(limiter.check(&1, now + wait).allowed());
}

#[test]
fn the_headers_say_what_is_left() {
    let limiter = Limiter::new(RATE, 10);
    let first = limiter.check(&1, Duration::from_secs(1));
    assert_eq!(first.policy_header(), "\"default\";q=11;w=3");
    assert_eq!(first.state_header(), "\"default\";r=10;t=1");
    assert_eq!(first.retry_after_seconds(), None);
    accepted(&limiter, 1, 10, Duration::from_secs(1));
    let refused = limiter.check(&1, Duration::from_secs(1));
    assert_eq!(refused.state_header(), "\"default\";r=0;t=3");
    assert_eq!(refused.retry_after_seconds(), Some(1));
}

#[test]
fn a_flood_of_clients_shares_one_allowance_and_takes_no_memory() {
    let limiter = Limiter::new(RATE, 100);
    let now = Duration::from_secs(10);
    let passed = (0..10_000_u32).filter(|key| limiter.check(key, now).allowed()).count();
    assert_eq!(passed, 100 + 11);
    assert_eq!(limiter.state.lock().unwrap().whole_at.len(), 100);
    // Those who are known keep their own allowance, and those who are whole again make room.
    assert!(limiter.check(&5, now).allowed());
    assert_eq!(accepted(&limiter, 20_000, 100, now + Duration::from_secs(60)), 11);
}
