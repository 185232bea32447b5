//! The shape of a pack file, and the step from it to a [`Pack`].

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use twinkeep_domain::{
    Code, CodeList, ForecastPlan, GroupRange, ObservedUntil, OtherCodes, Pack, Range, Rule,
    Screening, Sex, SplitPlan, SubjectCodes, UnitConversion, Variable, VariableKind, VariableRules,
    Words,
};

use super::notes::{WireNotes, notes};
use super::privacy::{WirePrivacy, privacy};
use super::subgroups::{WireSubgroup, subgroups};
use super::targets::{DURATION, WireTarget, hours, targets};
use super::{FORMAT, PackFileError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePack {
    format: u32,
    name: Spanned<String>,
    title: String,
    version: u32,
    words: WireWords,
    forecast: Spanned<WirePlan>,
    variable: Vec<Spanned<WireVariable>>,
    codes: Option<Spanned<WireCodes>>,
    subject: Option<Spanned<WireSubject>>,
    rule: Option<Vec<Spanned<WireRule>>>,
    target: Option<Vec<Spanned<WireTarget>>>,
    subgroup: Option<Vec<Spanned<WireSubgroup>>>,
    notes: Option<Spanned<WireNotes>>,
    privacy: Option<Spanned<WirePrivacy>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCodes {
    #[serde(default)]
    other: WireOther,
    #[serde(default)]
    accept: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireOther {
    #[default]
    Refuse,
    Keep,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSubject {
    age: Option<String>,
    birth: Option<String>,
    sex: Option<String>,
    #[serde(default)]
    female: f32,
    #[serde(default = "one")]
    male: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRule {
    less: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireWords {
    subject: String,
    subjects: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePlan {
    cuts_hours: Vec<f32>,
    cuts_every: Option<String>,
    observed_until: Option<WireObserved>,
    evaluation_cut_hours: f32,
    horizon_hours: f32,
    step_hours: f32,
    memory_hours: [f32; 3],
    buckets_hours: Vec<f32>,
    history_event_count_min: u32,
    splits: WireSplits,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireObserved {
    LastEvent,
    EndOfData,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSplits {
    train_percent: u8,
    tuning_percent: u8,
    held_out_percent: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireVariable {
    code: String,
    title: String,
    unit: String,
    loinc: Option<String>,
    kind: WireKind,
    target: bool,
    range: [f32; 2],
    #[serde(default)]
    missing: Vec<f32>,
    #[serde(default)]
    aliases: Vec<WireAlias>,
    ranges: Option<Vec<WireRange>>,
    change_max_per_hour: Option<f32>,
    values: Option<Vec<f32>>,
    texts: Option<BTreeMap<String, f32>>,
    molar_mass: Option<f32>,
    valence: Option<u8>,
    required_percent: Option<f32>,
    resolution: Option<f32>,
    intervention: Option<bool>,
    #[serde(default)]
    loss: WireLoss,
    delta: Option<f32>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireLoss {
    #[default]
    Squared,
    Huber,
}

impl WireVariable {
    /// Returns the first key that format 1 does not have.
    fn newer_key(&self) -> Option<&'static str> {
        let keys = [
            ("ranges", self.ranges.is_some()),
            ("change_max_per_hour", self.change_max_per_hour.is_some()),
            ("values", self.values.is_some()),
            ("texts", self.texts.is_some()),
            ("molar_mass", self.molar_mass.is_some()),
            ("valence", self.valence.is_some()),
            ("required_percent", self.required_percent.is_some()),
            ("intervention", self.intervention.is_some()),
            ("aliases", self.aliases.iter().any(|alias| alias.value.is_some())),
        ];
        keys.iter().find(|(_, present)| *present).map(|(key, _)| *key)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRange {
    sex: Option<WireSex>,
    age_min: Option<f32>,
    age_max: Option<f32>,
    range: [f32; 2],
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireSex {
    Female,
    Male,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireKind {
    Static,
    Series,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAlias {
    name: String,
    #[serde(default = "one")]
    factor: f32,
    #[serde(default)]
    offset: f32,
    value: Option<f32>,
}

fn one() -> f32 {
    1.0
}

pub(super) fn parse(text: &str) -> Result<Pack, PackFileError> {
    check_format(text)?;
    let mut wire: WirePack = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    let line = |span: std::ops::Range<usize>| line_of(text, span.start);
    check_keys(text, &wire)?;
    let screening = screening(&mut wire);
    let name = wire.name.get_ref();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || NAME_LEN_MAX < name.len() || !name.bytes().all(plain) {
        let reason = "must be 1 to 64 lower-case letters, digits, and hyphens";
        return Err(PackFileError::Value { line: line(wire.name.span()), key: "name", reason });
    }
    let decided = wire.variable.iter().enumerate();
    let interventions = decided
        .filter(|(_, variable)| variable.get_ref().intervention == Some(true))
        .map(|(at, _)| at)
        .collect();
    let huber = huber(text, wire.format, &wire.variable)?;
    let variables: Result<Vec<_>, _> = wire
        .variable
        .into_iter()
        .map(|variable| {
            let line = line(variable.span());
            self::variable(line, variable.into_inner())
        })
        .collect();
    let mut variables = variables?;
    let windows = targets(text, wire.target.take(), &mut variables)?;
    let subgroups = subgroups(text, wire.format, wire.subgroup.take(), &variables, &screening)?;
    let notes = notes(text, wire.format, wire.notes.take())?;
    let privacy = privacy(text, wire.format, wire.privacy.take())?;
    let plan_line = line(wire.forecast.span());
    let plan = plan(plan_line, wire.forecast.into_inner())?;
    let words = Words { subject: wire.words.subject, subjects: wire.words.subjects };
    Pack::new(wire.name.into_inner(), wire.title, wire.version, words, variables, plan)
        .and_then(|pack| pack.with_screening(screening))
        .and_then(|pack| pack.with_windows(windows))
        .and_then(|pack| pack.with_subgroups(subgroups))
        .map(|pack| pack.with_interventions(interventions))
        .and_then(|pack| pack.with_notes(notes))
        .and_then(|pack| pack.with_huber(huber))
        .and_then(|pack| pack.with_privacy(privacy))
        .map_err(|source| PackFileError::Contradiction { source })
}

/// The format is looked at first: a newer file has keys that this program would call wrong.
fn check_format(text: &str) -> Result<(), PackFileError> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    if (1..=FORMAT).contains(&format) {
        Ok(())
    } else {
        Err(PackFileError::Format { found: format })
    }
}

/// A file of an older format has none of the keys that came later.
fn check_keys(text: &str, wire: &WirePack) -> Result<(), PackFileError> {
    let refuse = |span: std::ops::Range<usize>, key, reason| {
        Err(PackFileError::Value { line: line_of(text, span.start), key, reason })
    };
    if wire.format < 3 {
        let plan = wire.forecast.get_ref();
        let keys = [
            ("cuts_every", plan.cuts_every.is_some()),
            ("observed_until", plan.observed_until.is_some()),
        ];
        if let Some((key, _)) = keys.iter().find(|(_, present)| *present) {
            return refuse(wire.forecast.span(), key, "needs `format = 3`");
        }
        if let Some(target) = wire.target.iter().flatten().next() {
            return refuse(target.span(), "target", "needs `format = 3`");
        }
    }
    let finer = |table: &&Spanned<WireVariable>| table.get_ref().resolution.is_some();
    if let Some(table) = wire.variable.iter().find(finer).filter(|_| wire.format < 5) {
        return refuse(table.span(), "resolution", "needs `format = 5`");
    }
    if wire.format != 1 {
        return Ok(());
    }
    let mut newer = Vec::new();
    newer.extend(wire.codes.as_ref().map(|table| (table.span(), "codes")));
    newer.extend(wire.subject.as_ref().map(|table| (table.span(), "subject")));
    newer.extend(wire.rule.iter().flatten().map(|table| (table.span(), "rule")));
    let of_variable =
        |table: &Spanned<WireVariable>| Some((table.span(), table.get_ref().newer_key()?));
    newer.extend(wire.variable.iter().filter_map(of_variable));
    match newer.into_iter().next() {
        None => Ok(()),
        Some((span, key)) => refuse(span, key, "needs `format = 2`"),
    }
}

fn screening(wire: &mut WirePack) -> Screening {
    let codes = wire.codes.take().map(Spanned::into_inner).map(|codes| CodeList {
        other: match codes.other {
            WireOther::Refuse => OtherCodes::Refuse,
            WireOther::Keep => OtherCodes::Keep,
        },
        accept: codes.accept,
    });
    let subject = wire.subject.take().map(Spanned::into_inner).map(|subject| SubjectCodes {
        age: subject.age,
        birth: subject.birth,
        sex: subject.sex,
        female: subject.female,
        male: subject.male,
    });
    let rules = wire.rule.take().unwrap_or_default().into_iter();
    Screening {
        codes: codes.unwrap_or_default(),
        subject: subject.unwrap_or_default(),
        rules: rules.map(|rule| Rule::Less(rule.into_inner().less)).collect(),
    }
}

fn rules(wire: &mut WireVariable) -> VariableRules {
    let range = |group: WireRange| GroupRange {
        sex: group.sex.map(|sex| match sex {
            WireSex::Female => Sex::Female,
            WireSex::Male => Sex::Male,
        }),
        age_min: group.age_min,
        age_max: group.age_max,
        range: Range { low: group.range[0], high: group.range[1] },
    };
    let texts = wire.texts.take().unwrap_or_default().into_iter();
    VariableRules {
        ranges: wire.ranges.take().unwrap_or_default().into_iter().map(range).collect(),
        change_max_per_hour: wire.change_max_per_hour,
        values: wire.values.take().unwrap_or_default(),
        texts: texts.map(|(text, value)| (text.to_lowercase(), value)).collect(),
        molar_mass: wire.molar_mass,
        valence: wire.valence,
        required_percent: wire.required_percent,
        resolution: wire.resolution,
    }
}

fn variable(line: usize, mut wire: WireVariable) -> Result<Variable, PackFileError> {
    let refuse = |key, reason| Err(PackFileError::Value { line, key, reason });
    let Some(code) = Code::new(&wire.code) else {
        return refuse(
            "code",
            "must not be empty, longer than 256 bytes, or have control characters",
        );
    };
    if wire.unit.is_empty() {
        return refuse("unit", "must be a UCUM unit; `1` stands for none");
    }
    if wire.target && matches!(wire.kind, WireKind::Static) {
        return refuse("target", "cannot be true for a static variable: it does not change");
    }
    if !wire.missing.iter().all(|value| value.is_finite()) {
        return refuse("missing", "must be finite numbers");
    }
    for alias in &wire.aliases {
        let finite = alias.factor.is_finite()
            && alias.offset.is_finite()
            && alias.value.is_none_or(f32::is_finite);
        if Code::new(&alias.name).is_none() || !finite || alias.factor == 0.0 {
            return refuse("aliases", "need a name, a finite factor other than 0, a finite offset");
        }
    }
    let rules = rules(&mut wire);
    Ok(Variable {
        code,
        title: wire.title,
        unit: wire.unit,
        loinc: wire.loinc,
        kind: match wire.kind {
            WireKind::Static => VariableKind::Static,
            WireKind::Series => VariableKind::Series,
        },
        target: wire.target,
        range: Range { low: wire.range[0], high: wire.range[1] },
        missing: wire.missing,
        aliases: wire
            .aliases
            .into_iter()
            .map(|WireAlias { name, factor, offset, value }| UnitConversion {
                name,
                factor,
                offset,
                value,
            })
            .collect(),
        rules,
    })
}

/// Returns the variables whose mean is learned with Huber's loss, and from where it is linear.
fn huber(
    text: &str,
    format: u32,
    variables: &[Spanned<WireVariable>],
) -> Result<BTreeMap<usize, f32>, PackFileError> {
    let mut deltas = BTreeMap::new();
    for (at, variable) in variables.iter().enumerate() {
        let line = line_of(text, variable.span().start);
        let refuse = |key, reason| Err(PackFileError::Value { line, key, reason });
        match (variable.get_ref().loss, variable.get_ref().delta) {
            (WireLoss::Squared, None) => {}
            (WireLoss::Squared, Some(_)) => return refuse("delta", "needs `loss = \"huber\"`"),
            (WireLoss::Huber, _) if format < 3 => return refuse("loss", "needs `format = 3`"),
            (WireLoss::Huber, None) => return refuse("loss", "`huber` needs a `delta`"),
            (WireLoss::Huber, Some(delta)) => {
                deltas.insert(at, delta);
            }
        }
    }
    Ok(deltas)
}

fn plan(line: usize, wire: WirePlan) -> Result<ForecastPlan, PackFileError> {
    let WireSplits { train_percent, tuning_percent, held_out_percent } = wire.splits;
    let sum = u32::from(train_percent) + u32::from(tuning_percent) + u32::from(held_out_percent);
    let splits = SplitPlan::new(train_percent, tuning_percent).filter(|_| sum == 100).ok_or(
        PackFileError::Value {
            line,
            key: "splits",
            reason: "must add up to 100, and none may be 0",
        },
    )?;
    let cuts_every = wire.cuts_every.map(|text| {
        hours(&text).ok_or(PackFileError::Value { line, key: "cuts_every", reason: DURATION })
    });
    Ok(ForecastPlan {
        cuts_hours: wire.cuts_hours,
        cuts_every_hours: cuts_every.transpose()?,
        observed_until: match wire.observed_until {
            None | Some(WireObserved::LastEvent) => ObservedUntil::LastEvent,
            Some(WireObserved::EndOfData) => ObservedUntil::EndOfData,
        },
        evaluation_cut_hours: wire.evaluation_cut_hours,
        horizon_hours: wire.horizon_hours,
        step_hours: wire.step_hours,
        memory_hours: wire.memory_hours,
        buckets_hours: wire.buckets_hours,
        history_event_count_min: wire.history_event_count_min,
        splits,
    })
}

fn syntax(text: &str, error: &toml::de::Error) -> PackFileError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    // A message of the parser may have several lines; ours have one.
    let reason = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    PackFileError::Syntax { line, reason }
}

pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// A name is also part of file names.
const NAME_LEN_MAX: usize = 64;
