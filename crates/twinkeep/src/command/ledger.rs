//! `twinkeep ledger verify|show`; neither needs a secret.

use twinkeep_app::{AppError, LedgerLine, show_ledger, verify_ledger};

use crate::cli::{Global, LedgerCommand};
use crate::output::{Output, table};
use crate::surroundings::state_dir;

pub(crate) fn run(global: &Global, args: &LedgerCommand, out: &Output) -> Result<(), AppError> {
    match args {
        LedgerCommand::Verify { trusted } => {
            let report = verify_ledger(&global.keep, state_dir().as_deref(), trusted)?;
            out.result(&report, |report| {
                format!(
                    "the ledger holds: {} entries, root {}\n\
                     it continues {} checkpoints that were kept apart from it",
                    report.entries, report.root, report.trusted_checkpoints,
                )
            })
        }
        LedgerCommand::Show { limit, from } => {
            out.list(&show_ledger(&global.keep, *from, *limit)?, text)
        }
    }
}

fn text(lines: &[LedgerLine]) -> String {
    let header = ["index", "time", "who", "what", "outcome", "details"].map(str::to_owned).to_vec();
    let rows = lines.iter().map(|line| {
        let details = line.details.iter().map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        });
        let subject = line.subject.iter().map(|subject| format!("subject={subject}"));
        vec![
            line.index.to_string(),
            line.time.clone(),
            line.actor.clone(),
            line.action.clone(),
            line.outcome.clone(),
            subject.chain(details).collect::<Vec<_>>().join(" "),
        ]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
