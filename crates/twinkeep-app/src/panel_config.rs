//! What feeds are screened by: `panel.toml`, or the shipped parameters.

use std::path::PathBuf;

use twinkeep_intake::panel::PanelParameters;
use twinkeep_vault::files::read_bounded;

use crate::layout::Layout;
use crate::{App, AppError};

impl App {
    /// Reads the keep's own parameters, or takes the shipped ones.
    pub(crate) fn panel_parameters(&self) -> Result<PanelParameters, AppError> {
        let path = self.layout.panel();
        let text = match path.exists() {
            false => PanelParameters::SHIPPED.to_owned(),
            true => {
                let bytes = read_bounded(&path, PARAMETERS_LEN_MAX).map_err(|error| {
                    let attempt = format!("cannot read `{}`", path.display());
                    AppError::environment("panel-parameters-read", attempt).because(error)
                })?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        PanelParameters::parse(&text).map_err(|error| {
            let attempt = format!("cannot use `{}`", path.display());
            AppError::usage(error.code(), attempt).because(error)
        })
    }
}

impl Layout {
    /// How feeds are screened, where the operator wants it otherwise than usual.
    pub(crate) fn panel(&self) -> PathBuf {
        self.root().join("panel.toml")
    }
}

/// The shipped parameters have 3 KiB.
const PARAMETERS_LEN_MAX: u64 = 64 << 10;
