//! `twinkeep incident evidence`.

use twinkeep_app::{App, AppError, Caller, EvidenceReport, KeptEvidence, show_evidence};

use crate::output::{Output, table};

pub(super) fn run(
    app: &App,
    operator: &Caller,
    incident: &str,
    out: &Output,
) -> Result<(), AppError> {
    out.result(&show_evidence(app, operator, incident)?, text)
}

fn text(shown: &KeptEvidence) -> String {
    let kept = &shown.evidence;
    let EvidenceReport { digest, files, open } = &shown.kept;
    let mut text = format!(
        "evidence of {}, taken {}\nsealed as {digest}\n\n{files} files\n",
        kept.incident, kept.taken
    );
    let header = ["file", "size", "mode", "user", "digest"].map(str::to_owned).to_vec();
    let rows = kept.files.iter().map(|(name, file)| {
        let digest = if file.digest.is_empty() { "unreadable" } else { &file.digest };
        let (size, user) = (file.size.to_string(), file.user.to_string());
        vec![name.clone(), size, file.mode.clone(), user, digest.to_owned()]
    });
    text.push_str(&table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()));
    match &kept.host {
        None => {
            text.push_str(&format!("\nwho had them open could not be seen ({})\n", kept.unseen))
        }
        Some(host) => {
            text.push_str(&format!(
                "\nopen in {open} programs; {} sockets listened; {} processes could not be seen\n",
                host.sockets.len(),
                host.unseen
            ));
            for open in &host.open {
                let program = open.executable.as_ref().map(|path| path.display().to_string());
                let program = program.unwrap_or_else(|| "unknown".to_owned());
                let (pid, process, file) = (open.pid, &open.process, open.file.display());
                text.push_str(&format!("open       {file} by {process} ({pid}, {program})\n"));
            }
            for socket in &host.sockets {
                let process = socket.process.as_deref().unwrap_or("unknown");
                text.push_str(&format!(
                    "listening  {}/{} {process}\n",
                    socket.protocol, socket.port
                ));
            }
        }
    }
    text.push_str(&format!("\nthe newest {} entries of the ledger are in it\n", kept.ledger.len()));
    text
}
