//! Charts of one target: what was observed, and the fan of what is to be expected.
//!
//! The same [`Chart`] is drawn as an SVG for pages and files, and as text for a terminal. Both are
//! pure functions of their input.

mod calibration;
mod parts;
mod scale;
mod svg;
mod terminal;
mod window;

#[cfg(test)]
mod tests;

use twinkeep_domain::{Basis, ForecastPoint, TargetForecast, Variable};

pub use calibration::{CalibrationLine, calibration_svg};
pub use parts::{Part, parts_svg};
pub use svg::{escape, svg};
pub use terminal::{Letters, terminal};
pub use window::{WindowChart, duration, short};

use scale::{Scale, decimals};

/// What a chart shows.
#[derive(Clone, Copy)]
pub struct Chart<'a> {
    /// What the values are, such as `Heart rate`.
    pub title: &'a str,
    /// The unit in UCUM, such as `/min`; `1` where there is none.
    pub unit: &'a str,
    /// Observed values by increasing hours: 0 is now, before is negative.
    pub history: &'a [(f32, f32)],
    /// The fan, by increasing horizon; empty where nothing can be forecast.
    pub points: &'a [ForecastPoint],
    /// How the fan was made.
    pub basis: Basis,
}

impl<'a> Chart<'a> {
    /// Puts together what a chart of one target shows.
    pub fn new(
        variable: &'a Variable,
        history: &'a [(f32, f32)],
        forecast: &'a TargetForecast,
    ) -> Self {
        Self {
            title: &variable.title,
            unit: &variable.unit,
            history,
            points: &forecast.points,
            basis: forecast.basis,
        }
    }

    /// Says in one or two sentences what the chart shows.
    pub fn describe(&self) -> String {
        let places = self.decimals();
        let unit = self.unit_suffix();
        let mut text = match self.last() {
            None => "No value was observed.".to_owned(),
            Some((hours, value)) => {
                let age = (-hours).max(0.0);
                format!("Last value {value:.places$}{unit}, {age:.1} h ago.")
            }
        };
        match self.points.last() {
            None => text.push_str(" Not enough history for a forecast."),
            Some(point) => {
                let q = point.quantiles;
                text.push_str(&format!(
                    " In {:.0} h: median {:.places$}{unit}, half of all cases {:.places$} to \
                     {:.places$}, nine of ten {:.places$} to {:.places$}.",
                    point.horizon_hours, q[3], q[2], q[4], q[0], q[6]
                ));
            }
        }
        text
    }

    /// Returns with how many decimals values are written: a tenth of a tick is told apart.
    fn decimals(&self) -> usize {
        decimals(self.value_scale().step / 10.0)
    }

    fn last(&self) -> Option<(f32, f32)> {
        self.history.last().copied()
    }

    /// Returns the unit as people write it, after a space; empty where there is none.
    fn unit_suffix(&self) -> String {
        let unit = readable_unit(self.unit);
        if unit.is_empty() { unit } else { format!(" {unit}") }
    }

    fn value_scale(&self) -> Scale {
        let history = self.history.iter().map(|&(_, value)| value);
        let fan = self.points.iter().flat_map(|point| [point.quantiles[0], point.quantiles[6]]);
        Scale::around(history.chain(fan), VALUE_TICKS)
    }

    fn time_scale(&self) -> Scale {
        let first = self.history.first().map(|&(hours, _)| hours);
        let last = self.points.last().map(|point| point.horizon_hours);
        Scale::hours(first.unwrap_or(0.0).min(0.0), last.unwrap_or(0.0).max(0.0))
    }
}

/// Returns a UCUM unit as people write it.
pub fn readable_unit(unit: &str) -> String {
    match unit {
        "1" => String::new(),
        "Cel" => "°C".to_owned(),
        _ => {
            // Annotations in braces say what is counted; brackets mark customary units.
            let mut depth = 0_u32;
            let mut text = String::new();
            for letter in unit.chars() {
                match letter {
                    '{' => depth = depth.saturating_add(1),
                    '}' => depth = depth.saturating_sub(1),
                    '[' | ']' => {}
                    '*' if depth == 0 => text.push('^'),
                    _ if depth == 0 => text.push(letter),
                    _ => {}
                }
            }
            text
        }
    }
}

/// About how many labels stand on the value axis.
const VALUE_TICKS: f32 = 5.0;
