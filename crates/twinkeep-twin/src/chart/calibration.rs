//! The calibration of a model as SVG: what its quantiles promise against what was observed.
//!
//! A point on the diagonal is a promise kept. As [`super::svg`], only presentation attributes.

use std::fmt::Write as _;

use twinkeep_domain::QUANTILES;

use super::svg::{GRID, INK, MEDIAN, PAPER, QUIET, TICK, escape};

/// What one line shows.
#[derive(Clone, Copy, Debug)]
pub struct CalibrationLine<'a> {
    /// What was forecast.
    pub title: &'a str,
    /// For each quantile, the share of the observed values that are not above it.
    pub observed: &'a [f64],
}

/// Draws the calibration of a target, or of all of them. `id` makes the labels of several pictures
/// on one page distinct.
pub fn calibration_svg(line: CalibrationLine<'_>, id: &str) -> String {
    let id: String = id.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    let (title, text) = (escape(line.title), describe(line));
    let mut out = String::with_capacity(4096);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SIZE} {SIZE}\" role=\"img\" \
         aria-labelledby=\"calibration-{id}-title calibration-{id}-text\" font-family=\"system-ui, \
         -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" font-size=\"10\">\n\
         <title id=\"calibration-{id}-title\">{title}</title>\n\
         <desc id=\"calibration-{id}-text\">{text}</desc>\n\
         <rect width=\"{SIZE}\" height=\"{SIZE}\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <text x=\"{LOW}\" y=\"18\" font-size=\"12\" font-weight=\"600\" fill=\"{INK}\">{title}\
         </text>\n"
    );
    axes(&mut out);
    let points: Vec<(f64, f64)> =
        QUANTILES.iter().zip(line.observed).map(|(&p, &share)| (f64::from(p), share)).collect();
    let mut path = String::new();
    for &(p, share) in &points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{:.1} {:.1}", x(p), y(share));
    }
    if !path.is_empty() {
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{MEDIAN}\" stroke-width=\"1.8\"/>"
        );
    }
    for (p, share) in points {
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{MEDIAN}\"/>",
            x(p),
            y(share)
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Says in words what the picture shows.
fn describe(line: CalibrationLine<'_>) -> String {
    if line.observed.is_empty() {
        return "No value was observed.".to_owned();
    }
    let part = |(&p, &share): (&f32, &f64)| {
        format!("{:.0} % promised, {:.1} % observed", 100.0 * p, 100.0 * share)
    };
    let parts: Vec<String> = QUANTILES.iter().zip(line.observed).map(part).collect();
    format!("{}.", parts.join("; "))
}

fn axes(out: &mut String) {
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (across, down) = (x(tick), y(tick));
        let _ = writeln!(
            out,
            "<line x1=\"{LOW}\" x2=\"{HIGH}\" y1=\"{down:.1}\" y2=\"{down:.1}\" stroke=\"{GRID}\"/>\
             <line x1=\"{across:.1}\" x2=\"{across:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\" \
             stroke=\"{GRID}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" \
             fill=\"{QUIET}\">{percent:.0}</text><text x=\"{across:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\" fill=\"{QUIET}\">{percent:.0}</text>",
            LOW - 5.0,
            down + 3.5,
            BOTTOM + 14.0,
            percent = 100.0 * tick,
        );
    }
    let _ = writeln!(
        out,
        "<line x1=\"{LOW}\" x2=\"{HIGH}\" y1=\"{BOTTOM}\" y2=\"{TOP}\" stroke=\"{TICK}\" \
         stroke-dasharray=\"3 3\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" \
         fill=\"{QUIET}\">promised, %</text>",
        (LOW + HIGH) / 2.0,
        SIZE - 5.0,
    );
}

fn x(share: f64) -> f64 {
    LOW + share.clamp(0.0, 1.0) * (HIGH - LOW)
}

fn y(share: f64) -> f64 {
    BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
}

const SIZE: f64 = 220.0;
const LOW: f64 = 32.0;
const HIGH: f64 = 208.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 184.0;

#[cfg(test)]
mod tests {
    use super::{CalibrationLine, calibration_svg};

    #[test]
    fn a_picture_says_in_words_what_it_shows_and_runs_nothing() {
        let observed = [0.04, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97];
        let line = CalibrationLine { title: "<b>Heart & rate", observed: &observed };
        let svg = calibration_svg(line, "hr\"1");
        assert!(svg.contains("5 % promised, 4.0 % observed; "), "{svg}");
        assert!(svg.contains("&lt;b&gt;Heart &amp; rate") && !svg.contains("<b>"), "{svg}");
        assert!(svg.contains("id=\"calibration-hr1-title\""), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 7);
        for word in ["<script", "style=", "href", "url("] {
            assert!(!svg.contains(word), "{word}");
        }
    }

    #[test]
    fn nothing_observed_is_an_empty_picture() {
        let svg = calibration_svg(CalibrationLine { title: "Lactate", observed: &[] }, "x");
        assert!(svg.contains("No value was observed.") && !svg.contains("<circle"));
    }
}
