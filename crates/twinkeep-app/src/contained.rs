//! What is contained now: closed routes, suspended identities, feeds that nothing is learned from,
//! paused training, and what incidents did on the host. In the catalog, where nobody writes without
//! the key, and in memory as of the version of the settings: it holds from the next request on, in
//! every process.
//!
//! Each is held by the incidents that asked for it, and ends when the last of them lets go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use twinkeep_watch::incident::{Action, Measure};

use crate::feeds::parse_feed;
use crate::locking::lock;
use crate::{App, AppError};

/// What is contained, in memory.
#[derive(Default)]
pub(crate) struct Contained {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The version of the settings that this is as of.
    version: Vec<u8>,
    /// The incidents that hold something.
    holders: BTreeMap<Measure, BTreeSet<String>>,
}

impl App {
    /// Returns the incidents that hold something contained.
    pub(crate) fn holders(&self, measure: &Measure) -> Result<BTreeSet<String>, AppError> {
        self.with_contained(|known| known.get(measure).cloned().unwrap_or_default())
    }

    /// Returns all that is contained, and the incidents that hold it.
    pub(crate) fn contained_now(&self) -> Result<BTreeMap<Measure, BTreeSet<String>>, AppError> {
        self.with_contained(BTreeMap::clone)
    }

    /// Returns what is contained by an action, by name.
    pub(crate) fn contained_by(&self, action: Action) -> Result<BTreeSet<String>, AppError> {
        self.with_contained(|known| {
            let measures = known.keys().filter(|measure| measure.action == action);
            measures.map(|measure| measure.on.clone()).collect()
        })
    }

    /// Lets an incident hold something. Doing so again changes nothing.
    pub(crate) fn hold(&self, measure: &Measure, incident: &str) -> Result<(), AppError> {
        Ok(self.store.add_to_setting(&setting(measure), incident)?)
    }

    /// Lets an incident let go. Doing so again changes nothing.
    pub(crate) fn let_go(&self, measure: &Measure, incident: &str) -> Result<(), AppError> {
        let name = setting(measure);
        self.store.change_setting(&name, &mut |known| {
            let known = known?;
            let rest: Vec<&str> = known.lines().filter(|line| *line != incident).collect();
            Some(rest.join("\n"))
        })?;
        Ok(self.store.remove_settings(&[(name, String::new())])?)
    }

    /// Refuses a request of a route that an incident closed.
    pub fn refuse_closed_route(&self, route: &str) -> Result<(), AppError> {
        let closed = self.with_contained(|known| {
            known.keys().any(|it| it.action == Action::CloseRoute && same_route(&it.on, route))
        })?;
        match closed {
            false => Ok(()),
            true => Err(AppError::refused("route-closed", "this route is closed for now")
                .hint("`twinkeep incident list` says why")),
        }
    }

    /// Refuses a request of somebody whom an incident suspended.
    pub fn refuse_suspended(&self, identity: &str) -> Result<(), AppError> {
        let measure = Measure::new(Action::SuspendIdentity, identity);
        match self.with_contained(|known| known.contains_key(&measure))? {
            false => Ok(()),
            true => Err(AppError::refused("identity-suspended", "whoever this is is suspended")
                .hint("`twinkeep incident list` says why")),
        }
    }

    /// Refuses to train while an incident says so.
    pub(crate) fn refuse_paused_training(&self) -> Result<(), AppError> {
        let paused = self.holders(&Measure::new(Action::PauseTraining, ""))?;
        let Some(incident) = paused.first() else { return Ok(()) };
        let attempt = format!("training is paused by the incident {incident}");
        Err(AppError::refused("training-paused", attempt).hint(format!(
            "`twinkeep incident show {incident}` says why; `twinkeep incident rollback {incident}` \
             goes on"
        )))
    }

    /// Returns the feeds that nothing is learned from, by their numbers in the store.
    pub(crate) fn feeds_on_hold(&self) -> Result<BTreeSet<i64>, AppError> {
        let names = self.contained_by(Action::HoldFeed)?;
        names.iter().map(|feed| Ok(parse_feed(self, feed)?.id.0)).collect()
    }

    fn with_contained<T>(
        &self,
        read: impl FnOnce(&BTreeMap<Measure, BTreeSet<String>>) -> T,
    ) -> Result<T, AppError> {
        let [version, _] = self.store.rules_version()?;
        let mut known = lock(&self.contained.known);
        if known.version != version {
            let settings = self.store.settings_below(BEGIN)?;
            known.holders = settings.iter().filter_map(holders).collect();
            known.version = version;
        }
        Ok(read(&known.holders))
    }
}

/// `/predict` and `/api/v1/predict` are one route to whoever closes it.
fn same_route(one: &str, other: &str) -> bool {
    let plain = |path: &str| path.strip_prefix("/api/v1").unwrap_or(path).to_owned();
    plain(one) == plain(other)
}

fn setting(measure: &Measure) -> String {
    format!("{BEGIN}{}/{}", measure.action.name(), measure.on)
}

fn holders((name, text): &(String, String)) -> Option<(Measure, BTreeSet<String>)> {
    let (action, on) = name.strip_prefix(BEGIN)?.split_once('/')?;
    let holders: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    (!holders.is_empty()).then_some((Measure::new(Action::parse(action)?, on), holders))
}

/// What the settings begin with that say what is contained.
const BEGIN: &str = "contained/";
