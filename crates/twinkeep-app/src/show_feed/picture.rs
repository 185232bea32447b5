//! The picture of a feed as SVG: for each variable its quantiles, above those of earlier feeds.
//!
//! Only presentation attributes: no style, no script, nothing from elsewhere.

use std::fmt::Write as _;

use twinkeep_twin::chart::escape;

use super::{FeedPicture, VariableLine};

/// Draws a feed.
pub(super) fn svg(feed: &FeedPicture) -> String {
    let drawn: Vec<&VariableLine> =
        feed.variables.iter().filter(|line| line.departs || line.quantiles.is_some()).collect();
    let drawn = &drawn[..drawn.len().min(ROW_COUNT_MAX)];
    let reasons = feed.departures.len().min(REASON_COUNT_MAX) as f64;
    let top = TOP + reasons * LINE;
    let height = top + drawn.len() as f64 * ROW + LINE;
    let mut out = String::with_capacity(1 << 14);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <title>{name}</title>\n\
         <desc>Quantiles of each variable, above those of earlier feeds of the sender</desc>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"28\" font-size=\"16\" font-weight=\"600\">{name} is {state}</text>\n\
         <text x=\"16\" y=\"48\" fill=\"{QUIET}\">Each bar: 5, 25, 50, 75, and 95 % of the values; \
         below it, of {count} earlier feeds</text>\n",
        name = escape(&feed.feed),
        state = escape(&feed.state),
        count = feed.history_feed_count,
    );
    for (line, departure) in feed.departures.iter().take(REASON_COUNT_MAX).enumerate() {
        let y = TOP + line as f64 * LINE;
        let sentence = escape(&departure.sentence);
        let _ = writeln!(out, "<text x=\"16\" y=\"{y}\" fill=\"{ALARM}\">{sentence}</text>");
    }
    for (row, line) in drawn.iter().enumerate() {
        variable(&mut out, line, top + row as f64 * ROW);
    }
    out.push_str("</svg>\n");
    out
}

fn variable(out: &mut String, line: &VariableLine, y: f64) {
    let color = if line.departs { ALARM } else { INK };
    let _ = writeln!(
        out,
        "<text x=\"16\" y=\"{}\" fill=\"{color}\">{}</text>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"{QUIET}\">{} {}</text>",
        y + 14.0,
        escape(&shorten(&line.title)),
        LEFT - 12.0,
        y + 14.0,
        line.events,
        escape(&line.unit),
    );
    let both = || line.quantiles.iter().chain(&line.quantiles_before);
    let low = both().map(|quantiles| quantiles[0]).fold(f64::INFINITY, f64::min);
    let high = both().map(|quantiles| quantiles[4]).fold(f64::NEG_INFINITY, f64::max);
    let span = if low < high { high - low } else { 1.0 };
    let at = |value: f64| LEFT + (value - low) / span * (RIGHT - LEFT);
    let bars = [(line.quantiles, y + 4.0, color), (line.quantiles_before, y + 14.0, QUIET)];
    for (quantiles, y, color) in bars {
        let Some(quantiles) = quantiles else { continue };
        let [low, quarter, median, third, high] = quantiles.map(at);
        let _ = writeln!(
            out,
            "<line x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{m:.1}\" y2=\"{m:.1}\" stroke=\"{color}\"/>\
             <rect x=\"{quarter:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"8\" \
             fill=\"{color}\" fill-opacity=\"0.35\"/>\
             <line x1=\"{median:.1}\" x2=\"{median:.1}\" y1=\"{y:.1}\" y2=\"{end:.1}\" \
             stroke=\"{color}\" stroke-width=\"2\"/>",
            m = y + 4.0,
            width = (third - quarter).max(1.0),
            end = y + 8.0,
        );
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= TITLE_LEN_MAX {
        return text.to_owned();
    }
    text.chars().take(TITLE_LEN_MAX - 1).chain(['…']).collect()
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 400.0;
const RIGHT: f64 = 844.0;
const TOP: f64 = 72.0;
const LINE: f64 = 18.0;
const ROW: f64 = 30.0;
const INK: &str = "#1f2937";
const QUIET: &str = "#6b7280";
const ALARM: &str = "#b91c1c";

/// What fits beside the count.
const TITLE_LEN_MAX: usize = 36;

/// A picture with more is not looked at.
const ROW_COUNT_MAX: usize = 60;
const REASON_COUNT_MAX: usize = 12;
