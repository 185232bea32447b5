//! `twinkeep incident playbook ...`.

use twinkeep_app::{
    App, AppError, Caller, Playbook, PlaybookList, check_playbook, export_playbook,
    import_playbook, list_playbooks, show_playbook,
};
use twinkeep_posture::report::plain;
use twinkeep_vault::files::{PUBLIC_FILE, write_atomic};

use crate::cli::PlaybookCommand;
use crate::output::{Output, table};

pub(super) fn run(
    app: &App,
    operator: &Caller,
    args: &PlaybookCommand,
    out: &Output,
) -> Result<(), AppError> {
    match args {
        PlaybookCommand::List => out.result(&list_playbooks(app), list),
        PlaybookCommand::Show { name } => {
            let text = show_playbook(app, name)?;
            out.result(&serde_json::json!({ "name": name, "toml": text }), |_| text.clone())
        }
        PlaybookCommand::Check { file } => out.result(&check_playbook(file)?, described),
        PlaybookCommand::Import { file, confirm } => {
            let playbook = import_playbook(app, operator, file, *confirm)?;
            out.result(&playbook, |playbook| format!("in force: {}", described(playbook)))
        }
        PlaybookCommand::Export { name, out: file } => {
            let document = export_playbook(app, name)?;
            let text = serde_json::to_string_pretty(&document).unwrap_or_default();
            let Some(file) = file else { return out.result(&document, |_| text.clone()) };
            write_atomic(file, text.as_bytes(), PUBLIC_FILE).map_err(|error| {
                let attempt = format!("cannot write `{}`", file.display());
                AppError::environment("playbook-write", attempt).because(error)
            })?;
            let written = serde_json::json!({ "name": name, "file": file });
            out.result(&written, |_| format!("{name} is in {}", file.display()))
        }
    }
}

fn list(list: &PlaybookList) -> String {
    let header = ["name", "from", "severity", "steps", "detectors"].map(str::to_owned).to_vec();
    let rows = list.playbooks.iter().map(|playbook| {
        vec![
            playbook.name.clone(),
            playbook.from.to_owned(),
            playbook.severity.clone(),
            plain(&playbook.steps.join(", ")).into_owned(),
            playbook.detectors.join(" "),
        ]
    });
    let mut text = table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    for (file, code) in &list.refused {
        let file = plain(file);
        text.push_str(&format!("\n`{file}` cannot be used ({code}); the shipped one holds"));
    }
    text
}

fn described(playbook: &Playbook) -> String {
    let steps: Vec<String> = playbook.measures().map(|it| it.to_string()).collect();
    format!("{}: {}", playbook.name, plain(&steps.join(", ")))
}
