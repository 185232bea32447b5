//! `twinkeep policy show|check|test|apply|glass`.

use std::path::Path;

use twinkeep_app::{
    AppError, Caller, GlassLine, Keep, POLICY_LEN_MAX, PolicyAction, PolicyDecision,
    PolicyQuestion, PolicyReport, apply_policy, check_policy, list_broken_glass, show_policy,
    test_policy,
};
use twinkeep_vault::files::read_bounded;

use super::key::parse_scopes;
use crate::cli::{Global, PolicyCommand, PolicyTestArgs};
use crate::output::{Output, table};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &PolicyCommand, out: &Output) -> Result<(), AppError> {
    match args {
        PolicyCommand::Show => out.result(&show_policy(&open_keep(global)?)?, |report| {
            report.text.clone().unwrap_or_default()
        }),
        PolicyCommand::Check { file } => {
            let keep = Keep::find(&global.keep)?;
            let text = read(file.as_deref().unwrap_or(&keep.layout.policy()))?;
            out.result(&check_policy(&text, &keep.descriptor.pack)?, checked)
        }
        PolicyCommand::Test(args) => test(global, args, out),
        PolicyCommand::Apply { file } => {
            let app = open_keep(global)?;
            let text = read(file.as_deref().unwrap_or(&app.layout().policy()))?;
            let report = apply_policy(&app, &Caller::operator(), &text)?;
            out.result(&report, |report| format!("in force: {}", checked(report)))
        }
        PolicyCommand::Glass => out.list(&list_broken_glass(&open_keep(global)?)?, glass),
    }
}

fn test(global: &Global, args: &PolicyTestArgs, out: &Output) -> Result<(), AppError> {
    let action = PolicyAction::parse(&args.action).ok_or_else(|| {
        let known = PolicyAction::ALL.map(PolicyAction::name).join("`, `");
        AppError::usage("policy-action", format!("there is no action `{}`", args.action))
            .hint(format!("actions are `{known}`"))
    })?;
    let caller = Caller {
        scopes: parse_scopes(&args.scopes)?,
        roles: args.roles.clone(),
        purpose: args.purpose.clone(),
        ..Caller::named(&args.caller)
    };
    let text = args.file.as_deref().map(read).transpose()?;
    let (resource, break_glass) = (args.on.as_deref(), args.break_glass);
    let question = PolicyQuestion { action, caller: &caller, resource, break_glass };
    let decision = test_policy(&open_keep(global)?, text.as_deref(), question)?;
    out.result(&decision, |PolicyDecision { permitted, because, obligations, can_be_met }| {
        let word = if *permitted { "permitted" } else { "denied" };
        let mut text = match because.is_empty() {
            true => format!("{word}: nothing permits it"),
            false => format!("{word}: {}", because.join(", ")),
        };
        if !obligations.is_empty() {
            text.push_str(&format!("\nin this form: {obligations}"));
        }
        if !can_be_met {
            text.push_str("\nno answer of this kind has that form, so it is refused");
        }
        text
    })
}

fn read(path: &Path) -> Result<String, AppError> {
    let cannot = || {
        AppError::environment("policy-read", format!("cannot read `{}`", path.display()))
            .hint("a policy is a text file in Cedar")
    };
    let bytes =
        read_bounded(path, POLICY_LEN_MAX as u64).map_err(|error| cannot().because(error))?;
    String::from_utf8(bytes).map_err(|error| cannot().because(error))
}

fn checked(report: &PolicyReport) -> String {
    format!(
        "{} rules ({}), sha256 {}",
        report.policies.len(),
        report.policies.join(", "),
        report.sha256
    )
}

fn glass(lines: &[GlassLine]) -> String {
    let header = ["time", "caller", "action", "reason", "id"].map(str::to_owned).to_vec();
    let rows = lines.iter().map(|line| {
        let GlassLine { id, time, caller, action, reason } = line;
        [time, caller, action, reason, id].map(Clone::clone).to_vec()
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
