//! `twinkeep drift`.

use twinkeep_app::{
    AppError, Caller, DriftReport, DriftRequest, Verdict, check_drift, parse_rfc3339,
};

use crate::cli::{DriftArgs, Global};
use crate::output::{Output, table, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &DriftArgs, out: &Output) -> Result<(), AppError> {
    let since = args.since.as_deref().map(|text| {
        parse_rfc3339(text).ok_or_else(|| {
            AppError::usage("drift-since", "`--since` is not a time of RFC 3339")
                .hint("as in 2026-11-01T00:00:00Z")
        })
    });
    let since = since.transpose()?;
    let app = open_keep(global)?;
    let request =
        DriftRequest { model: args.model.as_deref(), since, feed: args.source.as_deref() };
    let report = check_drift(&app, &Caller::operator(), &request)?;
    out.result(&report, |report| text(report, args.all))?;
    match report.verdict {
        Verdict::Alarm => {
            let attempt = format!("what came in has drifted: {} alarms", report.alarms);
            Err(AppError::refused("drift-alarm", attempt)
                .hint("look at the feeds it came by; `twinkeep train` learns from them, too"))
        }
        _ => Ok(()),
    }
}

fn text(report: &DriftReport, all: bool) -> String {
    let header = ["verdict", "of", "about", "what is different"].map(str::to_owned).to_vec();
    let shown = |verdict| all || matches!(verdict, Verdict::Alarm | Verdict::Moved);
    let lines = report.series.iter().filter(|line| shown(line.finding.verdict)).map(|line| {
        let verdict = word(line.finding.verdict).to_owned();
        vec![verdict, line.title.clone(), line.about().to_owned(), line.says.clone()]
    });
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(lines).collect();
    let mut text = if rows.len() == 1 { String::new() } else { table(&rows) };
    text.push_str(&format!(
        "{} people of {}, compared with what {} was made from: {}\n",
        thousands(report.people),
        report.span(),
        report.model,
        match report.verdict {
            Verdict::TooFew => "too few people to say anything".to_owned(),
            Verdict::Steady => "no drift".to_owned(),
            _ => format!("{} alarms, {} moved without consequence", report.alarms, report.moved),
        },
    ));
    if 0 < report.known_before {
        let count = thousands(report.known_before);
        text.push_str(&format!("{count} others were left out: older feeds know them\n"));
    }
    text
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Alarm => "ALARM",
        Verdict::Moved => "moved",
        Verdict::Steady => "steady",
        Verdict::TooFew => "too few",
    }
}
