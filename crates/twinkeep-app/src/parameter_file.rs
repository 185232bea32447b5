//! Reads a file of parameters that a keep may have of its own; where it has none, the shipped ones hold.

use std::error::Error;
use std::io;
use std::path::Path;

use twinkeep_vault::files::read_bounded;

use crate::AppError;

/// Parameters as people write them.
pub(crate) struct Parameters<T, E> {
    /// What holds where a keep has none of its own.
    pub(crate) shipped: &'static str,
    /// The code of a file that cannot be read.
    pub(crate) unreadable: &'static str,
    /// Reads their text.
    pub(crate) parse: fn(&str) -> Result<T, E>,
    /// The code of a text that cannot be used.
    pub(crate) code: fn(&E) -> &'static str,
}

impl<T, E: Error + Send + Sync + 'static> Parameters<T, E> {
    /// Reads the keep's own parameters, or takes the shipped ones. A file that is there and cannot be
    /// read is an error: whoever wrote it may have wanted it stricter.
    pub(crate) fn read(&self, path: &Path) -> Result<T, AppError> {
        let text = match read_bounded(path, LEN_MAX) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.shipped.to_owned(),
            Err(error) => {
                let attempt = format!("cannot read `{}`", path.display());
                return Err(AppError::environment(self.unreadable, attempt).because(error));
            }
        };
        (self.parse)(&text).map_err(|error| {
            let attempt = format!("cannot use `{}`", path.display());
            AppError::usage((self.code)(&error), attempt).because(error)
        })
    }
}

/// The longest of those that are shipped has 3 KiB.
const LEN_MAX: u64 = 64 << 10;
