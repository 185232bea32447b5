//! Gets the password of a database: from a file, a descriptor, or as PostgreSQL's own clients do;
//! never from an argument or a URL, where other users of the machine could read it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use twinkeep_app::{AppError, SourceConfig, password_from_file};
use twinkeep_vault::SecretBytes;
use twinkeep_vault::files::{open_to_others, read_secret_bounded};

use crate::cli::DatabaseArgs;
use crate::secret_input::first_line;

/// Gets the password, if there is one: what the command names, then what the configuration names,
/// then `PGPASSWORD`, then the password file of PostgreSQL.
pub(crate) fn get(
    args: &DatabaseArgs,
    source: &SourceConfig,
) -> Result<Option<SecretBytes>, AppError> {
    if let Some(number) = args.password_fd {
        return from_descriptor(number).map(Some);
    }
    if let Some(path) = args.password_file.as_ref().or(source.password_file.as_ref()) {
        return Ok(Some(first_line(read(path, PASSWORD_SIZE_MAX)?)));
    }
    if let Some(password) = std::env::var_os("PGPASSWORD").filter(|password| !password.is_empty()) {
        return Ok(Some(SecretBytes::new(password.into_encoded_bytes())));
    }
    let named = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let path = named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass")));
    match path.filter(|path| path.exists()) {
        Some(path) => password_from_file(read(&path, FILE_SIZE_MAX)?.expose(), &source.url),
        None => Ok(None),
    }
}

fn read(path: &Path, size_max: u64) -> Result<SecretBytes, AppError> {
    let attempt = || format!("cannot read the password file `{}`", path.display());
    let cannot = |error| AppError::usage("password-file", attempt()).because(error);
    if open_to_others(path).map_err(cannot)? != 0 {
        let attempt = format!("`{}` can be read by others", path.display());
        return Err(AppError::usage("password-file", attempt)
            .hint(format!("run `chmod 600 {}`, and choose a new password", path.display())));
    }
    read_secret_bounded(path, size_max).map_err(cannot)
}

/// Opens the descriptor through the kernel's own name for it, so that no unsafe code is needed.
fn from_descriptor(number: i32) -> Result<SecretBytes, AppError> {
    let cannot = |error: io::Error| {
        let attempt = format!("cannot read a password from descriptor {number}");
        AppError::usage("password-fd", attempt).because(error)
    };
    let mut bytes = Vec::with_capacity(PASSWORD_SIZE_MAX as usize);
    let file = File::open(format!("/proc/self/fd/{number}")).map_err(cannot)?;
    file.take(PASSWORD_SIZE_MAX).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(first_line(SecretBytes::new(bytes)))
}

/// Longer than any password, and short enough that `/dev/zero` does no harm.
const PASSWORD_SIZE_MAX: u64 = 4096;

/// A password file has a line a database.
const FILE_SIZE_MAX: u64 = 256 << 10;
