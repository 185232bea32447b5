//! `twinkeep witness key|add|list|cosign`.

use twinkeep_app::{
    AppError, Caller, WatchedLedger, cosign_checkpoint, watch_ledger, watched_ledgers,
    witness_vkey, write_proof,
};

use crate::cli::{Global, WitnessCommand};
use crate::output::{Output, table, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &WitnessCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let operator = Caller::operator();
    match args {
        WitnessCommand::Key => out.result(&witness_vkey(&app), String::clone),
        WitnessCommand::Add { key } => {
            let watched = watch_ledger(&app, &operator, key)?;
            out.result(&watched, |watched| format!("{} is watched", watched.origin))
        }
        WitnessCommand::List => out.list(&watched_ledgers(&app)?, list),
        WitnessCommand::Cosign { request, out: file } => {
            let cosigned = cosign_checkpoint(&app, &operator, request)?;
            let Some(path) = file else {
                return out.result(&cosigned, |cosigned| cosigned.checkpoint.clone());
            };
            write_proof(path, &cosigned.checkpoint)?;
            out.result(&cosigned, |cosigned| {
                format!(
                    "{} continues: {} entries after {}; cosigned in `{}`",
                    cosigned.origin,
                    thousands(cosigned.size),
                    thousands(cosigned.old_size),
                    path.display(),
                )
            })
        }
    }
}

fn list(ledgers: &[WatchedLedger]) -> String {
    let header = ["ledger", "key", "entries seen"].map(str::to_owned).to_vec();
    let rows = ledgers
        .iter()
        .map(|ledger| vec![ledger.origin.clone(), ledger.key.clone(), thousands(ledger.size)]);
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
