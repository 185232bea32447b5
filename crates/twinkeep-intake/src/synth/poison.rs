//! Rows that are spoiled on purpose: one of each kind that screening must find, in turn.

use super::Synth;
use super::random::Random;
use super::stay::{DESCRIPTORS, Line, clock};

/// Returns how many rows of each stay are spoiled.
pub(super) fn spread(synth: &Synth) -> Vec<u32> {
    let mut counts = vec![0; synth.stays as usize];
    let mut random = Random::new(synth.seed, 0);
    for _ in 0..synth.poisoned_rows {
        let stay = random.below(counts.len());
        if let Some(count) = counts.get_mut(stay) {
            *count += 1;
        }
    }
    counts
}

/// Inserts spoiled rows between the others; each is spoiled in one way only.
pub(super) fn spoil(lines: &mut Vec<Line>, count: u32, random: &mut Random) {
    let room = lines.len().saturating_sub(DESCRIPTORS + 1);
    let mut places: Vec<(usize, usize)> =
        (0..count).map(|_| (DESCRIPTORS + 1 + random.below(room), random.below(KINDS))).collect();
    // From the end, so that the places of the others stay right.
    places.sort();
    for (place, kind) in places.into_iter().rev() {
        let before = &lines[place - 1];
        let minute = before.minute;
        let now = clock(minute);
        let text = match kind {
            0 => format!("{now},HR,999"),
            1 => format!("{now},SysABP,-40"),
            2 => format!("{now},Mood,3"),
            3 => format!("{now};HR;80"),
            4 => format!("{now},Temp,warm"),
            5 => format!("61:{:02},HR,80", minute % 60),
            6 if 0 < minute => format!("{},HR,80", clock(minute - 1)),
            _ => before.text.clone(),
        };
        lines.insert(place, Line { minute, text });
    }
}

/// Impossible high and low, unknown code, malformed, not a number, impossible time, out of order,
/// and there before.
const KINDS: usize = 8;
