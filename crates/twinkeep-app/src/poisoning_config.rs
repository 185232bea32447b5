//! What poisoning is judged by: `poisoning.toml`, or the shipped parameters.

use std::path::PathBuf;

use twinkeep_vault::files::read_bounded;
use twinkeep_watch::poisoning::PoisoningParameters;

use crate::layout::Layout;
use crate::{App, AppError};

impl App {
    /// Reads the keep's own parameters, or takes the shipped ones.
    pub(crate) fn poisoning_parameters(&self) -> Result<PoisoningParameters, AppError> {
        let path = self.layout.poisoning();
        let text = match path.exists() {
            false => PoisoningParameters::SHIPPED.to_owned(),
            true => {
                let bytes = read_bounded(&path, PARAMETERS_LEN_MAX).map_err(|error| {
                    let attempt = format!("cannot read `{}`", path.display());
                    AppError::environment("poisoning-parameters-read", attempt).because(error)
                })?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        PoisoningParameters::parse(&text).map_err(|error| {
            let attempt = format!("cannot use `{}`", path.display());
            AppError::usage(error.code(), attempt).because(error)
        })
    }
}

impl Layout {
    /// How poisoning is judged, where the operator wants it otherwise than usual.
    pub(crate) fn poisoning(&self) -> PathBuf {
        self.root().join("poisoning.toml")
    }
}

/// The shipped parameters have 3 KiB.
const PARAMETERS_LEN_MAX: u64 = 64 << 10;
