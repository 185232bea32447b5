//! `twinkeep init`.

use std::io;
use std::path::Path;

use twinkeep_app::{AppError, Config, InitReport, InitRequest, init_keep};
use twinkeep_domain::limits::PACK_SIZE_MAX;
use twinkeep_vault::files::read_bounded;

use crate::cli::{Global, InitArgs};
use crate::clock;
use crate::output::Output;
use crate::secret_input::{self, Asking};

pub(crate) fn run(global: &Global, args: &InitArgs, out: &Output) -> Result<(), AppError> {
    let pack = pack_text(&args.pack)?;
    let secret = secret_input::get(&global.secret, "the new keep", Asking::New)?;
    let mut config = Config::default();
    config.gate.names.extend(args.names.iter().cloned());
    config.keep.key_file = match &global.secret.key_file {
        Some(path) => Some(std::path::absolute(path).map_err(|error| {
            AppError::environment("key-file", "cannot tell where the key file is").because(error)
        })?),
        None => None,
    };
    let request =
        InitRequest { dir: &args.dir, pack: &pack, secret: &secret, config, now: clock::now() };
    let report = init_keep(&request)?;
    out.result(&report, text)
}

/// A name of a shipped pack, or else a file.
fn pack_text(name: &str) -> Result<String, AppError> {
    if let Some(text) = twinkeep_app::shipped_pack_text(name) {
        return Ok(text.to_owned());
    }
    let size_max = PACK_SIZE_MAX as u64;
    let text = read_bounded(Path::new(name), size_max).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    text.map_err(|error| {
        let shipped = twinkeep_app::shipped_pack_names().join("`, `");
        AppError::usage("pack-missing", format!("`{name}` is no shipped pack and no readable file"))
            .because(error)
            .hint(format!("shipped packs: `{shipped}`"))
    })
}

fn text(report: &InitReport) -> String {
    format!(
        "keep        {}\n\
         pack        {} ({} codes, {} forecast)\n\
         identity    {}\n\
         fingerprint {}\n\
         CA          {}\n\
         ledger      {}\n\n\
         Give the identity file to senders, and let them compare the fingerprint.\n\
         Next: `twinkeep identity new NAME` for a sender, and `twinkeep sender add` here.",
        report.keep.display(),
        report.pack,
        report.variable_count,
        report.target_count,
        report.public_identity.display(),
        report.fingerprint,
        report.ca_certificate.display(),
        report.ledger_origin,
    )
}
