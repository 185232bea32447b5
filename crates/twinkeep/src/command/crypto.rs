//! `twinkeep crypto inventory`.

use twinkeep_app::{AppError, Caller, CryptoInventory, take_crypto_inventory};

use crate::cli::{CryptoCommand, Global};
use crate::output::{Output, table};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &CryptoCommand, out: &Output) -> Result<(), AppError> {
    let CryptoCommand::Inventory { cyclonedx } = args;
    let found = take_crypto_inventory(&open_keep(global)?, &Caller::operator())?;
    if *cyclonedx {
        let text = |bom: &serde_json::Value| serde_json::to_string_pretty(bom).unwrap_or_default();
        return out.result(&found.bom, text);
    }
    out.result(&found, text)
}

fn text(found: &CryptoInventory) -> String {
    let rows = |header: &[&str], rows: Vec<Vec<String>>| {
        let header = header.iter().map(|&name| name.to_owned()).collect();
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
    };
    let algorithms = found.algorithms.iter().map(|one| {
        let safe = if one.quantum_safe { "yes" } else { "no" };
        vec![one.name.to_owned(), safe.to_owned(), one.used_for.to_owned()]
    });
    let keys = found.keys.iter().map(|one| {
        let days = format!("{} days", one.age_days);
        vec![one.name.clone(), one.algorithm.to_owned(), days, one.secured_by.clone()]
    });
    let certificates = found.certificates.iter().map(|one| {
        vec![one.subject.clone(), one.not_after.clone(), format!("{} days", one.days_left)]
    });
    let findings = match found.findings.is_empty() {
        true => "nothing needs to be done".to_owned(),
        false => found.findings.join("\n"),
    };
    format!(
        "{}\n\n{}\n\n{}\n\n{findings}",
        rows(&["algorithm", "quantum-safe", "used for"], algorithms.collect()),
        rows(&["key", "algorithm", "age", "secured by"], keys.collect()),
        rows(&["certificate", "until", "left"], certificates.collect()),
    )
}
