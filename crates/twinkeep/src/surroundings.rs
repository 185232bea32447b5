//! What the program takes from its surroundings, in one place: the environment and the clock.

use std::path::PathBuf;

use twinkeep_app::{App, AppError, Keep, Surroundings};
use twinkeep_vault::KekSource;

use crate::cli::Global;
use crate::clock;
use crate::secret_input::{self, Asking};

/// Returns where this user's programs keep state (XDG Base Directory), if that is known.
pub(crate) fn state_dir() -> Option<PathBuf> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
}

/// Opens the keep that the global options name, with the secret that they, the configuration, or
/// a prompt give.
pub(crate) fn open_keep(global: &Global) -> Result<App, AppError> {
    let keep = Keep::find(&global.keep)?;
    let given = &global.secret;
    let nothing_given = given.passphrase_file.is_none()
        && given.passphrase_fd.is_none()
        && given.key_file.is_none();
    let secret = match keep.settings.key_file {
        Some(path) if nothing_given => KekSource::KeyFile(path),
        _ => secret_input::get(given, "the keep", Asking::Existing)?,
    };
    let surroundings = Surroundings { clock: clock::now, state_dir: state_dir() };
    App::open(&global.keep, &secret, &surroundings)
}
