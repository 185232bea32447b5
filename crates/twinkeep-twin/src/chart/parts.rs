//! What a forecast is made of, as bars to both sides of zero.

use std::fmt::Write as _;

use super::svg::{FONT, GRID, INK, INNER, MEDIAN, PAPER, QUIET, TICK, escape};

/// One part of a sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What adds it.
    pub label: String,
    /// How much.
    pub amount: f32,
    /// The amount in words.
    pub text: String,
}

/// Draws the parts of a sum as SVG, one row each, in the order in which they come.
pub fn parts_svg(title: &str, parts: &[Part]) -> String {
    let height = TOP + ROW * parts.len() as f32 + BOTTOM;
    let most = parts.iter().map(|part| part.amount.abs()).filter(|amount| amount.is_finite());
    let most = most.fold(f32::MIN_POSITIVE, f32::max);
    let middle = (LEFT + RIGHT) / 2.0;
    let said = parts.iter().map(|part| format!("{}: {}", part.label, part.text));
    let said = said.collect::<Vec<_>>().join("; ");
    let (title, said) = (escape(title), escape(&said));
    let mut out = String::new();
    // Writing into a `String` cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"parts-title parts-text\" font-family=\"{FONT}\" font-size=\"12\">\n\
         <title id=\"parts-title\">{title}</title>\n<desc id=\"parts-text\">{said}</desc>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"10\" fill=\"{PAPER}\"/>\n\
         <text x=\"16\" y=\"30\" font-size=\"16\" font-weight=\"600\" fill=\"{INK}\">{title}</text>\n"
    );
    for (at, part) in parts.iter().enumerate() {
        let y = TOP + ROW * at as f32;
        let share = (part.amount / most).clamp(-1.0, 1.0);
        let share = if share.is_nan() { 0.0 } else { share };
        let end = middle + share * (RIGHT - LEFT) / 2.0;
        let (from, width) = (middle.min(end), (end - middle).abs().max(1.0));
        let fill = if share < 0.0 { INNER } else { MEDIAN };
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"{QUIET}\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"{BAR}\" fill=\"{GRID}\"/>\
             <rect x=\"{from:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{INK}\">{}</text>",
            LEFT - 10.0,
            y + 16.0,
            escape(&part.label),
            y + 4.0,
            RIGHT - LEFT,
            y + 4.0,
            RIGHT + 10.0,
            y + 16.0,
            escape(&part.text)
        );
    }
    let _ = writeln!(
        out,
        "<line x1=\"{middle}\" x2=\"{middle}\" y1=\"{TOP}\" y2=\"{}\" stroke=\"{TICK}\"/></svg>",
        height - BOTTOM
    );
    out
}

const WIDTH: f32 = 760.0;
const LEFT: f32 = 370.0;
const RIGHT: f32 = 630.0;
const TOP: f32 = 44.0;
const ROW: f32 = 24.0;
const BAR: f32 = 16.0;
const BOTTOM: f32 = 14.0;

#[cfg(test)]
mod tests {
    use super::{Part, parts_svg};

    #[test]
    fn parts_are_drawn_to_their_side_and_nothing_ends_the_markup() {
        let part = |label: &str, amount: f32| Part {
            label: label.to_owned(),
            amount,
            text: format!("{amount:+.1}"),
        };
        let parts =
            [part("a <b>", 2.0), part("c", -1.0), part("d", f32::NAN), part("e", f32::INFINITY)];
        let svg = parts_svg("Why \"so\"", &parts);
        assert!(svg.contains("a &lt;b&gt;") && svg.contains("Why &quot;so&quot;"), "{svg}");
        // To the right of the middle, and half as far to the left.
        assert!(svg.contains("x=\"500.0\" y=\"48\" width=\"130.0\""), "{svg}");
        assert!(svg.contains("x=\"435.0\" y=\"72\" width=\"65.0\""), "{svg}");
        assert!(!svg.contains("width=\"NaN") && !svg.contains("width=\"inf"), "{svg}");
        assert!(parts_svg("", &[]).ends_with("</svg>\n"));
    }
}
