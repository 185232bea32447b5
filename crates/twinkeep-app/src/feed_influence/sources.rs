//! The feeds and senders that may be left out, with the people whom each is about.

use std::collections::{BTreeMap, BTreeSet};

use twinkeep_domain::{Cohort, Subject, Timeline};
use twinkeep_store::FeedState;

use super::{InfluenceBy, InfluenceRequest, SourceInfluence};
use crate::feeds::feed_name;
use crate::train_model::subjects;
use crate::{App, AppError, list_senders};

/// Something that is left out.
pub(super) struct Source {
    /// What people call it.
    pub(super) name: String,
    /// The feeds that it has, oldest first.
    pub(super) feeds: Vec<String>,
    /// Everybody whom these are about.
    pub(super) people: BTreeSet<Subject>,
}

impl Source {
    /// Returns how many of those whom models are learned from it is about.
    pub(super) fn learned(&self, own: &[Cohort; 3]) -> u64 {
        self.count(&own[..2])
    }

    /// Begins the report on it.
    pub(super) fn report(&self, own: &[Cohort; 3]) -> SourceInfluence {
        let held_out = own[2].timelines.len() as u64;
        SourceInfluence {
            name: self.name.clone(),
            people: self.learned(own),
            measured_on: held_out - self.count(&own[2..]),
            targets: Vec::new(),
        }
    }

    fn count(&self, of: &[Cohort]) -> u64 {
        let all = of.iter().flat_map(|cohort| &cohort.timelines).map(Timeline::subject);
        all.filter(|subject| self.people.contains(subject)).count() as u64
    }
}

/// Returns what may be left out, in the order in which it came; or what of it was asked for.
pub(super) fn sources(
    app: &App,
    request: &InfluenceRequest<'_>,
    own: &[Cohort; 3],
) -> Result<Vec<Source>, AppError> {
    let admitted = app.store.feeds()?.into_iter().filter(|feed| feed.state == FeedState::Admitted);
    let names: BTreeMap<String, String> =
        list_senders(app)?.into_iter().map(|sender| (sender.key_id, sender.name)).collect();
    let mut found: Vec<Source> = Vec::new();
    let mut place_of: BTreeMap<i64, usize> = BTreeMap::new();
    for feed in admitted {
        let name = match (request.by, &feed.delivery) {
            (InfluenceBy::Feed, _) => feed_name(feed.id),
            (InfluenceBy::Sender, None) => feed.site.clone(),
            (InfluenceBy::Sender, Some((key, _))) => names.get(key).unwrap_or(key).clone(),
        };
        let place = found.iter().position(|source| source.name == name).unwrap_or_else(|| {
            found.push(Source { name, feeds: Vec::new(), people: BTreeSet::new() });
            found.len() - 1
        });
        found[place].feeds.push(feed_name(feed.id));
        place_of.insert(feed.id.0, place);
    }
    let everybody: Vec<Subject> = subjects(own).collect();
    let feeds = app.store.feeds_of_each(&everybody)?;
    for (subject, feeds) in everybody.into_iter().zip(feeds) {
        for place in feeds.iter().filter_map(|feed| place_of.get(&feed.0)) {
            found[*place].people.insert(subject);
        }
    }
    if request.only.is_empty() {
        return Ok(found);
    }
    let known = |name: &String| found.iter().any(|source| source.name == *name);
    if request.only.iter().any(|name| !known(name)) {
        let attempt = "one of those named with `--only` is nothing that counts and can be left out";
        return Err(AppError::usage("influence-unknown", attempt)
            .hint("`twinkeep feed list` and `twinkeep sender list` show what there is"));
    }
    found.retain(|source| request.only.contains(&source.name));
    Ok(found)
}
