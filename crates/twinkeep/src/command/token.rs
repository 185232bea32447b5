//! `twinkeep issuer list|refresh` and `twinkeep token check|revoke|allow|list`.

use std::io::Read as _;
use std::path::Path;

use twinkeep_app::{
    AppError, Caller, IssuerLine, RevocationLine, RevokedToken, TokenReport, allow_token,
    check_token, list_issuers, list_revoked_tokens, refresh_issuer, revoke_token,
};
use twinkeep_vault::files::read_bounded;
use twinkeep_vault::token::TOKEN_LEN_MAX;

use crate::cli::{Global, IssuerCommand, TokenArgs, TokenCommand};
use crate::output::{Output, table};
use crate::surroundings::open_keep;

pub(crate) fn issuer(global: &Global, args: &IssuerCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    if let IssuerCommand::Refresh { name } = args {
        refresh_issuer(&app, &Caller::operator(), name)?;
    }
    let lines = list_issuers(&app)?;
    match args {
        IssuerCommand::List => out.list(&lines, issuers),
        IssuerCommand::Refresh { name } => match lines.iter().find(|line| line.name == *name) {
            Some(line) => out.result(line, |line| format!("{} keys of {name}", line.keys)),
            None => Ok(()),
        },
    }
}

pub(crate) fn run(global: &Global, args: &TokenCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let operator = Caller::operator();
    match args {
        TokenCommand::Check { file, cert } => {
            let chain = cert.as_deref().map(super::cert::read_chain).transpose()?;
            let leaf = chain.as_ref().and_then(|chain| chain.first()).map(Vec::as_slice);
            let checking = check_token(&app, &read(file)?, leaf).map_err(super::cert::with_reason);
            out.result(&checking?, checked)
        }
        TokenCommand::Revoke(args) => {
            let line = revoke_token(&app, &operator, &args.issuer, which(args))?;
            out.result(&line, |line| format!("revoked: {} {}", line.issuer, line.mark))
        }
        TokenCommand::Allow(args) => {
            let line = allow_token(&app, &operator, &args.issuer, which(args))?;
            out.result(&line, |line| format!("allowed again: {} {}", line.issuer, line.mark))
        }
        TokenCommand::List => out.list(&list_revoked_tokens(&app)?, revocations),
    }
}

fn which(args: &TokenArgs) -> RevokedToken<'_> {
    match (&args.id, &args.subject) {
        (Some(id), _) => RevokedToken::Id(id),
        (None, subject) => RevokedToken::Subject(subject.as_deref().unwrap_or_default()),
    }
}

/// Reads a token; never from an argument, which others on the machine could see.
fn read(file: &Path) -> Result<String, AppError> {
    let cannot = |error: std::io::Error| {
        AppError::environment("token-read", format!("cannot read `{}`", file.display()))
            .because(error)
    };
    let limit = TOKEN_LEN_MAX as u64 + 1;
    let bytes = match file == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(cannot)?;
            bytes
        }
        false => read_bounded(file, limit).map_err(cannot)?,
    };
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn checked(report: &TokenReport) -> String {
    let listed = |words: Vec<&str>| match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    };
    format!(
        "caller  {}\nscopes  {}\nroles   {}\nabout   {}",
        report.caller,
        listed(report.scopes.clone()),
        listed(report.roles.iter().map(String::as_str).collect()),
        if report.one_person { "one person" } else { "anybody" },
    )
}

fn issuers(lines: &[IssuerLine]) -> String {
    let header = ["name", "url", "algorithms", "keys", "asked"].map(str::to_owned).to_vec();
    let rows = lines.iter().map(|line| {
        let asked = line.fetched.clone().unwrap_or_else(|| "never".to_owned());
        let algorithms = line.algorithms.join(", ");
        vec![line.name.clone(), line.url.clone(), algorithms, line.keys.to_string(), asked]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn revocations(lines: &[RevocationLine]) -> String {
    let header = ["issuer", "by", "mark", "revoked"].map(str::to_owned).to_vec();
    let rows = lines.iter().map(|line| {
        vec![line.issuer.clone(), line.by.clone(), line.mark.clone(), line.revoked.clone()]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
