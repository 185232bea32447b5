//! Cohorts put together and taken apart.

use twinkeep_domain::{Code, Cohort, Event, Timeline};

/// Puts the people of several cohorts into one, in the order of the cohorts.
pub(super) fn merge(parts: &[&Cohort]) -> Cohort {
    let mut codes: Vec<Code> = parts.iter().flat_map(|part| part.codes.iter().cloned()).collect();
    codes.sort();
    codes.dedup();
    let mut timelines = Vec::new();
    for part in parts {
        let place = |code: &Code| codes.binary_search(code).unwrap_or_default();
        let places: Vec<usize> = part.codes.iter().map(place).collect();
        for timeline in &part.timelines {
            let moved = |event: &Event| Event {
                code: places
                    .get(event.code as usize)
                    .and_then(|&place| u32::try_from(place).ok())
                    .unwrap_or(u32::MAX),
                ..event.clone()
            };
            let events = timeline.events().iter().map(moved).collect();
            timelines.extend(Timeline::new(timeline.subject(), events));
        }
    }
    Cohort { codes, timelines }
}

/// Returns the people for whom `chosen` holds, by their place.
pub(super) fn choose(people: &Cohort, chosen: impl Fn(usize) -> bool) -> Cohort {
    let timelines = people.timelines.iter().enumerate().filter(|(at, _)| chosen(*at));
    Cohort {
        codes: people.codes.clone(),
        timelines: timelines.map(|(_, timeline)| timeline.clone()).collect(),
    }
}
