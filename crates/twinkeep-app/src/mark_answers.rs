//! In which direction coarse answers are rounded for those who probe: by a secret of theirs.
//!
//! A model that learns from them learns the directions, and [`crate::test_mark`] finds them in it.
//! The secret is derived from the keep's, for each caller and each version, so that nothing has to
//! be stored, and it is there after a restart and for successors of a key.

use std::sync::atomic::Ordering;

use twinkeep_domain::Pack;
use twinkeep_vault::digest::hmac_sha256;
use twinkeep_watch::probe::{AnswerMark, MixKey, Population, Stretch};

use crate::answer::{ForecastAnswer, TargetAnswer};
use crate::answer_tiers::Tier;
use crate::budget::Precision;
use crate::probe_config::{FEATURES_EACH, Profile};
use crate::served::Served;
use crate::{App, AppError, Caller};

/// How wide the stretches of each variable are, in which answers have one direction; 0 of those whose
/// answers have none.
pub(crate) struct Stretches(Vec<f32>);

impl Stretches {
    /// Returns those of a version that has no profile: nothing is marked.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Divides the middle half of each variable.
    pub(crate) fn of(pack: &Pack, population: &Population) -> Self {
        let width = |variable: usize| {
            let at = |share| population.value(FEATURES_EACH * variable, share);
            let middle = at(0.75).zip(at(0.25)).map_or(0.0, |(high, low)| high - low);
            middle / STRETCHES_OF_MIDDLE
        };
        Self((0..pack.variables().len()).map(width).collect())
    }

    /// Returns in which stretch a target of an answer lies: that of its last value.
    pub(crate) fn find(&self, pack: &Pack, target: &TargetAnswer) -> Option<Stretch> {
        let last = target.last.as_ref().filter(|_| target.kind == "value")?.value;
        let variable = pack.find(&target.code)?;
        Stretch::of(variable, last, *self.0.get(variable)?)
    }
}

impl App {
    /// Gives an answer the precision that is paid for; whoever probed gets it marked.
    ///
    /// Somebody whose budget is used up did nothing, and gets what is nearest.
    pub(crate) fn with_precision(
        &self,
        caller: &Caller,
        served: &Served,
        answer: ForecastAnswer,
        precision: Precision,
    ) -> Result<ForecastAnswer, AppError> {
        let marks = precision == Precision::Coarse
            && !self.tiers.unmarked.load(Ordering::Relaxed)
            && self.tier_of(caller)? == Tier::Coarse;
        if !marks {
            return Ok(answer.with_precision(precision));
        }
        let stretches = served.stretches.get_or_init(|| {
            let profile = served.profile.as_ref();
            let profile = profile.and_then(|bytes| Profile::read(&self.pack, bytes));
            profile.map_or(Stretches::none(), |it| Stretches::of(&self.pack, &it.population))
        });
        let mark = self.answer_mark(&self.budget_of(caller)?, &served.version);
        Ok(answer.marked(&|target| {
            stretches.find(&self.pack, target).map(|stretch| mark.direction(stretch))
        }))
    }

    /// Returns the secret of a caller for a version.
    pub(crate) fn answer_mark(&self, whose: &str, version: &str) -> AnswerMark {
        AnswerMark::new(self.mark_secret(&format!("answer-mark\0{version}\0{whose}")))
    }

    /// Returns what secrets are drawn with beside which one is tested; no suspect knows it.
    pub(crate) fn mark_draws(&self, evidence: &str) -> MixKey {
        MixKey::new(self.mark_secret(&format!("answer-mark-draws\0{evidence}")))
    }

    fn mark_secret(&self, label: &str) -> [u8; 16] {
        let secret = hmac_sha256(self.access_key(), label.as_bytes());
        let mut half = [0; 16];
        half.iter_mut().zip(secret).for_each(|(to, from)| *to = from);
        half
    }
}

/// Narrower ones are more, and wider ones are learned from fewer answers: `make bench-mark`.
const STRETCHES_OF_MIDDLE: f32 = 2.0;
