//! Use case: say how it went on with others who were like a twin, as an anonymous summary.

use serde::Serialize;
use twinkeep_domain::{Pack, Split};
use twinkeep_forecast::CodeMap;
use twinkeep_twin::{GroupOutcome, Others, SIMILAR_COUNT_MIN};

use crate::answer::tidy;
use crate::moment::{Moment, moment};
use crate::obligation::{Hidden, Obligations};
use crate::time_text::rfc3339;
use crate::twins::{Found, about};
use crate::{App, AppError, Caller};

/// With whom a twin is compared.
#[derive(Clone, Debug, Default)]
pub struct CompareRequest {
    /// How many others are summed up; by default, [`SIMILAR_COUNT_DEFAULT`].
    pub count: Option<usize>,
    /// Where to stand: nothing later is looked at.
    pub at: Moment,
}

/// How it went on with others.
#[derive(Debug, Serialize)]
pub struct CompareAnswer {
    /// The subject's pseudonym.
    pub subject: String,
    /// The moment at which it is compared (RFC 3339).
    pub prediction_time: String,
    /// Everybody is looked at so many hours after their first event.
    pub at_hours: f32,
    /// How many others were observed so long, and after; in tens.
    pub compared_subjects: usize,
    /// How many of them are summed up; in tens.
    pub similar_subjects: usize,
    /// Their median age, in steps of 5 years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_years: Option<f32>,
    /// The share of women and girls among them, in tenths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub female_share: Option<f32>,
    /// How it went on, by target and horizon; groups that are too small are left out.
    pub outcomes: Vec<OutcomeAnswer>,
    /// What it is.
    pub meaning: &'static str,
}

/// What was observed of one target, up to one horizon.
#[derive(Debug, Serialize)]
pub struct OutcomeAnswer {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// The unit, in UCUM.
    pub unit: String,
    /// Later than this, in hours after the moment, ...
    pub from_hours: f32,
    /// ... and up to this.
    pub to_hours: f32,
    /// How many of the similar others have a value then; in tens.
    pub subjects: usize,
    /// A quarter of their last values then is lower.
    pub q25: f32,
    /// Half of them is lower.
    pub q50: f32,
    /// A quarter is higher.
    pub q75: f32,
}

/// Compares one twin with everybody in the keep.
pub fn compare_twin(
    app: &App,
    caller: &Caller,
    subject: &str,
    request: &CompareRequest,
) -> Result<CompareAnswer, AppError> {
    about(app, caller, "twin.compared", subject, |found| compare(app, caller, found, request))
}

fn compare(
    app: &App,
    caller: &Caller,
    found: &Found<'_>,
    request: &CompareRequest,
) -> Result<CompareAnswer, AppError> {
    let pack = &app.pack;
    let count = request.count.unwrap_or(SIMILAR_COUNT_DEFAULT);
    if !(SIMILAR_COUNT_MIN..=SIMILAR_COUNT_MAX).contains(&count) {
        let attempt = format!(
            "the number of similar subjects must be {SIMILAR_COUNT_MIN} to {SIMILAR_COUNT_MAX}"
        );
        return Err(AppError::usage("similar-count", attempt));
    }
    let time = moment(app, found.timeline, request.at)?;
    let few = || {
        let attempt = format!(
            "fewer than {SIMILAR_COUNT_MIN} others were observed as long after their first event"
        );
        AppError::refused("similar-too-few", attempt)
            .hint("ask about an earlier moment: `--at HOURS`")
    };
    let mut others = Others::of(pack, found.codes, found.timeline, time).ok_or_else(few)?;
    for split in [Split::Train, Split::Tuning, Split::HeldOut] {
        // One split at a time: its events are gone before the next is read.
        let cohort = app.store.cohort(split)?;
        let codes = CodeMap::new(pack, &cohort.codes);
        cohort.timelines.iter().for_each(|timeline| others.add(&codes, timeline));
    }
    let obligations = &caller.obligations;
    let least = obligations.group_min(SIMILAR_COUNT_MIN);
    let similar = others.nearest(count).ok_or_else(few)?;
    if similar.similar_count < least {
        return Err(few());
    }
    let open = !obligations.hides(Hidden::Demographics);
    let start = found.timeline.start().unwrap_or(time);
    Ok(CompareAnswer {
        subject: found.subject.reveal_text(),
        prediction_time: rfc3339(time),
        at_hours: tidy(time.hours_since(start) as f32),
        compared_subjects: similar.compared_count,
        similar_subjects: similar.similar_count,
        age_years: similar.age_years.filter(|_| open),
        female_share: similar.female_share.filter(|_| open),
        outcomes: similar
            .outcomes
            .iter()
            .filter(|one| least <= one.count)
            .map(|one| outcome(pack, obligations, one))
            .collect(),
        meaning: MEANING,
    })
}

fn outcome(pack: &Pack, obligations: &Obligations, found: &GroupOutcome) -> OutcomeAnswer {
    let variable = &pack.variables()[found.variable];
    let resolution = variable.rules.resolution;
    let [q25, q50, q75] = found.quartiles.map(|value| obligations.value(value, resolution));
    OutcomeAnswer {
        code: variable.code.to_string(),
        title: variable.title.clone(),
        unit: variable.unit.clone(),
        from_hours: found.from_hours,
        to_hours: found.to_hours,
        subjects: found.count,
        q25,
        q50,
        q75,
    }
}

/// As many as give quartiles that one person does not move, and still are alike.
pub const SIMILAR_COUNT_DEFAULT: usize = 50;

/// More are everybody.
const SIMILAR_COUNT_MAX: usize = 1_000;

const MEANING: &str = "what was observed of those in the keep whose values were nearest, as long \
                       after their first event; nobody is named, and no group below 20 is told; \
                       not a forecast";
