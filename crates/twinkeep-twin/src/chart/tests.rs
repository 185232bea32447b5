//! Charts: what they say, and that no input breaks them.

use expect_test::{Expect, expect};
use twinkeep_domain::{Basis, ForecastPoint};

use super::scale::{Scale, decimals, hour_label};
use super::{Chart, Letters, readable_unit, svg, terminal};

fn points() -> Vec<ForecastPoint> {
    let point = |step: u8| {
        let wide = f32::from(step);
        let quantiles =
            [-8.0, -6.0, -3.0, 0.0, 3.0, 6.0, 8.0].map(|q| 80.0 + q * (1.0 + wide / 6.0));
        let outer = [quantiles[0], quantiles[6]];
        ForecastPoint { horizon_hours: wide * 4.0, mean: 80.0, quantiles, outer }
    };
    (1..=6).map(point).collect()
}

fn history() -> Vec<(f32, f32)> {
    (0..12_u8).map(|at| (f32::from(at) * 2.0 - 23.0, 75.0 + f32::from(at * 7 % 5) * 4.0)).collect()
}

fn chart<'a>(history: &'a [(f32, f32)], points: &'a [ForecastPoint]) -> Chart<'a> {
    Chart { title: "Heart rate", unit: "/min", history, points, basis: Basis::Trees }
}

#[track_caller]
fn check(found: &str, expected: Expect) {
    expected.assert_eq(found);
}

#[test]
fn a_terminal_chart_in_ascii_shows_history_now_and_fan() {
    let found = terminal(&chart(&history(), &points()), 72, 12, Letters::Ascii);
    assert!(found.is_ascii() && found.lines().all(|line| line.len() <= 72));
    // The first line keeps `expect!` from taking the chart's own margin away.
    check(
        &format!("chart\n{found}"),
        expect![[r#"
        chart
         Heart rate (/min)
         100 |                                |
             |                                |                     ............
             |     *             *            |     ............................
          90 |           *             *      |    .............................
             |                                |    :::::::::::::::::::::::::::::
             |   *            *             * |    :::::::::::::::::::::::::::::
          80 |        *             *         |    ooooooooooooooooooooooooooooo
             |*             *             *   |    :::::::::::::::::::::::::::::
          70 |                                |    .............................
             |                                |     ............................
             |                                |                     ............
          60 |                                |
             +-------+-------+--------+-------+-------+-------+--------+-------+
                   -18 h   -12 h    -6 h     now    +6 h    +12 h    +18 h +24 h
         Last value 83 /min, 1.0 h ago. In 24 h: median 80 /min, half of all
         cases 74 to 86, nine of ten 64 to 96.
    "#]],
    );
}

#[test]
fn a_terminal_chart_in_unicode_keeps_its_width() {
    for width in [0, 40, 57, 80, 200] {
        let found = terminal(&chart(&history(), &points()), width, 10, Letters::Unicode);
        assert!(
            found.lines().all(|line| line.chars().count() <= width.max(40)),
            "{width}\n{found}"
        );
        assert!(found.contains("now") && found.contains("+24 h"), "{found}");
    }
}

#[test]
fn the_description_says_what_the_picture_shows() {
    check(
        &chart(&history(), &points()).describe(),
        expect![
            "Last value 83 /min, 1.0 h ago. In 24 h: median 80 /min, half of all cases 74 to 86, nine of ten 64 to 96."
        ],
    );
    check(
        &chart(&[], &[]).describe(),
        expect!["No value was observed. Not enough history for a forecast."],
    );
}

#[test]
fn an_svg_has_what_a_screen_reader_needs_and_nothing_a_policy_forbids() {
    let found = svg(&chart(&history(), &points()), "HR");
    for needed in ["role=\"img\"", "<title id=\"chart-HR-title\">Heart rate</title>", "<desc id="] {
        assert!(found.contains(needed), "{needed}");
    }
    assert!(found.contains("aria-labelledby=\"chart-HR-title chart-HR-text\""));
    for forbidden in ["style=", "<style", "<script", "href", "url(", "onload", "NaN", "inf"] {
        assert!(!found.contains(forbidden), "{forbidden}");
    }
    // Two bands and two lines.
    assert_eq!(found.matches("<path").count(), 4);
    assert_eq!(found.matches("<circle").count(), 13);
}

#[test]
fn hostile_words_stay_words() {
    let mut hostile = chart(&[], &[]);
    hostile.title = "</title><script>alert('x')</script>&\u{0}";
    hostile.unit = "\"><b>";
    let found = svg(&hostile, "a\"b c<d>");
    assert!(!found.contains("<script") && !found.contains("<b>") && !found.contains('\u{0}'));
    assert!(found.contains("id=\"chart-abcd-title\""));
    assert!(found.contains("&lt;script&gt;alert(&#39;x&#39;)"));
}

#[test]
fn no_history_and_no_forecast_are_drawn_too() {
    for (history, points) in
        [(vec![], vec![]), (history(), vec![]), (vec![], points()), (vec![(0.0, 5.0)], vec![])]
    {
        let found = svg(&chart(&history, &points), "x");
        assert!(found.ends_with("</svg>\n") && !found.contains("NaN"));
        assert_eq!(found.contains("not enough history"), points.is_empty());
        for letters in [Letters::Unicode, Letters::Ascii] {
            assert!(terminal(&chart(&history, &points), 60, 8, letters).contains("now"));
        }
    }
}

#[test]
fn extreme_values_do_not_break_a_chart() {
    let extremes = [f32::MAX, f32::MIN, 0.0, -0.0, f32::MIN_POSITIVE, f32::NAN, f32::INFINITY];
    for one in extremes {
        for other in extremes {
            let history = [(-5.0, one), (-1.0, other), (0.0, one)];
            let quantiles = [one, one, other, other, other, one, other];
            let outer = [one, other];
            let point =
                |horizon_hours| ForecastPoint { horizon_hours, mean: one, quantiles, outer };
            let points = [point(1.0), point(3.0)];
            let found = svg(&chart(&history, &points), "x");
            assert!(!found.contains("=\"NaN\"") && !found.contains("=\"inf\""), "{one} {other}");
            terminal(&chart(&history, &points), 60, 8, Letters::Unicode);
        }
    }
}

#[test]
fn axes_have_round_ticks_and_hold_every_value() {
    let around = |values: &[f32]| Scale::around(values.iter().copied(), 5.0);
    assert_eq!(around(&[61.0, 99.0]).ticks(), [60.0, 70.0, 80.0, 90.0, 100.0]);
    assert_eq!(around(&[7.31, 7.44]).ticks().len(), 4);
    assert_eq!(around(&[5.0]).ticks().len(), 2);
    let hours = Scale::hours(-23.5, 24.0);
    assert_eq!(hours.ticks(), [-18.0, -12.0, -6.0, 0.0, 6.0, 12.0, 18.0, 24.0]);
    assert_eq!((hours.place(-23.5), hours.place(24.0), hours.place(99.0)), (0.0, 1.0, 1.0));
}

#[test]
fn labels_are_short_and_exact() {
    assert_eq!([1.0, 0.5, 0.25, 0.01].map(decimals), [0, 1, 1, 2]);
    assert_eq!([-6.0, 0.0, 1.5].map(|hours| hour_label(hours, "-")), ["-6 h", "now", "+1.5 h"]);
    let units = ["mm[Hg]", "Cel", "1", "{score}", "10*3/uL", "/min"];
    assert_eq!(units.map(readable_unit), ["mmHg", "°C", "", "", "10^3/uL", "/min"]);
}
