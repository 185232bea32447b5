//! `twinkeep sender add|dates|list|score|revoke`.

use twinkeep_app::{
    AppError, Caller, Dates, SenderReport, SenderScore, add_sender, list_senders, revoke_sender,
    score_senders, set_sender_dates,
};

use crate::cli::{Global, SenderCommand, SenderDates};
use crate::output::{Output, table, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &SenderCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    match args {
        SenderCommand::Add { file, site, dates_shifted } => {
            let dates = if *dates_shifted { Dates::Shifted } else { Dates::Real };
            let report = add_sender(&app, &Caller::operator(), file, site.as_deref(), dates)?;
            out.result(&report, |report| {
                format!(
                    "feeds of `{}` are accepted from now on, for the site `{}`\n\
                     fingerprint {}: compare it with the sender by phone",
                    report.name,
                    report.site.as_deref().unwrap_or("-"),
                    report.fingerprint,
                )
            })
        }
        SenderCommand::Dates { key, dates } => {
            let (dates, name) = match dates {
                SenderDates::Real => (Dates::Real, "real"),
                SenderDates::Shifted => (Dates::Shifted, "shifted"),
            };
            set_sender_dates(&app, &Caller::operator(), key, dates)?;
            let report = serde_json::json!({ "sender": key, "dates": name });
            out.result(&report, |_| format!("the dates of {key} are taken as {name} from now on"))
        }
        SenderCommand::Revoke { key } => {
            revoke_sender(&app, &Caller::operator(), key)?;
            out.result(&serde_json::json!({ "revoked": key }), |_| format!("{key} is revoked"))
        }
        SenderCommand::List => out.list(&list_senders(&app)?, text),
        SenderCommand::Score => out.list(&score_senders(&app, &Caller::operator())?, scores),
    }
}

fn text(senders: &[SenderReport]) -> String {
    let header = ["name", "site", "dates", "key", "last feed", "revoked", "fingerprint"]
        .map(str::to_owned)
        .to_vec();
    let rows = senders.iter().map(|sender| {
        vec![
            sender.name.clone(),
            sender.site.clone().unwrap_or_else(|| "-".to_owned()),
            if sender.dates_shifted { "shifted" } else { "real" }.to_owned(),
            sender.key_id.clone(),
            sender.last_sequence.map_or_else(|| "none".to_owned(), |last| last.to_string()),
            sender.revoked.clone().unwrap_or_else(|| "-".to_owned()),
            sender.fingerprint.clone(),
        ]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn scores(senders: &[SenderScore]) -> String {
    if senders.is_empty() {
        return "no feed was screened against the keep's reference yet".to_owned();
    }
    let header = ["sender", "feeds", "rows", "people", "suspect", "influence", "verdict"];
    let rows = senders.iter().map(|sender| {
        vec![
            sender.name.clone(),
            thousands(sender.feeds),
            thousands(sender.rows),
            thousands(sender.subjects),
            format!("{:.2} %", 100.0 * sender.suspect_share),
            format!("{:+.1} %", 100.0 * sender.influence),
            sender.verdict.to_owned(),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    let mut text = table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    for sender in senders {
        if let Some(feed) = &sender.held {
            text.push_str(&format!("\n{}: {feed} is held", sender.name));
        }
        for finding in sender.findings.iter().take(FINDINGS_MAX) {
            let of = finding.variable.as_deref().unwrap_or("all rows");
            text.push_str(&format!(
                "\n{}: {} of {of} {:+.2} ({:.0} standard errors){}",
                sender.name,
                finding.measure,
                finding.effect,
                finding.significance,
                if finding.contradicts { ": contradicts" } else { "" },
            ));
        }
    }
    text
}

/// More findings say the same; `--json` has them all.
const FINDINGS_MAX: usize = 5;
