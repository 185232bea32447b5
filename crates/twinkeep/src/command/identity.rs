//! `twinkeep identity new|show`.

use twinkeep_app::{AppError, IdentityReport, new_identity, show_identity};

use crate::cli::{Global, IdentityCommand};
use crate::output::Output;
use crate::secret_input::{self, Asking};

pub(crate) fn run(global: &Global, args: &IdentityCommand, out: &Output) -> Result<(), AppError> {
    let report = match args {
        IdentityCommand::New { name, dir } => {
            let secret = secret_input::get(&global.secret, "the new identity", Asking::New)?;
            new_identity(name, dir, &secret)?
        }
        IdentityCommand::Show { file } => show_identity(file)?,
    };
    out.result(&report, text)
}

fn text(report: &IdentityReport) -> String {
    let mut lines = vec![
        format!("name         {}", report.name),
        format!("key          {}", report.key_id),
        format!("fingerprint  {}", report.fingerprint),
        format!("post-quantum {}", if report.post_quantum { "yes (X-Wing)" } else { "no" }),
        format!("public       {}", report.public_file.display()),
    ];
    if let Some(path) = &report.private_file {
        lines.push(format!("private      {} (keep it, and back it up)", path.display()));
    }
    lines.join("\n")
}
