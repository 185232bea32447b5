//! `twinkeep receipt verify|page`; neither needs a secret.

use std::path::Path;

use serde::Serialize;
use twinkeep_app::{
    About, AccountingReport, AppError, Lineage, ReceiptReport, VerifiedReceipt,
    VerifyReceiptRequest, receipt_page, verify_receipt, write_proof,
};

use crate::cli::{Global, ReceiptCommand};
use crate::output::{Output, table, thousands};

/// Where the page is.
#[derive(Serialize)]
struct Page<'a> {
    page: &'a Path,
}

pub(crate) fn run(global: &Global, args: &ReceiptCommand, out: &Output) -> Result<(), AppError> {
    let (file, key, answer, input) = match args {
        ReceiptCommand::Verify { file, key, answer, input } => (file, key, answer, input),
        ReceiptCommand::Page { key, out: file } => {
            write_proof(file, &receipt_page(&global.keep, key.as_deref())?)?;
            return out.result(&Page { page: file }, |page| {
                format!("wrote `{}`: open it in a browser", page.page.display())
            });
        }
    };
    let request = VerifyReceiptRequest {
        file,
        key: key.as_deref(),
        answer: answer.as_deref(),
        input: input.as_deref(),
    };
    out.result(&verify_receipt(&global.keep, request)?, |verified| match verified {
        VerifiedReceipt::Answer(report) => holds(report),
        VerifiedReceipt::Accounting(report) => {
            format!("the list of disclosures holds\n{}", disclosures(report))
        }
    })
}

/// Everything that was done with a person's data.
pub(super) fn disclosures(report: &AccountingReport) -> String {
    let about = |about| match about {
        About::Person => "the person",
        About::Feed => "a feed with the person in it",
        About::Everybody => "everybody",
    };
    let header = ["index", "time", "who", "what", "outcome", "about"].map(str::to_owned).to_vec();
    let rows = report.entries.iter().map(|it| {
        vec![
            it.entry.index.to_string(),
            it.entry.time.clone(),
            it.entry.actor.clone(),
            it.entry.action.clone(),
            it.entry.outcome.clone(),
            about(it.about).to_owned(),
        ]
    });
    let lineage = report.lineage.as_ref().map(lineage).unwrap_or_default();
    format!(
        "person  {}\nkeep    {}\nas of   {}, {} entries in the ledger\n{lineage}\n{}",
        report.person,
        report.keep,
        report.time,
        thousands(report.ledger_size),
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
    )
}

/// Where the data came from, and what it went into; numbers are those of entries.
fn lineage(lineage: &Lineage) -> String {
    let numbers = |entries: &[u64]| {
        let numbers: Vec<String> = entries.iter().map(u64::to_string).collect();
        if numbers.is_empty() { String::new() } else { format!(" ({})", numbers.join(", ")) }
    };
    let mut text = String::new();
    for feed in &lineage.feeds {
        text.push_str(&format!("from    {}{}\n", feed.feed, numbers(&feed.entries)));
    }
    text.push_str(&format!("files   {}\n", lineage.shards.len()));
    for model in &lineage.models {
        let entries = numbers(&model.entries);
        text.push_str(&format!("model   {} {}{entries}\n", model.model, model.used));
    }
    text.push_str(&format!("answers {}\n", lineage.answers.len()));
    text
}

fn holds(report: &ReceiptReport) -> String {
    let checked = |checked: bool, held: &str| match checked {
        true => held.to_owned(),
        false => "none was given to compare".to_owned(),
    };
    format!(
        "the receipt holds\n\
         keep    {}\nwhat    {} at {}\nperson  {}\nmodel   {}, sha256 {}\n\
         asked   by {} under the scope {}\nledger  entry {} of {}\nanswer  {}\ninput   {}",
        report.keep,
        report.action,
        report.time,
        report.person.as_deref().unwrap_or("nobody that the keep knows"),
        report.model,
        report.model_sha256,
        report.caller,
        report.scope,
        thousands(report.ledger_index),
        thousands(report.ledger_size),
        checked(report.answer_checked, "the one that this receipt is for"),
        checked(report.input_checked, "the one that the answer was made from"),
    )
}
