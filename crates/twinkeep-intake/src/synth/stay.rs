//! One made-up stay as the lines of its file.

use super::body::{Body, Health};
use super::channel::{CHANNELS, Panel};
use super::random::Random;

/// A line and when it is.
#[derive(Clone)]
pub(super) struct Line {
    pub minute: u32,
    pub text: String,
}

/// The lines of a file without its header, in order of time.
pub(super) struct Stay {
    pub lines: Vec<Line>,
    /// How many of them say "not recorded".
    pub missing: u64,
}

/// The descriptors at the beginning of each stay.
pub(super) const DESCRIPTORS: usize = 6;

impl Stay {
    pub(super) fn make(record: u32, health: Health, random: &mut Random) -> Self {
        let mut lines = Vec::new();
        let mut missing = 0;
        let male = random.chance(0.56);
        let height = if male { 176.0 } else { 162.0 } + 7.5 * random.normal();
        let age = (health.age() + 16.0 * random.normal()).clamp(18.0, 90.0);
        let mut descriptor = |name: &str, value: f64, known: bool| {
            let value = if known { value.round() } else { -1.0 };
            missing += u64::from(!known);
            lines.push(Line { minute: 0, text: format!("00:00,{name},{value:.0}") });
        };
        descriptor("RecordID", f64::from(record), true);
        descriptor("Age", age, true);
        descriptor("Gender", f64::from(u8::from(male)), true);
        descriptor("Height", height.clamp(140.0, 210.0), random.chance(0.55));
        descriptor("ICUType", 1.0 + random.below(4) as f64, true);
        descriptor("Weight", -1.0, false);
        let mut seen = observe(health, random);
        seen.sort_by_key(|seen| (seen.0, seen.1));
        lines.extend(seen.into_iter().map(|(minute, _, text)| Line { minute, text }));
        Self { lines, missing }
    }
}

/// Measures the panels over 48 hours: minute, place within the minute, line.
fn observe(health: Health, random: &mut Random) -> Vec<(u32, usize, String)> {
    let body = Body::new(health, random);
    let severe = body.at(0)[0];
    let base: Vec<f64> =
        CHANNELS.iter().map(|channel| channel.mean + channel.between * random.normal()).collect();
    let has_line = random.chance(0.55 + 0.1 * severe.clamp(-3.0, 3.0));
    let has_liver = random.chance(0.45);
    let mut seen = Vec::new();
    for panel in Panel::ALL {
        let absent = match panel {
            Panel::ArterialLine => !has_line,
            Panel::Liver => !has_liver,
            _ => false,
        };
        if absent {
            continue;
        }
        let mut minute = random.between(5.0, 5.0 + panel.interval_minutes());
        while minute < MINUTES {
            let at = minute as u32;
            let state = body.at(at);
            let mut systolic = f64::INFINITY;
            for (index, channel) in CHANNELS.iter().enumerate() {
                if channel.panel != panel || random.chance(panel.gap()) {
                    continue;
                }
                let load: f64 = channel.load.iter().zip(state).map(|(load, x)| load * x).sum();
                let day = channel.day * body.day(at);
                let value = base[index] + load + day + channel.noise * random.normal();
                let mut value = value.clamp(channel.bounds.0, channel.bounds.1);
                // The same beat of the heart: the lower pressure follows the upper one.
                if channel.code.ends_with("SysABP") {
                    systolic = value;
                } else if channel.code.ends_with("DiasABP") {
                    value = value.min(systolic - PULSE_PRESSURE_MIN);
                }
                let digits = channel.digits;
                seen.push((at, index, line(at, channel.code, value, digits)));
            }
            if panel == Panel::Gases && body.ventilated_from.is_some_and(|from| from <= at) {
                seen.push((at, CHANNELS.len(), line(at, "MechVent", 1.0, 0)));
            }
            // The sicker, the more often; never regular.
            let hurry = 1.0 + 0.2 * state[0].clamp(-2.0, 4.0);
            minute += (panel.interval_minutes() * random.between(0.4, 1.6) / hurry).max(2.0);
        }
    }
    seen
}

fn line(minute: u32, code: &str, value: f64, digits: usize) -> String {
    format!("{},{code},{value:.digits$}", clock(minute))
}

/// Writes minutes as `HH:MM`.
pub(super) fn clock(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// In mmHg.
const PULSE_PRESSURE_MIN: f64 = 10.0;

const MINUTES: f64 = 48.0 * 60.0;
