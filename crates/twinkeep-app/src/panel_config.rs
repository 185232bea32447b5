//! What feeds are screened by: `panel.toml`, or the shipped parameters.

use std::path::PathBuf;

use twinkeep_intake::panel::{PanelParameters, PanelParametersError};

use crate::layout::Layout;
use crate::parameter_file::Parameters;
use crate::{App, AppError};

impl App {
    /// Reads the keep's own parameters, or takes the shipped ones.
    pub(crate) fn panel_parameters(&self) -> Result<PanelParameters, AppError> {
        Parameters {
            shipped: PanelParameters::SHIPPED,
            unreadable: "panel-parameters-read",
            parse: PanelParameters::parse,
            code: PanelParametersError::code,
        }
        .read(&self.layout.panel())
    }
}

impl Layout {
    /// How feeds are screened, where the operator wants it otherwise than usual.
    pub(crate) fn panel(&self) -> PathBuf {
        self.root().join("panel.toml")
    }
}
