//! Axes: from numbers to places, with ticks at round numbers.

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    /// Where it starts.
    pub(super) low: f32,
    /// Where it ends; above `low`.
    pub(super) high: f32,
    /// Distance between ticks.
    pub(super) step: f32,
}

impl Scale {
    /// Returns an axis that holds all values with a little room, from tick to tick.
    pub(super) fn around(values: impl Iterator<Item = f32>, ticks: f32) -> Self {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if high < low {
            (low, high) = (0.0, 1.0);
        }
        // Equal or nearly equal values still need an axis.
        let room = (high - low).max(high.abs().max(low.abs()) * 1e-3).max(1e-6);
        let step = round_step(room / ticks);
        let low_tick = (low / step).floor() * step;
        let high_tick = (high / step).ceil() * step;
        let high_tick = if low_tick < high_tick { high_tick } else { low_tick + step };
        Self { low: low_tick, high: high_tick, step }
    }

    /// Returns an axis of hours that ends where the data end.
    pub(super) fn hours(low: f32, high: f32) -> Self {
        let high = if low < high { high } else { low + 1.0 };
        let wanted = (high - low) / HOUR_TICKS;
        let step = HOUR_STEPS.into_iter().find(|&step| wanted <= step);
        Self { low, high, step: step.unwrap_or_else(|| round_step(wanted)) }
    }

    /// Returns the multiples of the step on the axis.
    pub(super) fn ticks(&self) -> Vec<f32> {
        let slack = self.step * 1e-3;
        let first = ((self.low - slack) / self.step).ceil();
        (0_u8..TICK_COUNT_MAX)
            .map(|count| (first + f32::from(count)) * self.step)
            .take_while(|&tick| tick <= self.high + slack)
            // Minus zero would be printed with its sign.
            .map(|tick| tick + 0.0)
            .collect()
    }

    /// Returns where a value lies: 0 at the start, 1 at the end; values outside are moved in.
    pub(super) fn place(&self, value: f32) -> f32 {
        let place = (value - self.low) / (self.high - self.low);
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }
}

/// Returns how many decimals tell values apart that are a step away from each other.
pub(super) fn decimals(step: f32) -> usize {
    DECIMALS.into_iter().position(|size| size * 0.999 <= step).unwrap_or(DECIMALS.len())
}

/// Returns the hour label of a tick, with a sign: `−6 h`, `now`, `+6 h`.
pub(super) fn hour_label(hours: f32, minus: &str) -> String {
    let places = usize::from(hours.fract() != 0.0);
    match hours {
        _ if hours == 0.0 => "now".to_owned(),
        _ if hours < 0.0 => format!("{minus}{:.places$} h", -hours),
        _ => format!("+{hours:.places$} h"),
    }
}

/// Returns the smallest of 1, 2, 2.5, 5 times a power of ten that is not below `wanted`.
fn round_step(wanted: f32) -> f32 {
    let power = 10.0_f32.powf(wanted.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0].into_iter().map(|size| size * power);
    step.into_iter().find(|&step| wanted <= step).unwrap_or(10.0 * power)
}

/// Steps of the hour axis: divisors and multiples of a day.
const HOUR_STEPS: [f32; 9] = [0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0, 48.0, 168.0];

/// About how many labels stand on the hour axis at most.
const HOUR_TICKS: f32 = 9.0;

/// More ticks than this would be a bug; fewer fit on any axis.
const TICK_COUNT_MAX: u8 = 60;

/// Steps that need 0, 1, 2, ... decimals.
const DECIMALS: [f32; 6] = [1.0, 0.1, 0.01, 0.001, 0.000_1, 0.000_01];
