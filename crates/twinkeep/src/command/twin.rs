//! `twinkeep twin list|show|forecast`.

use std::io::IsTerminal as _;
use std::path::Path;

use twinkeep_app::{
    AppError, Caller, ForecastAnswer, Letters, TerminalSize, TwinForecastRequest, TwinList,
    TwinReport, draw_twin, forecast_twin, list_twins, show_twin,
};
use twinkeep_vault::files::{PRIVATE_FILE, write_atomic};

use crate::cli::{Global, TwinCommand};
use crate::output::{Output, table, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &TwinCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let operator = Caller::operator();
    match args {
        TwinCommand::List { limit, after } => {
            out.result(&list_twins(&app, &operator, after.as_deref(), *limit)?, list)
        }
        TwinCommand::Show { subject } => out.result(&show_twin(&app, &operator, subject)?, show),
        TwinCommand::Forecast { subject, target, at, svg } => {
            let request = TwinForecastRequest { at_hours: *at, horizons_hours: Vec::new() };
            let Some(code) = target else {
                return out.result(&forecast_twin(&app, &operator, subject, &request)?, forecast);
            };
            let size = terminal_size();
            let drawing = draw_twin(&app, &operator, subject, &request, Some(code.as_str()), size)?;
            if let (Some(path), Some(chart)) = (svg, drawing.charts.first()) {
                write_svg(path, &chart.svg)?;
                out.remark(&format!("wrote `{}`: it shows a person's values", path.display()));
            }
            out.result(&drawing, |drawing| {
                drawing.charts.iter().map(|chart| chart.text.as_str()).collect()
            })
        }
    }
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
    format!(
        "{}: {} events, {} to {}\n{}",
        report.subject,
        thousands(report.event_count as u64),
        report.start.as_deref().unwrap_or("-"),
        report.end.as_deref().unwrap_or("-"),
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
    )
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
            end.map_or_else(dash, |point| format!("{} to {}", point.q05, point.q95)),
            target.basis.to_owned(),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    format!(
        "{}made for {} by {}\n{}{}{}",
        answer.subject.as_ref().map(|subject| format!("{subject}, ")).unwrap_or_default(),
        answer.prediction_time,
        answer.model,
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
        windows(answer),
        answer.notice,
    )
}

/// One paragraph a target that is about a window, in words.
fn windows(answer: &ForecastAnswer) -> String {
    let mut text = String::new();
    for target in &answer.targets {
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
