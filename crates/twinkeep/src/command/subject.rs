//! `twinkeep subject consent|export|disclosures|erase|verify-erasure`.

use std::path::{Path, PathBuf};

use twinkeep_app::{
    AppError, Caller, ConsentDecision, ConsentReport, EraseReport, EraseRequest, ErasureProof,
    LegalBasis, account_subject, erase_subject, export_subject, record_consent, show_consent,
    verify_erasure, write_accounting,
};
use twinkeep_vault::files::{PRIVATE_FILE, write_atomic};

use crate::cli::{Global, SubjectCommand};
use crate::output::{Output, thousands};
use crate::surroundings::open_keep;

/// Writes what was done with a person's data: `subject disclosures`, `proof subject`.
pub(crate) fn disclose(
    global: &Global,
    subject: &str,
    path: &Path,
    out: &Output,
) -> Result<(), AppError> {
    let (list, report) = account_subject(&open_keep(global)?, &Caller::operator(), subject)?;
    write_accounting(path, &list)?;
    out.remark(&format!("wrote `{}`", path.display()));
    out.result(&report, super::receipt::disclosures)
}

pub(crate) fn run(global: &Global, args: &SubjectCommand, out: &Output) -> Result<(), AppError> {
    let operator = Caller::operator();
    match args {
        SubjectCommand::Export { subject, out: folder } => {
            let report = export_subject(&open_keep(global)?, &operator, subject, folder)?;
            out.remark("what was written is plaintext about a person: protect it, then delete it");
            out.result(&report, |report| {
                let written = report.files.join(", ");
                format!("{} events in `{}`: {written}", report.events, folder.display())
            })
        }
        SubjectCommand::Consent { subject, withdraw, give: _, basis } => {
            let app = open_keep(global)?;
            let report = match (withdraw, basis) {
                (true, _) => record_consent(&app, &operator, subject, ConsentDecision::Withdraw)?,
                (false, Some(basis)) => {
                    let decision = ConsentDecision::Give(parse_basis(basis)?);
                    record_consent(&app, &operator, subject, decision)?
                }
                (false, None) => show_consent(&app, &operator, subject)?,
            };
            out.result(&report, consent)
        }
        SubjectCommand::Disclosures { subject, out: path } => disclose(global, subject, path, out),
        SubjectCommand::Erase { subject, reason, confirm, proof } => {
            let request = EraseRequest { subject, confirm, reason };
            let report = erase_subject(&open_keep(global)?, &operator, request)?;
            let name = format!("erasure-{}.json", report.reference);
            let path = proof.clone().unwrap_or_else(|| PathBuf::from(name));
            write_proof(&path, &report)?;
            out.result(&report, |report| erased(report, &path))
        }
        SubjectCommand::VerifyErasure { file } => {
            out.result(&verify_erasure(&global.keep, file)?, proven)
        }
    }
}

fn write_proof(path: &Path, report: &EraseReport) -> Result<(), AppError> {
    write_atomic(path, &report.proof, PRIVATE_FILE).map_err(|error| {
        let attempt = format!(
            "the person is erased, and the proof cannot be written to `{}`",
            path.display()
        );
        AppError::environment("erasure-proof", attempt)
            .because(error)
            .hint("run the same command again with another `--proof FILE`: it erases nothing twice")
    })
}

fn erased(report: &EraseReport, proof: &Path) -> String {
    let models = match report.models.as_slice() {
        [] => "none".to_owned(),
        models => format!("{} (train anew, then release that)", models.join(", ")),
    };
    format!(
        "erased         {}\nevents         {}\nrefused rows   {}\nfiles rekeyed  {}\n\
         models marked  {models}\nledger entry   {}\nproof          {}\n\n\
         Now run `twinkeep keyring backup` over the old backup, and take a new snapshot.",
        report.reference,
        thousands(report.events),
        thousands(report.refused_rows),
        report.files,
        report.ledger_index,
        proof.display(),
    )
}

fn proven(proof: &ErasureProof) -> String {
    format!(
        "the proof holds: {} was erased from {} on {}\n{} events, {} refused rows, {} files rekeyed; ledger entry {}",
        proof.subject_reference,
        proof.keep,
        proof.erased,
        thousands(proof.events),
        thousands(proof.refused_rows),
        proof.files.len(),
        proof.ledger.index,
    )
}

fn parse_basis(name: &str) -> Result<LegalBasis, AppError> {
    LegalBasis::parse(name).ok_or_else(|| {
        let known = LegalBasis::ALL.map(LegalBasis::name).join("`, `");
        AppError::usage("consent-basis", format!("there is no basis `{name}`"))
            .hint(format!("bases are `{known}`"))
    })
}

fn consent(report: &ConsentReport) -> String {
    let ConsentReport { subject, state, basis, since, may_be_asked } = report;
    let basis = basis.map(|basis| format!(", basis {basis}")).unwrap_or_default();
    let since = since.as_ref().map(|since| format!(", since {since}")).unwrap_or_default();
    let asked = if *may_be_asked { "may be asked about" } else { "nobody may ask about them" };
    format!("{subject}: {state}{basis}{since}; {asked}")
}
