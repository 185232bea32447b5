//! `twinkeep selfattack`.

use std::path::Path;
use std::time::Duration;

use twinkeep_app::AppError;
use twinkeep_selfattack::{Finding, Target, attack};
use twinkeep_vault::files::read_bounded;

use crate::cli::SelfattackArgs;
use crate::clock::now;
use crate::output::{Output, table};

pub(crate) fn run(args: &SelfattackArgs, out: &Output) -> Result<(), AppError> {
    let mut target = Target::parse(&args.url, Duration::from_secs(args.patience))
        .map_err(|error| AppError::usage(error.code(), "cannot attack").because(error))?;
    if !target.address.ip().is_loopback() && args.i_own_this.as_ref() != Some(&args.url) {
        let attempt = format!("`{}` is not on this machine", target.host);
        return Err(AppError::usage("selfattack-consent", attempt)
            .hint(format!("if it is yours, say so: `--i-own-this {}`", args.url)));
    }
    let admin = match &args.admin {
        Some(url) => Some(operators(url, &target, args)?),
        None => None,
    };
    target.now_seconds = now().micros() / 1_000_000;
    target.roots = args.ca.as_deref().map(read).transpose()?;
    let credential = args.credential.as_deref().map(read).transpose()?;
    target.credential = credential.map(|text| text.trim().to_owned());
    out.remark(&format!("attacking {}; this takes up to {} s", args.url, args.patience + 60));
    let findings = attack(&target, admin.as_ref(), &mut |finding| {
        if !finding.held {
            out.remark(&format!("did not hold: {} ({})", finding.attack, finding.saw));
        }
    })
    .map_err(|error| AppError::environment(error.code(), "cannot attack").because(error))?;
    out.list(&findings, text)?;
    match findings.iter().filter(|finding| !finding.held).count() {
        0 => Ok(()),
        count => {
            let attempt = format!("{count} of {} attacks did not fail", findings.len());
            Err(AppError::refused("selfattack-findings", attempt)
                .hint("docs/guides/selfattack.md says what each of them is"))
        }
    }
}

/// Where operators come in: a part of the same deployment.
fn operators(url: &str, target: &Target, args: &SelfattackArgs) -> Result<Target, AppError> {
    let admin = Target::parse(url, Duration::from_secs(args.patience))
        .map_err(|error| AppError::usage(error.code(), "cannot attack").because(error))?;
    if admin.address.ip().is_loopback() || admin.host == target.host {
        return Ok(admin);
    }
    let attempt = format!("`{}` is neither on this machine nor `{}`", admin.host, target.host);
    Err(AppError::usage("selfattack-consent", attempt))
}

fn read(path: &Path) -> Result<String, AppError> {
    let bytes = read_bounded(path, FILE_SIZE_MAX).map_err(|error| {
        let attempt = format!("cannot read `{}`", path.display());
        AppError::environment("selfattack-read", attempt).because(error)
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn text(findings: &[Finding]) -> String {
    let header = ["kind", "attack", "held", "saw"].map(str::to_owned).to_vec();
    let rows = findings.iter().map(|one| {
        let held = if one.held { "yes" } else { "NO" };
        vec![one.group.to_owned(), one.attack.to_owned(), held.to_owned(), one.saw.clone()]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

/// A bundle of authorities, or a token.
const FILE_SIZE_MAX: u64 = 1 << 20;
