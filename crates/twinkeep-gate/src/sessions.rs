//! Who is signed in with a browser.
//!
//! A session is a random token in a cookie and an entry here; a restart signs everybody out. The
//! entry keeps the API key that opened it, and the key is checked again on every page: revoking
//! or expiry of a key ends its sessions at once.
//!
//! # Invariants
//!
//! - Tokens have 256 random bits and are kept as their SHA-256 digest: reading this memory gives
//!   no cookie.
//! - The number of sessions is bounded; the one unused for longest makes room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::{SecretBytes, random_bytes};

/// All sessions.
pub(crate) struct Sessions {
    limits: SessionLimits,
    open: Mutex<BTreeMap<[u8; 32], Session>>,
}

/// How long and how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionLimits {
    /// Without a request.
    pub(crate) idle: Duration,
    /// In all.
    pub(crate) age: Duration,
    /// At a time.
    pub(crate) count_max: usize,
}

/// A session, as an operator sees it.
#[derive(Debug, Serialize)]
pub(crate) struct SessionLine {
    /// Names it; no part of what opens it.
    pub(crate) id: String,
    /// Whose API key opened it.
    pub(crate) caller: String,
    /// How long ago it was opened.
    pub(crate) open_seconds: u64,
    /// How long ago it was last used.
    pub(crate) unused_seconds: u64,
}

struct Session {
    caller: String,
    key: Arc<SecretBytes>,
    opened: Duration,
    used: Duration,
}

impl Session {
    fn alive(&self, limits: &SessionLimits, now: Duration) -> bool {
        now.saturating_sub(self.used) < limits.idle && now.saturating_sub(self.opened) < limits.age
    }
}

impl Sessions {
    /// Starts with nobody signed in.
    pub(crate) fn new(limits: SessionLimits) -> Self {
        Self { limits, open: Mutex::default() }
    }

    /// Signs in with a key that was just checked; returns the token. `now` counts from the start.
    pub(crate) fn open(&self, caller: &str, key: SecretBytes, now: Duration) -> String {
        let token = to_hex(&random_bytes::<32>());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.limits.count_max <= open.len() {
            open.retain(|_, session| session.alive(&self.limits, now));
        }
        if self.limits.count_max <= open.len() {
            let stalest = open.iter().min_by_key(|(_, session)| session.used);
            if let Some(digest) = stalest.map(|(digest, _)| *digest) {
                open.remove(&digest);
            }
        }
        let caller = caller.to_owned();
        let session = Session { caller, key: Arc::new(key), opened: now, used: now };
        open.insert(sha256(token.as_bytes()), session);
        token
    }

    /// Returns the key that opened a session, if it is alive.
    pub(crate) fn key(&self, token: &str, now: Duration) -> Option<Arc<SecretBytes>> {
        // Found by digest: the time this takes tells nothing about other tokens.
        let digest = sha256(token.as_bytes());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get_mut(&digest)?;
        if !session.alive(&self.limits, now) {
            open.remove(&digest);
            return None;
        }
        session.used = now;
        Some(Arc::clone(&session.key))
    }

    /// Lists who is signed in.
    pub(crate) fn list(&self, now: Duration) -> Vec<SessionLine> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = open.iter().filter(|(_, session)| session.alive(&self.limits, now));
        let line = |(digest, session): (&[u8; 32], &Session)| SessionLine {
            id: session_id(digest),
            caller: session.caller.clone(),
            open_seconds: now.saturating_sub(session.opened).as_secs(),
            unused_seconds: now.saturating_sub(session.used).as_secs(),
        };
        alive.map(line).collect()
    }

    /// Ends the session of this name; returns whether there was one.
    pub(crate) fn end(&self, id: &str) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let before = open.len();
        open.retain(|digest, _| session_id(digest) != id);
        open.len() < before
    }

    /// Signs out.
    pub(crate) fn close(&self, token: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&sha256(token.as_bytes()));
    }
}

/// What a cookie is found by, cut short.
fn session_id(digest: &[u8; 32]) -> String {
    to_hex(&digest[..8])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use twinkeep_vault::SecretBytes;

    use super::{SessionLimits, Sessions};

    const LIMITS: SessionLimits = SessionLimits {
        idle: Duration::from_secs(60),
        age: Duration::from_secs(300),
        count_max: 3,
    };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn open(sessions: &Sessions, key: u8, at: u64) -> String {
        sessions.open("key:test", SecretBytes::new(vec![key]), seconds(at))
    }

    #[test]
    fn a_session_ends_when_unused_when_old_and_when_closed() {
        let sessions = Sessions::new(LIMITS);
        let token = open(&sessions, 1, 0);
        assert_eq!(token.len(), 64);
        assert_eq!(sessions.key(&token, seconds(59)).unwrap().expose(), [1]);
        assert!(sessions.key(&token, seconds(118)).is_some());
        assert!(sessions.key(&token, seconds(178)).is_none());
        let token = open(&sessions, 1, 0);
        for second in (0..300).step_by(50) {
            assert!(sessions.key(&token, seconds(second)).is_some());
        }
        assert!(sessions.key(&token, seconds(300)).is_none());
        let token = open(&sessions, 1, 0);
        sessions.close(&token);
        assert!(sessions.key(&token, seconds(0)).is_none());
    }

    #[test]
    fn sessions_are_bounded_and_the_stalest_makes_room() {
        let sessions = Sessions::new(LIMITS);
        let tokens: Vec<String> = (0..3).map(|key| open(&sessions, key, key.into())).collect();
        assert!(sessions.key(&tokens[0], seconds(5)).is_some());
        let newest = open(&sessions, 9, 6);
        assert!(sessions.key(&tokens[1], seconds(7)).is_none());
        assert!(sessions.key(&tokens[0], seconds(7)).is_some());
        assert!(sessions.key(&newest, seconds(7)).is_some());
        assert_eq!(sessions.open.lock().unwrap().len(), 3);
    }

    #[test]
    fn an_operator_sees_who_is_signed_in_and_ends_one_session() {
        let sessions = Sessions::new(LIMITS);
        let (one, other) = (open(&sessions, 1, 0), open(&sessions, 2, 10));
        let lines = sessions.list(seconds(30));
        let ages: Vec<u64> = lines.iter().map(|line| line.open_seconds).collect();
        assert!(ages == [30, 20] || ages == [20, 30], "{ages:?}");
        assert!(lines.iter().all(|line| !one.contains(&line.id) && !other.contains(&line.id)));
        let first = lines.iter().find(|line| line.open_seconds == 30).unwrap();
        assert!(sessions.end(&first.id) && !sessions.end(&first.id) && !sessions.end(""));
        assert!(sessions.key(&one, seconds(30)).is_none());
        assert!(sessions.key(&other, seconds(30)).is_some());
        assert!(sessions.list(seconds(1000)).is_empty());
    }

    #[test]
    fn a_token_is_random_and_a_guess_finds_nothing() {
        let sessions = Sessions::new(LIMITS);
        assert_ne!(open(&sessions, 1, 0), open(&sessions, 1, 0));
        assert!(sessions.key("", seconds(0)).is_none());
        assert!(sessions.key(&"0".repeat(64), seconds(0)).is_none());
    }
}
