//! `twinkeep receipt verify`; needs no secret.

use twinkeep_app::{AppError, ReceiptReport, VerifyReceiptRequest, verify_receipt};

use crate::cli::{Global, ReceiptCommand};
use crate::output::{Output, thousands};

pub(crate) fn run(global: &Global, args: &ReceiptCommand, out: &Output) -> Result<(), AppError> {
    let ReceiptCommand::Verify { file, key, answer, input } = args;
    let request = VerifyReceiptRequest {
        file,
        key: key.as_deref(),
        answer: answer.as_deref(),
        input: input.as_deref(),
    };
    out.result(&verify_receipt(&global.keep, request)?, holds)
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
