//! The chart as SVG: one self-contained picture.
//!
//! Only presentation attributes: no style, no script, no font from elsewhere; it can stand in a
//! page under the strictest content security policy. A title and a description say the same in
//! words, for those who cannot see it.

use std::fmt::Write as _;

use twinkeep_domain::ForecastPoint;

use super::Chart;
use super::scale::{Scale, decimals, hour_label};

/// Draws a chart. `id` makes the labels of several charts on one page distinct.
pub fn svg(chart: &Chart<'_>, id: &str) -> String {
    let id: String = id.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    let canvas = Canvas { hours: chart.time_scale(), values: chart.value_scale() };
    let mut out = String::with_capacity(16 * 1024);
    let (title, text) = (escape(chart.title), escape(&chart.describe()));
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"chart-{id}-title chart-{id}-text\" font-family=\"{FONT}\" \
         font-size=\"12\">\n\
         <title id=\"chart-{id}-title\">{title}</title>\n\
         <desc id=\"chart-{id}-text\">{text}</desc>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"10\" fill=\"{PAPER}\"/>\n"
    );
    head(&mut out, chart);
    canvas.axes(&mut out);
    canvas.fan(&mut out, chart.points);
    canvas.now(&mut out);
    canvas.history(&mut out, chart.history);
    canvas.joint(&mut out, chart);
    canvas.ends(&mut out, chart);
    out.push_str("</svg>\n");
    out
}

/// Writes the title, the unit, and the legend.
fn head(out: &mut String, chart: &Chart<'_>) {
    let title = escape(chart.title);
    let unit = escape(&super::readable_unit(chart.unit));
    let gap = if unit.is_empty() { "" } else { "  " };
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"30\" font-size=\"16\" font-weight=\"600\" fill=\"{INK}\">{title}\
         <tspan font-size=\"12\" font-weight=\"400\" fill=\"{QUIET}\" \
         xml:space=\"preserve\">{gap}{unit}</tspan></text>"
    );
    if chart.points.is_empty() {
        let _ = writeln!(
            out,
            "<text x=\"{RIGHT}\" y=\"30\" text-anchor=\"end\" fill=\"{QUIET}\">not enough history \
             for a forecast</text>"
        );
        return;
    }
    let mut x = RIGHT - 194.0;
    for (label, fill, width) in
        [("median", MEDIAN, 66.0), ("50 %", INNER, 54.0), ("90 %", OUTER, 54.0)]
    {
        let (y, height) = if label == "median" { (24.8, 2.4) } else { (21.0, 10.0) };
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y}\" width=\"14\" height=\"{height}\" rx=\"1.2\" \
             fill=\"{fill}\"/><text x=\"{:.1}\" y=\"30\" fill=\"{QUIET}\">{label}</text>",
            x + 19.0
        );
        x += width + 14.0;
    }
}

/// Where things lie.
struct Canvas {
    hours: Scale,
    values: Scale,
}

impl Canvas {
    fn x(&self, hours: f32) -> f32 {
        LEFT + self.hours.place(hours) * (RIGHT - LEFT)
    }

    fn y(&self, value: f32) -> f32 {
        BOTTOM - self.values.place(value) * (BOTTOM - TOP)
    }

    fn axes(&self, out: &mut String) {
        let places = decimals(self.values.step);
        for tick in self.values.ticks() {
            let y = self.y(tick);
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{GRID}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{QUIET}\">{}</text>",
                LEFT - 9.0,
                y + 4.0,
                format!("{tick:.places$}").replace('-', "−")
            );
        }
        for tick in self.hours.ticks() {
            let x = self.x(tick);
            let (fill, weight) = if tick == 0.0 { (INK, 600) } else { (QUIET, 400) };
            let _ = writeln!(
                out,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{BOTTOM}\" y2=\"{:.1}\" \
                 stroke=\"{TICK}\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" \
                 font-weight=\"{weight}\" fill=\"{fill}\">{}</text>",
                BOTTOM + 5.0,
                BOTTOM + 20.0,
                hour_label(tick, "−")
            );
        }
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{BOTTOM}\" y2=\"{BOTTOM}\" stroke=\"{TICK}\"/>"
        );
    }

    fn fan(&self, out: &mut String, points: &[ForecastPoint]) {
        for (low, high, fill) in [(0, 6, OUTER), (2, 4, INNER)] {
            let upper = points.iter().map(|point| (point.horizon_hours, point.quantiles[high]));
            let lower =
                points.iter().rev().map(|point| (point.horizon_hours, point.quantiles[low]));
            let path = self.path(upper.chain(lower));
            if !path.is_empty() {
                let _ = writeln!(out, "<path d=\"{path}Z\" fill=\"{fill}\"/>");
            }
        }
        let median = self.path(points.iter().map(|point| (point.horizon_hours, point.median())));
        if !median.is_empty() {
            let _ = writeln!(
                out,
                "<path d=\"{median}\" fill=\"none\" stroke=\"{MEDIAN}\" stroke-width=\"2.4\" \
                 stroke-linejoin=\"round\" stroke-linecap=\"round\"/>"
            );
        }
    }

    fn now(&self, out: &mut String) {
        let x = self.x(0.0);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\" stroke=\"{NOW}\" \
             stroke-width=\"1.2\" stroke-dasharray=\"3 4\"/>"
        );
    }

    fn history(&self, out: &mut String, history: &[(f32, f32)]) {
        let path = self.path(history.iter().copied());
        if path.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{INK}\" stroke-width=\"1.4\" \
             stroke-opacity=\"0.55\" stroke-linejoin=\"round\"/>"
        );
        let radius = if history.len() <= DOTS_LARGE_MAX { 2.6 } else { 1.7 };
        for &(hours, value) in history {
            let (x, y) = (self.x(hours), self.y(value));
            let _ =
                write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{INK}\"/>");
        }
        out.push('\n');
    }

    /// Joins the last value to the fan, so that the eye does not have to jump.
    fn joint(&self, out: &mut String, chart: &Chart<'_>) {
        let (Some((hours, value)), Some(point)) = (chart.last(), chart.points.first()) else {
            return;
        };
        let _ = writeln!(
            out,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{MEDIAN}\" \
             stroke-width=\"1.6\" stroke-dasharray=\"1.5 4\" stroke-linecap=\"round\"/>",
            self.x(hours),
            self.y(value),
            self.x(point.horizon_hours),
            self.y(point.median())
        );
    }

    /// Writes the last value above its point, and beside the fan where it ends.
    fn ends(&self, out: &mut String, chart: &Chart<'_>) {
        let places = chart.decimals();
        if let Some((hours, value)) = chart.last() {
            let (x, y) = (self.x(hours), self.y(value));
            let _ = writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.2\" fill=\"{PAPER}\" stroke=\"{INK}\" \
                 stroke-width=\"2\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" \
                 font-weight=\"600\" fill=\"{INK}\" stroke=\"{PAPER}\" stroke-width=\"3\" \
                 paint-order=\"stroke\">{}</text>",
                (y - 11.0).max(TOP + 10.0),
                format!("{value:.places$}").replace('-', "−")
            );
        }
        let Some(point) = chart.points.last() else { return };
        let rows = [(6, QUIET, 400), (3, MEDIAN, 600), (0, QUIET, 400)];
        let mut floor = TOP - LINE;
        for (lane, fill, weight) in rows {
            let value = point.quantiles[lane];
            // Labels that would overlap are moved down, one line each.
            let y = (self.y(value) + 4.0).max(floor + LINE);
            floor = y;
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{y:.1}\" font-size=\"11\" font-weight=\"{weight}\" \
                 fill=\"{fill}\">{}</text>",
                RIGHT + 7.0,
                format!("{value:.places$}").replace('-', "−")
            );
        }
    }

    fn path(&self, points: impl Iterator<Item = (f32, f32)>) -> String {
        let mut path = String::new();
        for (hours, value) in points {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(hours), self.y(value));
        }
        path
    }
}

/// Writes text from outside so that it cannot end the markup that it stands in.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no way to write most control characters.
            _ if letter.is_control() => out.push(' '),
            _ => out.push(letter),
        }
    }
    out
}

const WIDTH: f32 = 760.0;
const HEIGHT: f32 = 320.0;
const LEFT: f32 = 62.0;
const RIGHT: f32 = 706.0;
const TOP: f32 = 52.0;
const BOTTOM: f32 = 280.0;
const LINE: f32 = 13.0;

/// Up to this many values are drawn with large dots.
const DOTS_LARGE_MAX: usize = 60;

/// Fonts that systems have.
pub(super) const FONT: &str =
    "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";
pub(super) const PAPER: &str = "#ffffff";
pub(super) const INK: &str = "#1e2a3a";
pub(super) const QUIET: &str = "#5b6b7f";
pub(super) const GRID: &str = "#eef1f5";
pub(super) const TICK: &str = "#c3ccd6";
const NOW: &str = "#8a98a8";
const OUTER: &str = "#dbeaf7";
pub(super) const INNER: &str = "#a9cdeb";
pub(super) const MEDIAN: &str = "#1668b3";
