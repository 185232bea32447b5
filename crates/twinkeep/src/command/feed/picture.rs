//! `twinkeep feed show`: a feed in numbers, with bars for what departs.

use twinkeep_app::{FeedPicture, VariableLine};

use super::harmless;
use crate::output::{table, thousands};

/// Lays a feed out for a terminal.
pub(super) fn text(feed: &FeedPicture) -> String {
    let mut lines = vec![
        format!("{} is {}, ingested {}", feed.feed, feed.state, feed.ingested),
        format!(
            "{} rows of {} subjects: {} accepted, {} missing, {} quarantined",
            thousands(feed.read),
            thousands(feed.subjects),
            thousands(feed.accepted),
            thousands(feed.missing),
            thousands(feed.quarantined)
        ),
    ];
    for (reason, count) in &feed.reasons {
        lines.push(format!("  {reason:<22} {:>8}", thousands(*count)));
    }
    lines.push(match feed.history_feed_count {
        0 => "there is no earlier feed to compare it with".to_owned(),
        1 => "compared with 1 earlier feed".to_owned(),
        count => format!("compared with {count} earlier feeds"),
    });
    for reason in &feed.held_because {
        lines.push(format!("held: {}", harmless(reason)));
    }
    for departure in &feed.departures {
        if !feed.held_because.contains(&departure.sentence) {
            lines.push(format!("departs: {}", harmless(&departure.sentence)));
        }
    }
    lines.push(String::new());
    for line in feed.variables.iter().filter(|line| line.departs) {
        lines.extend(bars(line));
    }
    lines.push(variables(&feed.variables));
    lines.join("\n")
}

fn variables(variables: &[VariableLine]) -> String {
    let header = ["code", "unit", "events", "missing", "refused", "median", "before"];
    let rows = variables.iter().map(|line| {
        let median = |quantiles: &Option<[f64; 5]>| quantiles.map(|q| short(q[2]));
        vec![
            harmless(&line.code),
            line.unit.clone(),
            thousands(line.events),
            thousands(line.missing),
            thousands(line.refused),
            median(&line.quantiles).unwrap_or_default(),
            median(&line.quantiles_before).unwrap_or_default(),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

/// Draws the quantiles of a variable above those of earlier feeds, on one scale.
fn bars(line: &VariableLine) -> Vec<String> {
    let both: Vec<&[f64; 5]> = line.quantiles.iter().chain(&line.quantiles_before).collect();
    if both.is_empty() {
        return Vec::new();
    }
    let low = both.iter().map(|quantiles| quantiles[0]).fold(f64::INFINITY, f64::min);
    let high = both.iter().map(|quantiles| quantiles[4]).fold(f64::NEG_INFINITY, f64::max);
    let draw = |name: &str, quantiles: &Option<[f64; 5]>| {
        let Some(quantiles) = quantiles else { return format!("  {name:<7} no values") };
        let at = |value: f64| {
            let share = if low < high { (value - low) / (high - low) } else { 0.5 };
            ((share * (BAR_LEN - 1) as f64).round() as usize).min(BAR_LEN - 1)
        };
        let mut bar = vec![' '; BAR_LEN];
        bar[at(quantiles[0])..=at(quantiles[4])].fill('─');
        bar[at(quantiles[1])..=at(quantiles[3])].fill('▒');
        bar[at(quantiles[2])] = '█';
        let bar: String = bar.into_iter().collect();
        let [low, _, _, _, high] = quantiles.map(short);
        format!("  {name:<7} {bar}  {low} to {high}")
    };
    vec![
        format!("{} ({})", harmless(&line.title), harmless(&line.code)),
        draw("now", &line.quantiles),
        draw("before", &line.quantiles_before),
        String::new(),
    ]
}

/// Writes a number with three digits that mean something.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 12.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// What fits on a line beside its numbers.
const BAR_LEN: usize = 48;
