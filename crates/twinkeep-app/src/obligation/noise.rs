//! Noise on a forecast: one normal draw a target, scaled by how wide the forecast is.
//!
//! One draw for all horizons of a target, or the mean over horizons would take it away again. It is
//! drawn from a keyed digest of the answer itself, so that the same answer gets the same noise, and
//! nobody can tell it without the keep's key.

use twinkeep_domain::{EventPoint, Forecast, ForecastPoint, Pack, WindowAnswer};
use twinkeep_vault::SecretKey;
use twinkeep_vault::digest::hmac_sha256;

use super::each_value;

/// What noise is drawn from.
pub(super) struct Draw<'a> {
    /// Without it, nobody can tell the noise.
    pub(super) key: &'a SecretKey,
    /// Who gets the answer, and which model gave it.
    pub(super) whose: &'a str,
    /// The deviation, in halves of the 50 % interval.
    pub(super) share: f32,
}

/// Adds noise to every value and probability.
pub(super) fn add(pack: &Pack, draw: &Draw<'_>, forecast: &mut Forecast) {
    let time = forecast.prediction_time.micros().to_be_bytes();
    for target in &mut forecast.targets {
        let index = pack.find(target.code.as_str());
        let range = index.and_then(|index| pack.variables().get(index)).map(|known| known.range);
        let by = draw.of(&said(target.code.as_str(), &time, &target.points));
        for point in &mut target.points {
            shift(point, by);
            if let Some(range) = range {
                each_value(point, |value| value.clamp(range.low, range.high));
            }
        }
    }
    for window in &mut forecast.windows {
        let code = window.code.as_str();
        match &mut window.answer {
            WindowAnswer::None => {}
            WindowAnswer::Total(point) => {
                shift(point, draw.of(&said(code, &time, std::slice::from_ref(point))));
                each_value(point, |value| value.max(0.0));
            }
            WindowAnswer::Event(points) => {
                let by = draw.of(&said_event(code, &time, points));
                blur(points, by);
            }
        }
    }
}

fn shift(point: &mut ForecastPoint, draw: f32) {
    let [.., q25, _, q75, _, _] = point.quantiles;
    let by = draw * (q75 - q25) / 2.0;
    each_value(point, |value| value + by);
}

/// Moves all probabilities of an event, which stay probabilities and never fall with the horizon.
fn blur(points: &mut [EventPoint], draw: f32) {
    let moved = |probability: f32| {
        let deviation = (probability * (1.0 - probability)).max(0.0).sqrt();
        (probability + draw * deviation * HALF_OF_50_PERCENT).clamp(0.0, 1.0)
    };
    let mut floor = 0.0_f32;
    for point in points {
        floor = moved(point.probability).max(floor);
        point.probability = floor;
        let others: f32 = point.competing.iter().sum();
        let room = 1.0 - point.probability;
        if room < others {
            point.competing.iter_mut().for_each(|other| *other *= room / others);
        }
    }
}

/// What was to be answered about a target: what the draw is made from.
fn said(code: &str, time: &[u8], points: &[ForecastPoint]) -> Vec<u8> {
    let mut text = [code.as_bytes(), b"\0", time].concat();
    for point in points {
        text.extend(point.horizon_hours.to_be_bytes());
        text.extend(point.mean.to_be_bytes());
        text.extend(point.quantiles.iter().flat_map(|value| value.to_be_bytes()));
    }
    text
}

fn said_event(code: &str, time: &[u8], points: &[EventPoint]) -> Vec<u8> {
    let mut text = [code.as_bytes(), b"\0", time].concat();
    for point in points {
        text.extend(point.horizon_hours.to_be_bytes());
        text.extend(point.probability.to_be_bytes());
    }
    text
}

impl Draw<'_> {
    /// A normal draw (Box and Muller) from a keyed digest, times the share.
    fn of(&self, text: &[u8]) -> f32 {
        let digest = hmac_sha256(self.key, &[self.whose.as_bytes(), text].concat());
        let uniform = |bytes: &[u8]| {
            let number = bytes.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
            // Never 0, which has no logarithm.
            ((number >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        };
        let (radius, angle) = (uniform(&digest[..8]), uniform(&digest[8..16]));
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        self.share * normal as f32
    }
}

/// Half of the 50 % interval of a normal distribution, in deviations.
const HALF_OF_50_PERCENT: f32 = 0.674_5;
