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

/// Returns what the environment says of the time zone that people have, if it says anything.
pub(crate) fn time_zone() -> Option<String> {
    std::env::var("TZ").ok()
}

/// Opens the keep that the global options name, with the secret that they, the configuration, or
/// a prompt give.
pub(crate) fn open_keep(global: &Global) -> Result<App, AppError> {
    Ok(open_keep_with(global)?.0)
}

/// Opens the keep, and returns what opened it too.
pub(crate) fn open_keep_with(global: &Global) -> Result<(App, KekSource), AppError> {
    let secret = keep_secret(global)?;
    let surroundings = Surroundings { clock: clock::now, state_dir: state_dir() };
    Ok((App::open(&global.keep, &secret, &surroundings)?, secret))
}

/// Returns what opens the keep.
pub(crate) fn keep_secret(global: &Global) -> Result<KekSource, AppError> {
    let keep = Keep::find(&global.keep)?;
    let given = &global.secret;
    let nothing_given = given.passphrase_file.is_none()
        && given.passphrase_fd.is_none()
        && given.key_file.is_none()
        && given.kek_uri.is_none();
    // A keep that was put under another kind of secret since has no use for the file.
    let by_file = keep.descriptor.kek.method == KEY_FILE_METHOD;
    match keep.settings.key_file {
        Some(path) if nothing_given && by_file => Ok(KekSource::KeyFile(path)),
        _ => secret_input::get(given, "the keep", Asking::Existing),
    }
}

/// What `keep.json` says of a keep that opens with a key file.
const KEY_FILE_METHOD: &str = "key-file";
