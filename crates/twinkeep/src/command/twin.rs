//! `twinkeep twin list|show|history|forecast|changes|explain|simulate|whatif|similar`.

mod changes;
mod similar;
mod simulate;
mod what_if;

use std::io::IsTerminal as _;
use std::path::Path;

use twinkeep_app::{
    AppError, BackTestAnswer, Caller, ExplainAnswer, ExplainRequest, FollowRequest, ForecastAnswer,
    HistoryRequest, Letters, PointAnswer, Receipt, TerminalSize, TwinForecastRequest, TwinHistory,
    TwinList, TwinReport, draw_twin, explain_twin, fhir_bundle, forecast_twin, list_twins,
    show_history, show_twin, write_receipt,
};
use twinkeep_vault::files::{PRIVATE_FILE, write_atomic};

use crate::cli::{Global, TwinCommand};
use crate::command::feed::harmless;
use crate::output::{Output, table, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &TwinCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let operator = Caller::operator();
    match args {
        TwinCommand::List { limit, after } => {
            out.result(&list_twins(&app, &operator, after.as_deref(), *limit)?, list)
        }
        TwinCommand::Show { subject, at } => {
            out.result(&show_twin(&app, &operator, subject, at.unwrap_or_default())?, show)
        }
        TwinCommand::History { subject, from, to, code, limit, after } => {
            let request = HistoryRequest {
                from: *from,
                until: *to,
                code: code.clone(),
                after: after.clone(),
                limit: Some(*limit),
            };
            out.result(&show_history(&app, &operator, subject, &request)?, history)
        }
        TwinCommand::Forecast { subject, target, at, svg, receipt, fhir } => {
            let at = at.unwrap_or_default();
            let request =
                TwinForecastRequest { at, horizons_hours: vec![], receipt: receipt.is_some() };
            let Some(code) = target else {
                let mut answer = forecast_twin(&app, &operator, subject, &request)?;
                keep_receipt(receipt.as_deref(), answer.receipt.take(), out)?;
                if *fhir {
                    let pretty = |bundle: &_| serde_json::to_string_pretty(bundle);
                    return out.result(&fhir_bundle(app.pack(), &answer), |bundle| {
                        pretty(bundle).unwrap_or_default()
                    });
                }
                return out.result(&answer, forecast);
            };
            let size = terminal_size();
            let drawing = draw_twin(&app, &operator, subject, &request, Some(code.as_str()), size)?;
            if let (Some(path), Some(chart)) = (svg, drawing.charts.first()) {
                write_svg(path, &chart.svg)?;
                out.remark(&format!("wrote `{}`: it shows a person's values", path.display()));
            }
            out.result(&drawing, |drawing| match drawing.charts.as_slice() {
                [] => windows(&drawing.answer, Some(code.as_str())),
                charts => charts.iter().map(|chart| chart.text.as_str()).collect(),
            })
        }
        TwinCommand::Changes { subject, after, forecast, once } => {
            let (subject, after) = (subject.clone(), after.clone());
            let request = FollowRequest { subject, after, forecast: *forecast };
            changes::follow(&app, &request, *once, out)
        }
        TwinCommand::Explain { subject, target, ahead, at, drivers, receipt } => {
            let request = ExplainRequest {
                target: target.clone(),
                ahead_hours: *ahead,
                at: at.unwrap_or_default(),
                drivers_max: Some(*drivers),
                receipt: receipt.is_some(),
            };
            let mut answer = explain_twin(&app, &operator, subject, &request)?;
            keep_receipt(receipt.as_deref(), answer.receipt.take(), out)?;
            out.result(&answer, explain)
        }
        TwinCommand::Simulate(args) => simulate::run(&app, args, out),
        TwinCommand::Whatif(args) => what_if::run(&app, args, out),
        TwinCommand::Similar(args) => similar::run(&app, args, out),
    }
}

/// Writes the receipt of an answer, if one was asked for.
fn keep_receipt(
    path: Option<&Path>,
    receipt: Option<Receipt>,
    out: &Output,
) -> Result<(), AppError> {
    let (Some(path), Some(receipt)) = (path, receipt) else { return Ok(()) };
    write_receipt(path, &receipt)?;
    out.remark(&format!("wrote the receipt to `{}`", path.display()));
    Ok(())
}

fn write_svg(path: &Path, svg: &str) -> Result<(), AppError> {
    write_atomic(path, svg.as_bytes(), PRIVATE_FILE).map_err(|error| {
        AppError::environment("svg-write", format!("cannot write `{}`", path.display()))
            .because(error)
    })
}

/// As wide as the terminal; ASCII where the locale does not promise more.
fn terminal_size() -> TerminalSize {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok());
    let unicode = locale.is_some_and(|locale| locale.to_ascii_lowercase().contains("utf"));
    let width = if std::io::stdout().is_terminal() {
        rustix::termios::tcgetwinsize(std::io::stdout()).map_or(80, |size| size.ws_col as usize)
    } else {
        80
    };
    let letters = if unicode { Letters::Unicode } else { Letters::Ascii };
    TerminalSize { width, letters, ..TerminalSize::default() }
}

fn list(list: &TwinList) -> String {
    let header = ["subject", "events", "split"].map(str::to_owned).to_vec();
    let rows = list
        .twins
        .iter()
        .map(|twin| vec![twin.subject.clone(), thousands(twin.event_count), twin.split.to_owned()]);
    let mut text = table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    if let Some(next) = &list.next {
        text.push_str(&format!("more: twinkeep twin list --after {next}\n"));
    }
    text
}

fn show(report: &TwinReport) -> String {
    let header =
        ["code", "", "last", "unit", "hours old", "values", "per hour"].map(str::to_owned).to_vec();
    let rows = report.variables.iter().map(|variable| {
        vec![
            variable.code.clone(),
            variable.title.clone(),
            format!("{:.4}", variable.last).trim_end_matches('0').trim_end_matches('.').to_owned(),
            variable.unit.clone(),
            variable.age_hours.map_or_else(|| "-".to_owned(), |age| format!("{age:.1}")),
            variable.count.to_string(),
            variable.trend_per_hour.map_or_else(|| "-".to_owned(), |trend| format!("{trend:.3}")),
        ]
    });
    let then = report.at.as_ref().map(|at| format!(", as known at {at}")).unwrap_or_default();
    format!(
        "{}{then}: {} events, {} to {}\n{}",
        report.subject,
        thousands(report.event_count as u64),
        report.start.as_deref().unwrap_or("-"),
        report.end.as_deref().unwrap_or("-"),
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
    )
}

/// One line an event.
fn history(history: &TwinHistory) -> String {
    let header = ["time", "code", "value", "unit", "text"].map(str::to_owned).to_vec();
    let rows = history.events.iter().map(|event| {
        vec![
            event.time.clone().unwrap_or_else(|| "always".to_owned()),
            event.code.clone(),
            event.value.map(|value| value.to_string()).unwrap_or_default(),
            event.unit.clone().unwrap_or_default(),
            event.text.as_deref().map(harmless).unwrap_or_default(),
        ]
    });
    let mut text = table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    if let Some(next) = &history.next {
        text.push_str(&format!("more: --after {next}\n"));
    }
    text
}

/// One line a value: now, at the next step, and at the horizon; then what is about a window.
fn forecast(answer: &ForecastAnswer) -> String {
    let header = [
        "code",
        "unit",
        "last",
        "hours old",
        "next median",
        "at horizon",
        "90 % interval",
        "basis",
    ];
    let values = answer.targets.iter().filter(|target| target.window_hours.is_none());
    let rows = values.map(|target| {
        let dash = || "-".to_owned();
        let last = target.last.as_ref();
        let first = target.points.first();
        let end = target.points.last();
        vec![
            target.code.clone(),
            target.unit.clone(),
            last.map_or_else(dash, |last| format!("{}", last.value)),
            last.map_or_else(dash, |last| format!("{:.1}", last.age_hours)),
            first.map_or_else(dash, |point| format!("{}", point.q50)),
            end.map_or_else(dash, |point| format!("{}", point.q50)),
            end.and_then(PointAnswer::range_90).unwrap_or_else(dash),
            target.basis.to_owned(),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    format!(
        "{}made for {}{} by {}\n{}{}{}",
        answer.subject.as_ref().map(|subject| format!("{subject}, ")).unwrap_or_default(),
        answer.prediction_time,
        if answer.looks_back { " (looking back: from what was known then)" } else { "" },
        answer.model,
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
        windows(answer, None),
        answer.notice,
    )
}

/// One paragraph a target that is about a window, in words: one of them, or all.
fn windows(answer: &ForecastAnswer, only: Option<&str>) -> String {
    let mut text = String::new();
    let asked = answer.targets.iter().filter(|it| only.is_none_or(|code| it.code == code));
    for target in asked {
        if let Some(words) = target.words() {
            text.push_str(&format!(
                "\n{} ({}, {})\n  {words}\n",
                target.title, target.code, target.basis
            ));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// The sum that makes the forecast, the largest parts first; of a window, beside the factors.
fn explain(answer: &ExplainAnswer) -> String {
    let is_value = answer.scale == "value";
    let signed = |value: f32| match is_value {
        true => format!("{value:+.3}"),
        false => format!("{value:+.3}  x{:.2}", value.exp()),
    };
    let line = |name: String, value: String| vec![name, value];
    let mut rows = match is_value {
        true => vec![
            line("carried forward".to_owned(), format!("{:.3}", answer.carried)),
            line("usual change until then".to_owned(), signed(answer.usual_change)),
        ],
        false => vec![line("usual".to_owned(), format!("{:.3}", answer.usual_change))],
    };
    rows.extend(answer.drivers.iter().map(|driver| {
        let age = driver.age_hours.map(|age| format!(", {age:.1} h old")).unwrap_or_default();
        let value =
            driver.value.map_or_else(|| "missing".to_owned(), |value| format!("{value:.4}"));
        line(format!("{} ({value}{age})", driver.feature), signed(driver.contribution))
    }));
    rows.push(line("everything else".to_owned(), signed(answer.others)));
    if 0.0005 <= answer.adjusted.abs() {
        let name = if is_value { "order and range" } else { "blend with simpler guesses" };
        rows.push(line(name.to_owned(), signed(answer.adjusted)));
    }
    let (name, what) = match answer.scale {
        "log-mean" => ("logarithm of the mean", format!("mean {}", said(answer.mean))),
        "log-odds" => {
            let percent = answer.probability.map(|probability| 100.0 * probability);
            let name = "logarithm of the odds of the event against nothing";
            (name, format!("probability {} % by then", said(percent)))
        }
        _ => ("median", String::new()),
    };
    rows.push(line(name.to_owned(), format!("{:.3}", answer.margin)));
    let from = answer.from_hours.map(|from| format!("{from} to ")).unwrap_or_default();
    format!(
        "{}: {} in {from}{} h, in {}, made for {} by {}\n{}{}\n{}\n",
        answer.subject,
        answer.title,
        answer.horizon_hours,
        answer.unit,
        answer.prediction_time,
        answer.model,
        table(&rows),
        answer.backtest.as_ref().map_or(what, past),
        answer.notice,
    )
}

fn said(value: Option<f32>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn past(past: &BackTestAnswer) -> String {
    match (past.mae, past.carry_forward_mae, past.coverage_90) {
        (Some(mae), Some(carried), Some(inside)) => format!(
            "so far: {} values forecast at {} moments; mean error {mae:.3}, of the last value {carried:.3}; {:.0} % inside the 90 % interval",
            past.value_count,
            past.forecast_count,
            100.0 * inside,
        ),
        _ => "so far: nothing to compare with".to_owned(),
    }
}
