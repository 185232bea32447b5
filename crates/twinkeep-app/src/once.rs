//! Requests that have their effect once, however often they are sent: an idempotency key names each.
//!
//! What the first time made is known by its id, which is written down before it is made: after a
//! crash between the two, the next time makes it under the same id.

use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_vault::digest::{hmac_sha256, to_hex};

use crate::{App, AppError, Caller};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Of the request, so that another one under the same key is found.
    digest: String,
    /// What it makes.
    id: String,
    at: i64,
}

impl App {
    /// Returns the id of what a request makes: `id`, or the one that it was given the first time.
    pub(crate) fn once(
        &self,
        caller: &Caller,
        key: &str,
        request: [u8; 32],
        id: &str,
    ) -> Result<String, AppError> {
        self.forget_requests()?;
        let name = hmac_sha256(self.access_key(), format!("{}\0{key}", caller.id).as_bytes());
        let name = format!("{PREFIX}{}", to_hex(&name[..12]));
        let (digest, at) = (to_hex(&request), self.now().micros());
        let mut found = None;
        self.store.change_setting(&name, &mut |text| {
            found = text.map(|text| serde_json::from_str::<Known>(&text).ok());
            let known = Known { digest: digest.clone(), id: id.to_owned(), at };
            if found.is_some() { None } else { serde_json::to_string(&known).ok() }
        })?;
        match found {
            None => Ok(id.to_owned()),
            Some(Some(known)) if known.digest == digest => Ok(known.id),
            Some(_) => {
                let attempt = "this idempotency key was used for another request";
                Err(AppError::refused("idempotency-key-reused", attempt))
            }
        }
    }

    /// Forgets what nobody repeats any more.
    fn forget_requests(&self) -> Result<(), AppError> {
        let now = self.now();
        let over = |text: &str| {
            serde_json::from_str::<Known>(text).map_or(true, |known| {
                REMEMBERED_HOURS < now.hours_since(Timestamp::from_micros(known.at))
            })
        };
        let mut old = self.store.settings_below(PREFIX)?;
        old.retain(|(_, text)| over(text));
        if old.is_empty() { Ok(()) } else { Ok(self.store.remove_settings(&old)?) }
    }
}

const PREFIX: &str = "once/";

/// As long as clients usually try again.
const REMEMBERED_HOURS: f64 = 24.0;
