//! What a sender has sent before, and how a feed departs from it.

use twinkeep_intake::depart::{Departure, depart};
use twinkeep_intake::profile::Profile;
use twinkeep_store::{FeedId, FeedRecord, FeedState};

use crate::{App, AppError};

/// Whose feeds are compared: those of one sender, or the plain feeds of one site.
#[derive(Clone, Copy)]
pub(crate) struct SenderLine<'a> {
    pub(crate) site: &'a str,
    pub(crate) sender: Option<&'a str>,
}

impl<'a> SenderLine<'a> {
    /// Returns the line that a feed is in.
    pub(crate) fn of(feed: &'a FeedRecord) -> Self {
        let sender = feed.delivery.as_ref().map(|(sender, _)| sender.as_str());
        Self { site: &feed.site, sender }
    }
}

/// Returns the profiles of the feeds that are in use, oldest first; those before one feed, if it is
/// given. Of a long history, the newest are enough.
pub(crate) fn history(
    app: &App,
    line: SenderLine<'_>,
    before: Option<FeedId>,
) -> Result<Vec<Profile>, AppError> {
    let mut profiles = Vec::new();
    for feed in app.store.feeds()?.iter().rev() {
        let is_of_line = match line.sender {
            Some(_) => SenderLine::of(feed).sender == line.sender,
            None => feed.delivery.is_none() && feed.site == line.site,
        };
        let is_earlier = before.is_none_or(|before| feed.id < before);
        if is_of_line && is_earlier && feed.state == FeedState::Admitted && feed.has_profile {
            profiles.extend(profile(app, feed.id)?);
        }
        if PROFILE_COUNT_MAX <= profiles.len() {
            break;
        }
    }
    profiles.reverse();
    Ok(profiles)
}

/// Returns the profile of a feed, if it has one.
pub(crate) fn profile(app: &App, feed: FeedId) -> Result<Option<Profile>, AppError> {
    let Some(bytes) = app.store.feed_profile(feed)? else { return Ok(None) };
    let profile = Profile::from_json(&bytes).map_err(|error| {
        AppError::refused(error.code(), "the profile of a feed cannot be read").because(error)
    });
    profile.map(Some)
}

/// Finds out how a new feed departs from what came before in its line.
pub(crate) fn departures(
    app: &App,
    line: SenderLine<'_>,
    new: &Profile,
) -> Result<Vec<Departure>, AppError> {
    Ok(depart(&app.pack, &history(app, line, None)?, new))
}

/// As many as are compared with.
const PROFILE_COUNT_MAX: usize = 50;
