//! `twinkeep key new|list|revoke|rotate|escrow`.

use std::path::Path;

use twinkeep_app::{
    ApiKeyReport, AppError, Caller, NewApiKeyRequest, RotateDataReport, RotateKekReport, Scope,
    list_api_keys, new_api_key, revoke_api_key, rotate_api_key, rotate_data, rotate_kek,
};
use twinkeep_vault::files::{PRIVATE_FILE, write_atomic};

use crate::cli::{Global, KeyCommand, RotateArgs};
use crate::output::{Output, table};
use crate::secret_input;
use crate::surroundings::{open_keep, open_keep_with};

mod escrow;

pub(crate) fn run(global: &Global, args: &KeyCommand, out: &Output) -> Result<(), AppError> {
    if let KeyCommand::Rotate(args) = args {
        return match &args.id {
            Some(id) => succeed(global, id, args, out),
            None => rotate(global, args, out),
        };
    }
    if let KeyCommand::Escrow(args) = args {
        return escrow::run(global, args, out);
    }
    let app = open_keep(global)?;
    match args {
        KeyCommand::New { name, scopes, roles, site, days, out: file } => {
            let scopes = parse_scopes(scopes)?;
            refuse_file(file.as_deref())?;
            let request = NewApiKeyRequest {
                name,
                scopes: &scopes,
                roles,
                days: *days,
                site: site.as_deref(),
            };
            hand_out(new_api_key(&app, &Caller::operator(), request)?, file.as_deref(), out)
        }
        KeyCommand::List => out.list(&list_api_keys(&app)?, list),
        KeyCommand::Revoke { id } => {
            revoke_api_key(&app, &Caller::operator(), id)?;
            out.result(&serde_json::json!({ "revoked": id }), |_| format!("{id} is revoked"))
        }
        KeyCommand::Rotate(_) | KeyCommand::Escrow(_) => Ok(()),
    }
}

/// Makes the successor of an API key.
fn succeed(global: &Global, id: &str, args: &RotateArgs, out: &Output) -> Result<(), AppError> {
    refuse_file(args.out.as_deref())?;
    let (app, operator) = (open_keep(global)?, Caller::operator());
    let report = rotate_api_key(&app, &operator, id, args.days, args.overlap_days)?;
    let days = args.overlap_days;
    out.remark(&format!(
        "the old key lives for {days} more days: `twinkeep key revoke {id}` ends it"
    ));
    hand_out(report, args.out.as_deref(), out)
}

fn refuse_file(file: Option<&Path>) -> Result<(), AppError> {
    match file.filter(|path| path.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(path) => {
            let attempt = format!("`{}` exists", path.display());
            Err(AppError::refused("key-file-exists", attempt)
                .hint("choose another file; no key was made"))
        }
    }
}

/// Hands a new key over, once: to a file, or to the terminal.
fn hand_out(mut report: ApiKeyReport, file: Option<&Path>, out: &Output) -> Result<(), AppError> {
    if let Some(path) = file {
        let key = report.key.take().unwrap_or_default();
        write_atomic(path, format!("{key}\n").as_bytes(), PRIVATE_FILE).map_err(|error| {
            AppError::environment("key-write", format!("cannot write `{}`", path.display()))
                .because(error)
                .hint(format!("revoke it: `twinkeep key revoke {}`", report.id))
        })?;
        out.remark(&format!("the key is in `{}`", path.display()));
    }
    out.result(&report, made)
}

fn rotate(global: &Global, args: &RotateArgs, out: &Output) -> Result<(), AppError> {
    if args.data {
        let bar = out.progress("rotating");
        let report = rotate_data(&open_keep(global)?, &Caller::operator(), &mut |step| {
            bar.set(step.done, step.total);
        })?;
        drop(bar);
        return out.result(&report, |report: &RotateDataReport| {
            format!(
                "{} files have new data keys; now run `twinkeep keyring backup` over the old \
                 backup, and take a new snapshot: older ones do not open any more",
                report.files
            )
        });
    }
    let (app, current) = open_keep_with(global)?;
    let next = secret_input::get_new(&args.next)?;
    let report = rotate_kek(&app, &Caller::operator(), &current, &next)?;
    if let (Some(named), Some(new)) = (&app.settings().key_file, &args.next.new_key_file)
        && !same_file(named, new)
    {
        out.remark(
            "`keep.key_file` in twinkeep.toml names the old file: change it, or give `--key-file`",
        );
    }
    out.result(&report, |report: &RotateKekReport| {
        format!(
            "generation {}: opened by {} before, by {} now",
            report.generation, report.from, report.to
        )
    })
}

fn same_file(left: &Path, right: &Path) -> bool {
    left.canonicalize()
        .ok()
        .zip(right.canonicalize().ok())
        .is_some_and(|(left, right)| left == right)
}

pub(super) fn parse_scopes(names: &[String]) -> Result<Vec<Scope>, AppError> {
    if names.is_empty() {
        return Ok(Scope::DEFAULT.to_vec());
    }
    let parse = |name: &String| {
        Scope::parse(name).ok_or_else(|| {
            let known = Scope::ALL.map(Scope::name).join("`, `");
            AppError::usage("scope-unknown", format!("there is no scope `{name}`"))
                .hint(format!("scopes are `{known}`"))
        })
    };
    names.iter().map(parse).collect()
}

fn made(report: &ApiKeyReport) -> String {
    let mut text = format!(
        "id       {}\nname     {}\nscopes   {}\nexpires  {}",
        report.id,
        report.name,
        report.scopes.join(", "),
        report.expires.as_deref().unwrap_or("never"),
    );
    if let Some(key) = &report.key {
        text.push_str(&format!("\nkey      {key}\nThis is the only time that the key is shown."));
    }
    text
}

fn list(keys: &[ApiKeyReport]) -> String {
    let header =
        ["id", "name", "scopes", "created", "expires", "revoked", "last used", "successor"];
    let rows = keys.iter().map(|key| {
        vec![
            key.id.clone(),
            key.name.clone(),
            key.scopes.join(", "),
            key.created.clone(),
            key.expires.clone().unwrap_or_else(|| "never".to_owned()),
            key.revoked.clone().unwrap_or_else(|| "-".to_owned()),
            key.last_used.clone().unwrap_or_else(|| "never".to_owned()),
            key.successor.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
