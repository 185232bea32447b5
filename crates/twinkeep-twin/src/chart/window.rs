//! Charts of what is asked about a window: an amount with its interval, or a probability by
//! horizon. Bars beside each other, drawn as an SVG and as text from the same rows.

use std::fmt::Write as _;

use twinkeep_domain::{WindowAnswer, WindowForecast, WindowKind, WindowTarget};

use super::svg::{FONT, GRID, INK, INNER, MEDIAN, PAPER, QUIET, escape};
use super::{Letters, readable_unit};

/// What a chart of a window shows: a few rows on one scale that begins at 0.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowChart {
    title: String,
    full: f32,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    label: String,
    mark: Mark,
    /// What the mark says, in words.
    text: String,
}

/// Places on the scale.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    /// From 0 to here: what is expected.
    Expected(f32),
    /// From 0 to here: what it is compared with.
    Beside(f32),
    /// From here to there.
    Span(f32, f32),
}

impl WindowChart {
    /// Puts together what a chart of one window target shows; `None` if there is no forecast.
    /// `unit` is that of a sum or a count, in UCUM.
    pub fn new(target: &WindowTarget, unit: &str, forecast: &WindowForecast) -> Option<Self> {
        let window = duration(target.window_hours);
        let rows = match &forecast.answer {
            WindowAnswer::None => return None,
            WindowAnswer::Total(point) => {
                let unit = readable_unit(unit);
                let say = |value: f32| match unit.as_str() {
                    "" => short(value),
                    unit => format!("{} {unit}", short(value)),
                };
                let q = point.quantiles;
                let span = |label: &str, low: f32, high: f32| Row {
                    label: label.to_owned(),
                    mark: Mark::Span(low, high),
                    text: format!("{} to {}", short(low), say(high)),
                };
                vec![
                    Row {
                        label: "before".to_owned(),
                        mark: Mark::Beside(forecast.before),
                        text: say(forecast.before),
                    },
                    Row {
                        label: "expected".to_owned(),
                        mark: Mark::Expected(point.mean),
                        text: say(point.mean),
                    },
                    span("half of all cases", q[2], q[4]),
                    span("nine of ten", q[0], q[6]),
                ]
            }
            WindowAnswer::Event(points) => {
                let percent = |label: String, probability: f32, own: bool| Row {
                    label,
                    mark: match own {
                        true => Mark::Expected(100.0 * probability),
                        false => Mark::Beside(100.0 * probability),
                    },
                    text: format!("{:.1} %", 100.0 * probability),
                };
                let within = |point: &twinkeep_domain::EventPoint| {
                    let label = format!("within {}", duration(point.horizon_hours));
                    percent(label, point.probability, true)
                };
                let mut rows: Vec<Row> = points.iter().map(within).collect();
                let competing = match &target.kind {
                    WindowKind::Event(plan) => plan.competing.as_slice(),
                    _ => &[],
                };
                let last = points.last().map_or(&[][..], |point| &point.competing);
                for (pattern, &probability) in competing.iter().zip(last) {
                    rows.push(percent(format!("{pattern} first"), probability, false));
                }
                rows
            }
        };
        let most = rows.iter().map(|row| row.mark.end()).fold(0.0, f32::max);
        let is_event = matches!(forecast.answer, WindowAnswer::Event(_));
        // Probabilities are shown on the whole scale: 3 % must not look like much.
        let full = if is_event { 100.0 } else { most.max(f32::MIN_POSITIVE) };
        Some(Self { title: format!("{} within {window}", target.title), full, rows })
    }

    /// Says in words what the chart shows.
    pub fn describe(&self) -> String {
        let rows = self.rows.iter().map(|row| format!("{}: {}", row.label, row.text));
        format!("{}.", rows.collect::<Vec<_>>().join("; "))
    }

    /// Draws it as SVG. `id` makes the labels of several charts on one page distinct.
    pub fn svg(&self, id: &str) -> String {
        let height = TOP + ROW * self.rows.len() as f32 + BOTTOM;
        let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let mut out = String::new();
        let title = escape(&self.title);
        // Writing into a `String` cannot fail.
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-labelledby=\"window-{id}-title window-{id}-text\" font-family=\"{FONT}\" \
             font-size=\"12\">\n<title id=\"window-{id}-title\">{title}</title>\n\
             <desc id=\"window-{id}-text\">{}</desc>\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"10\" fill=\"{PAPER}\"/>\n\
             <text x=\"16\" y=\"30\" font-size=\"16\" font-weight=\"600\" \
             fill=\"{INK}\">{title}</text>\n",
            escape(&self.describe())
        );
        for (at, row) in self.rows.iter().enumerate() {
            self.svg_row(&mut out, TOP + ROW * at as f32, row);
        }
        out.push_str("</svg>\n");
        out
    }

    fn svg_row(&self, out: &mut String, y: f32, row: &Row) {
        let place = |value: f32| LEFT + self.share(value) * (RIGHT - LEFT);
        let (from, to) = (place(row.mark.start()), place(row.mark.end()));
        let (middle, bar) = (y + ROW / 2.0, y + 4.0);
        let width = (to - from).max(1.0);
        let fill = if matches!(row.mark, Mark::Expected(_)) { MEDIAN } else { INNER };
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"{QUIET}\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{bar}\" width=\"{}\" height=\"{BAR}\" fill=\"{GRID}\"/>\
             <rect x=\"{from:.1}\" y=\"{bar}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{INK}\">{}</text>",
            LEFT - 10.0,
            middle + 4.0,
            escape(&row.label),
            RIGHT - LEFT,
            RIGHT + 10.0,
            middle + 4.0,
            escape(&row.text)
        );
    }

    /// Draws it in lines of at most `width` letters; below 40, as 40.
    pub fn terminal(&self, width: usize, letters: Letters) -> String {
        let count = |text: &str| text.chars().count();
        let label = self.rows.iter().map(|row| count(&row.label)).max().unwrap_or(0);
        let text = self.rows.iter().map(|row| count(&row.text)).max().unwrap_or(0);
        let bar = width.clamp(40, 400).saturating_sub(label + text + 4).clamp(8, 60);
        let full = if letters == Letters::Unicode { '█' } else { '#' };
        let mut out = format!(" {}\n", self.title);
        for row in &self.rows {
            let cell = |value: f32| (self.share(value) * bar as f32).round() as usize;
            let (from, to) = (cell(row.mark.start()), cell(row.mark.end()));
            let drawn: String =
                (0..bar).map(|at| if from <= at && at < to { full } else { ' ' }).collect();
            let name = &row.label;
            let line = format!(" {name:>label$} {drawn} {}", row.text);
            out.push_str(line.trim_end());
            out.push('\n');
        }
        if letters == Letters::Ascii { super::terminal::to_ascii(&out) } else { out }
    }

    fn share(&self, value: f32) -> f32 {
        let share = value / self.full;
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }
}

impl Mark {
    fn start(self) -> f32 {
        if let Self::Span(low, _) = self { low } else { 0.0 }
    }

    fn end(self) -> f32 {
        match self {
            Self::Expected(value) | Self::Beside(value) => value,
            Self::Span(_, high) => high,
        }
    }
}

/// Writes hours as people say them.
pub fn duration(hours: f32) -> String {
    if 48.0 <= hours && hours % 24.0 == 0.0 {
        return format!("{:.0} days", hours / 24.0);
    }
    format!("{} hours", short(hours))
}

/// At most two decimals, and none that say nothing.
pub fn short(value: f32) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const WIDTH: f32 = 760.0;
const LEFT: f32 = 190.0;
const RIGHT: f32 = 560.0;
const TOP: f32 = 44.0;
const ROW: f32 = 28.0;
const BAR: f32 = 18.0;
const BOTTOM: f32 = 14.0;

#[cfg(test)]
mod tests;
