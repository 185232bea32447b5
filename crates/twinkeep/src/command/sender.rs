//! `twinkeep sender add|list`.

use twinkeep_app::{AppError, Caller, SenderReport, add_sender, list_senders, revoke_sender};

use crate::cli::{Global, SenderCommand};
use crate::output::{Output, table};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &SenderCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    match args {
        SenderCommand::Add { file, site } => {
            let report = add_sender(&app, &Caller::operator(), file, site.as_deref())?;
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
        SenderCommand::Revoke { key } => {
            revoke_sender(&app, &Caller::operator(), key)?;
            out.result(&serde_json::json!({ "revoked": key }), |_| format!("{key} is revoked"))
        }
        SenderCommand::List => out.list(&list_senders(&app)?, text),
    }
}

fn text(senders: &[SenderReport]) -> String {
    let header =
        ["name", "site", "key", "last feed", "revoked", "fingerprint"].map(str::to_owned).to_vec();
    let rows = senders.iter().map(|sender| {
        vec![
            sender.name.clone(),
            sender.site.clone().unwrap_or_else(|| "-".to_owned()),
            sender.key_id.clone(),
            sender.last_sequence.map_or_else(|| "none".to_owned(), |last| last.to_string()),
            sender.revoked.clone().unwrap_or_else(|| "-".to_owned()),
            sender.fingerprint.clone(),
        ]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
