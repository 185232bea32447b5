//! `[[target]]` of a pack file: what is forecast beyond the variables that say so themselves.

use serde::Deserialize;
use toml::Spanned;
use twinkeep_domain::{
    Code, CodePattern, Distinct, EventPlan, Variable, VariableKind, WindowKind, WindowTarget,
};

use super::PackFileError;

#[cfg(test)]
mod tests;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireTarget {
    code: String,
    title: Option<String>,
    kind: WireTargetKind,
    codes: Option<Vec<String>>,
    window: Option<String>,
    distinct: Option<WireDistinct>,
    horizons: Option<Vec<String>>,
    competing: Option<Vec<String>>,
    once: Option<bool>,
    absent: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireTargetKind {
    Value,
    Sum,
    Count,
    Event,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireDistinct {
    Event,
    Moment,
    Day,
}

/// Reads the targets: those of kind `value` mark their variable, the others are returned.
pub(super) fn targets(
    text: &str,
    wire: Option<Vec<Spanned<WireTarget>>>,
    variables: &mut [Variable],
) -> Result<Vec<WindowTarget>, PackFileError> {
    let mut windows = Vec::new();
    for target in wire.unwrap_or_default() {
        let line = super::wire::line_of(text, target.span().start);
        let target = target.into_inner();
        target.check_keys(line)?;
        match target.kind {
            WireTargetKind::Value => mark(line, &target, variables)?,
            _ => windows.push(window(line, target)?),
        }
    }
    Ok(windows)
}

impl WireTarget {
    /// Refuses keys that mean nothing for the kind.
    fn check_keys(&self, line: usize) -> Result<(), PackFileError> {
        let event = matches!(self.kind, WireTargetKind::Event);
        let window = !matches!(self.kind, WireTargetKind::Value);
        let keys = [
            ("title", self.title.is_some(), window),
            ("codes", self.codes.is_some(), window),
            ("window", self.window.is_some(), window),
            ("distinct", self.distinct.is_some(), matches!(self.kind, WireTargetKind::Count)),
            ("horizons", self.horizons.is_some(), event),
            ("competing", self.competing.is_some(), event),
            ("once", self.once.is_some(), event),
            ("absent", self.absent.is_some(), event),
        ];
        match keys.iter().find(|(_, present, allowed)| *present && !*allowed) {
            None => Ok(()),
            Some((key, ..)) => Err(PackFileError::Value {
                line,
                key,
                reason: "means nothing for a target of this kind",
            }),
        }
    }
}

fn mark(line: usize, target: &WireTarget, variables: &mut [Variable]) -> Result<(), PackFileError> {
    let refuse = |reason| Err(PackFileError::Value { line, key: "code", reason });
    let found = variables.iter_mut().find(|variable| variable.code.as_str() == target.code);
    let Some(variable) = found else { return refuse("must be that of a `[[variable]]`") };
    if variable.kind == VariableKind::Static {
        return refuse("is that of a static variable: it does not change");
    }
    variable.target = true;
    Ok(())
}

fn window(line: usize, wire: WireTarget) -> Result<WindowTarget, PackFileError> {
    let refuse = |key, reason| PackFileError::Value { line, key, reason };
    let Some(code) = Code::new(&wire.code) else {
        let reason = "must not be empty, longer than 256 bytes, or have control characters";
        return Err(refuse("code", reason));
    };
    let patterns = |key, texts: Vec<String>| -> Result<Vec<CodePattern>, PackFileError> {
        let reason = "take codes; a `*` at the end stands for all that begin so";
        texts.iter().map(|text| CodePattern::new(text).ok_or(refuse(key, reason))).collect()
    };
    let duration = |key, text: &str| hours(text).ok_or(refuse(key, DURATION));
    let title = wire.title.ok_or(refuse("title", "is missing"))?;
    let codes = patterns("codes", wire.codes.ok_or(refuse("codes", "is missing"))?)?;
    let window = wire.window.ok_or(refuse("window", "is missing"))?;
    let window_hours = duration("window", &window)?;
    let kind = match wire.kind {
        WireTargetKind::Value | WireTargetKind::Sum => WindowKind::Sum,
        WireTargetKind::Count => WindowKind::Count(match wire.distinct {
            None | Some(WireDistinct::Event) => Distinct::Event,
            Some(WireDistinct::Moment) => Distinct::Moment,
            Some(WireDistinct::Day) => Distinct::Day,
        }),
        WireTargetKind::Event => WindowKind::Event(EventPlan {
            horizons_hours: match wire.horizons {
                Some(texts) => {
                    texts.iter().map(|text| duration("horizons", text)).collect::<Result<_, _>>()?
                }
                None => [0.25, 0.5, 0.75, 1.0].map(|share| share * window_hours).to_vec(),
            },
            competing: patterns("competing", wire.competing.unwrap_or_default())?,
            once: wire.once.unwrap_or(false),
            absent: wire.absent.unwrap_or(false),
        }),
    };
    Ok(WindowTarget { code, title, codes, window_hours, kind })
}

/// Reads `36h`, `28d`, or `4w` as hours.
pub(super) fn hours(text: &str) -> Option<f32> {
    let unit = text.chars().last()?;
    let number: f32 = text.strip_suffix(unit)?.parse().ok()?;
    let hours = match unit {
        'h' => 1.0,
        'd' => 24.0,
        'w' => 168.0,
        _ => return None,
    };
    Some(number * hours).filter(|hours| hours.is_finite() && 0.0 < *hours)
}

/// What is said of a duration that cannot be read.
pub(super) const DURATION: &str = "must be a number above 0 and a unit: `36h`, `28d`, `4w`";
