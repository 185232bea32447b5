//! `twinkeep model request|approve|approver`.

use std::path::{Path, PathBuf};

use twinkeep_app::{
    App, AppError, ApproverList, Caller, Purpose, add_approver, approve as approve_request,
    list_approvers, remove_approver, request_approval, require_approvals,
};
use twinkeep_vault::files::{PUBLIC_FILE, write_atomic};

use crate::cli::{ApproverCommand, Global, PurposeName};
use crate::output::{Output, table};
use crate::secret_input::{self, Asking};

pub(super) fn request(
    app: &App,
    version: &str,
    purpose: PurposeName,
    file: &Path,
    out: &Output,
) -> Result<(), AppError> {
    let purpose = match purpose {
        PurposeName::Release => Purpose::Release,
        PurposeName::Restore => Purpose::Restore,
    };
    let request = request_approval(app, &Caller::operator(), version, purpose)?;
    let unwritable = |error| {
        let attempt = format!("cannot write `{}`", file.display());
        AppError::environment("request-write", attempt).because(error)
    };
    let text = serde_json::to_vec_pretty(&request).map_err(|error| unwritable(error.into()))?;
    write_atomic(file, &text, PUBLIC_FILE).map_err(unwritable)?;
    out.result(&request, |request| {
        format!("asked for {} in {}; an approver answers with\n  twinkeep model approve {} --identity NAME.identity --reason TEXT",
            request.version, file.display(), file.display())
    })
}

/// `paths`: the request, and the approver's identity.
pub(super) fn approve(
    global: &Global,
    [request, identity]: [&PathBuf; 2],
    reason: &str,
    file: Option<&Path>,
    out: &Output,
) -> Result<(), AppError> {
    let secret = secret_input::get(&global.secret, "the approver's identity", Asking::Existing)?;
    let beside = {
        let mut name = request.as_os_str().to_os_string();
        name.push(".approval");
        PathBuf::from(name)
    };
    let file = file.unwrap_or(&beside);
    let report = approve_request(request, identity, &secret, reason, file)?;
    out.result(&report, |report| {
        format!("agreed to {} with {}: {}", report.request.version, report.key_id, file.display())
    })
}

pub(super) fn approvers(app: &App, args: &ApproverCommand, out: &Output) -> Result<(), AppError> {
    let operator = Caller::operator();
    let list = match args {
        ApproverCommand::List => list_approvers(app, &operator)?,
        ApproverCommand::Add { identity } => add_approver(app, &operator, identity)?,
        ApproverCommand::Remove { name } => remove_approver(app, &operator, name)?,
        ApproverCommand::Require { count } => require_approvals(app, &operator, *count)?,
    };
    out.result(&list, text)
}

fn text(list: &ApproverList) -> String {
    let header = ["name", "key", "since"].map(str::to_owned).to_vec();
    let rows = list.approvers.iter();
    let rows = rows.map(|one| vec![one.name.clone(), one.key_id.clone(), one.since.clone()]);
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    format!("{}\n{} must agree before a version is released", table(&rows), list.required)
}
