//! `twinkeep cert issue|list|renew|revoke|crl|check`.

use std::path::{Path, PathBuf};

use twinkeep_app::{
    AppError, Caller, CertificateCheck, CertificateReport, IssuedCertificate,
    NewCertificateRequest, check_certificate, issue_certificate, list_certificates,
    renew_certificate, revocation_list_text, revoke_certificate,
};
use twinkeep_vault::ecdsa::parse_pem_all;
use twinkeep_vault::files::{PRIVATE_FILE, PUBLIC_FILE, read_bounded, write_atomic};

use crate::cli::{CertCommand, CertFiles, Global, IssueArgs, RenewArgs};
use crate::command::key::parse_scopes;
use crate::output::{Output, table};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &CertCommand, out: &Output) -> Result<(), AppError> {
    match args {
        CertCommand::Issue(args) => issue(global, args, out),
        CertCommand::Renew(args) => renew(global, args, out),
        CertCommand::List => out.list(&list_certificates(&open_keep(global)?)?, list),
        CertCommand::Revoke { id } => {
            let report = revoke_certificate(&open_keep(global)?, &Caller::operator(), id)?;
            out.result(&report, |report| format!("{} is revoked", report.id))
        }
        CertCommand::Crl { out: file } => {
            let text = revocation_list_text(&open_keep(global)?)?;
            let Some(path) = file else {
                return out.result(&serde_json::json!({ "crl": text }), |_| text.trim().to_owned());
            };
            write(path, text.as_bytes(), PUBLIC_FILE)?;
            out.result(&serde_json::json!({ "file": path }), |_| path.display().to_string())
        }
        CertCommand::Check { file } => {
            let chain = read_chain(file)?;
            let checking = check_certificate(&open_keep(global)?, &chain).map_err(with_reason);
            out.result(&checking?, checked)
        }
    }
}

/// Names the reason to whoever has the keep: the gate keeps it for the ledger, and a check at the
/// command line has no entry there.
pub(super) fn with_reason(error: AppError) -> AppError {
    let code = error.code();
    if !["token-", "certificate-"].iter().any(|about| code.starts_with(about)) {
        return error;
    }
    error.hint(format!("the reason is `{code}`; docs/reference/api.md says what that means"))
}

fn issue(global: &Global, args: &IssueArgs, out: &Output) -> Result<(), AppError> {
    let scopes = parse_scopes(&args.scopes)?;
    let files = Files::new(&args.files, &args.name)?;
    let app = open_keep(global)?;
    let request = NewCertificateRequest {
        name: &args.name,
        identity: args.spiffe.as_deref().or(args.dns.as_deref()),
        scopes: &scopes,
        roles: &args.roles,
        site: args.site.as_deref(),
        days: args.days,
        csr: files.csr.as_deref(),
    };
    hand_out(issue_certificate(&app, &Caller::operator(), request)?, &files, out)
}

fn renew(global: &Global, args: &RenewArgs, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let known = list_certificates(&app)?.into_iter().find(|known| known.id == args.id);
    // The old files stay: who uses them changes over later.
    let name = known.map(|known| format!("{}-{}", known.name, app.now().micros() / 1_000_000));
    let files = Files::new(&args.files, &name.unwrap_or_default())?;
    let (days, overlap) = (args.days, args.overlap_days);
    let csr = files.csr.as_deref();
    let issued = renew_certificate(&app, &Caller::operator(), &args.id, days, overlap, csr)?;
    out.remark(&format!(
        "the old certificate lives for {overlap} more days: `twinkeep cert revoke {}` ends it",
        args.id
    ));
    hand_out(issued, &files, out)
}

/// Where a certificate goes, checked before it is made.
struct Files {
    csr: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Files {
    fn new(args: &CertFiles, name: &str) -> Result<Self, AppError> {
        let csr = args.csr.as_deref().map(read_text).transpose()?;
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
        let name: String = name.chars().take(FILE_NAME_LEN_MAX).map(plain).collect();
        let path = |end: &str| args.out.as_ref().map(|dir| dir.join(format!("{name}.{end}")));
        let key = if csr.is_none() { path("key") } else { None };
        let files = Self { csr, certificate: path("pem"), key };
        let there = |path: &&PathBuf| path.symlink_metadata().is_ok();
        if let Some(path) = [&files.certificate, &files.key].into_iter().flatten().find(there) {
            let attempt = format!("`{}` exists", path.display());
            return Err(AppError::refused("certificate-file-exists", attempt)
                .hint("choose another folder or name; no certificate was made"));
        }
        if let Some(dir) = args.out.as_deref().filter(|dir| !dir.is_dir()) {
            let attempt = format!("`{}` is no folder", dir.display());
            return Err(AppError::usage("certificate-folder", attempt)
                .hint("make it first; no certificate was made"));
        }
        Ok(files)
    }
}

/// Hands a new certificate over, and its key, once.
fn hand_out(issued: IssuedCertificate, files: &Files, out: &Output) -> Result<(), AppError> {
    let IssuedCertificate { report, key } = issued;
    let undo =
        |error: AppError| error.hint(format!("revoke it: `twinkeep cert revoke {}`", report.id));
    if let (Some(path), Some(key)) = (&files.key, &key) {
        write(path, key.expose(), PRIVATE_FILE).map_err(undo)?;
        out.remark(&format!(
            "the private key is in `{}`: whoever has it is this client, and the keep has no copy",
            path.display()
        ));
    }
    if let Some(path) = &files.certificate {
        let pem = report.certificate.as_deref().unwrap_or_default();
        write(path, pem.as_bytes(), PUBLIC_FILE).map_err(undo)?;
        out.remark(&format!("the certificate is in `{}`", path.display()));
    }
    let shown = files.certificate.is_none();
    out.result(&report, |report| made(report, shown))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AppError> {
    write_atomic(path, bytes, mode).map_err(|error| {
        let attempt = format!("cannot write `{}`", path.display());
        AppError::environment("certificate-write", attempt).because(error)
    })
}

pub(super) fn read_chain(path: &Path) -> Result<Vec<Vec<u8>>, AppError> {
    let text = read_text(path)?;
    parse_pem_all("CERTIFICATE", &text).filter(|chain| !chain.is_empty()).ok_or_else(|| {
        let attempt = format!("`{}` has no certificate (PEM)", path.display());
        AppError::usage("certificate-malformed", attempt)
    })
}

fn read_text(path: &Path) -> Result<String, AppError> {
    let bytes = read_bounded(path, FILE_SIZE_MAX).map_err(|error| {
        let attempt = format!("cannot read `{}`", path.display());
        AppError::environment("certificate-read", attempt).because(error)
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn made(report: &CertificateReport, shown: bool) -> String {
    let pem = report.certificate.as_deref().filter(|_| shown).unwrap_or_default();
    format!(
        "id        {}\nname      {}\nidentity  {}\nscopes    {}\nexpires   {}\n{pem}",
        report.id,
        report.name,
        report.identity,
        report.scopes.join(", "),
        report.expires,
    )
    .trim_end()
    .to_owned()
}

fn checked(report: &CertificateCheck) -> String {
    let roles = if report.roles.is_empty() { "none".to_owned() } else { report.roles.join(", ") };
    format!("caller  {}\nscopes  {}\nroles   {roles}", report.caller, report.scopes.join(", "))
}

fn list(certificates: &[CertificateReport]) -> String {
    let header = ["id", "name", "identity", "scopes", "expires", "revoked", "successor"];
    let rows = certificates.iter().map(|one| {
        let absent = || "-".to_owned();
        vec![
            one.id.clone(),
            one.name.clone(),
            one.identity.clone(),
            one.scopes.join(", "),
            one.expires.clone(),
            one.revoked.clone().unwrap_or_else(absent),
            one.successor.clone().unwrap_or_else(absent),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

/// A chain of a dozen certificates.
const FILE_SIZE_MAX: u64 = 64 * 1024;

/// Short enough for every file system.
const FILE_NAME_LEN_MAX: usize = 64;
