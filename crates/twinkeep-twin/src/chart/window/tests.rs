//! What is asked about a window is drawn on one scale, in both forms, and breaks on no input.

use expect_test::{Expect, expect};
use twinkeep_domain::{
    Basis, Code, CodePattern, EventPlan, EventPoint, ForecastPoint, WindowAnswer, WindowForecast,
    WindowKind, WindowTarget,
};

use super::{WindowChart, duration};
use crate::chart::Letters;

fn target(kind: WindowKind) -> WindowTarget {
    WindowTarget {
        code: Code::new("Target").unwrap(),
        title: "Target <&>".to_owned(),
        codes: vec![CodePattern::new("buy").unwrap()],
        window_hours: 672.0,
        kind,
    }
}

fn forecast(before: f32, answer: WindowAnswer) -> WindowForecast {
    WindowForecast { code: Code::new("Target").unwrap(), basis: Basis::Trees, before, answer }
}

fn total(before: f32, mean: f32, quantiles: [f32; 7]) -> WindowChart {
    let point = ForecastPoint {
        horizon_hours: 672.0,
        mean,
        quantiles,
        outer: [quantiles[0], quantiles[6]],
    };
    let forecast = forecast(before, WindowAnswer::Total(point));
    WindowChart::new(&target(WindowKind::Sum), "EUR", &forecast).unwrap()
}

fn event(probabilities: &[f32]) -> WindowChart {
    let horizons_hours: Vec<f32> =
        (1..).map(|at| 168.0 * at as f32).take(probabilities.len()).collect();
    let point = |(&probability, &horizon_hours): (&f32, &f32)| EventPoint {
        horizon_hours,
        probability,
        competing: vec![0.02],
    };
    let points = probabilities.iter().zip(&horizons_hours).map(point).collect();
    let competing = vec![CodePattern::new("DEATH*").unwrap()];
    let plan = EventPlan { horizons_hours, competing, once: false, absent: false };
    let forecast = forecast(0.0, WindowAnswer::Event(points));
    WindowChart::new(&target(WindowKind::Event(plan)), "1", &forecast).unwrap()
}

#[track_caller]
fn check(found: &str, expected: Expect) {
    expected.assert_eq(found);
}

#[test]
fn an_amount_is_drawn_beside_the_window_before_and_with_its_interval() {
    let chart = total(80.0, 123.456, [0.0, 1.0, 20.5, 90.0, 200.0, 400.0, 512.0]);
    let found = chart.terminal(60, Letters::Ascii);
    assert!(found.is_ascii() && found.lines().all(|line| line.len() <= 60), "{found}");
    check(
        &format!("chart\n{found}"),
        expect![[r#"
        chart
         Target <&> within 28 days
                    before ####                     80 EUR
                  expected ######                   123.46 EUR
         half of all cases  ########                20.5 to 200 EUR
               nine of ten ######################## 0 to 512 EUR
    "#]],
    );
    assert!(chart.describe().starts_with("before: 80 EUR; expected: 123.46 EUR;"));
}

#[test]
fn a_probability_is_drawn_on_the_whole_scale_by_horizon() {
    let found = event(&[0.03, 0.4]).terminal(60, Letters::Unicode);
    check(
        &format!("chart\n{found}"),
        expect![[r#"
        chart
         Target <&> within 28 days
          within 7 days █                                    3.0 %
         within 14 days ██████████████                       40.0 %
           DEATH* first █                                    2.0 %
    "#]],
    );
}

#[test]
fn an_svg_is_well_formed_and_says_the_same_in_words() {
    for chart in [total(1.0, 2.0, [0.0; 7]), event(&[0.5])] {
        let svg = chart.svg("a\"b<c");
        assert!(
            svg.contains("<title id=\"window-abc-title\">Target &lt;&amp;&gt; within"),
            "{svg}"
        );
        assert!(!svg.contains("style=") && !svg.contains("<script") && !svg.contains("<&>"));
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }
}

#[test]
fn without_a_forecast_there_is_no_chart_and_hours_are_said_as_people_do() {
    let none = forecast(1.0, WindowAnswer::None);
    assert_eq!(WindowChart::new(&target(WindowKind::Sum), "EUR", &none), None);
    assert_eq!((duration(672.0), duration(36.0)), ("28 days".to_owned(), "36 hours".to_owned()));
}

#[test]
fn no_number_breaks_a_chart() {
    let odd = [0.0, -1.0, 1e-45, f32::MAX, f32::MIN, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    for one in odd {
        for other in odd {
            let quantiles = [one, other, one, other, one, other, one];
            for chart in [total(one, other, quantiles), event(&[one, other]), event(&[])] {
                for width in [0, 41, 500] {
                    assert!(chart.terminal(width, Letters::Ascii).is_ascii());
                }
                let svg = chart.svg("x");
                assert!(!svg.contains("NaN\"") && !svg.contains("inf\""), "{svg}");
            }
        }
    }
}
