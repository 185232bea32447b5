//! What poisoning is judged by: `poisoning.toml`, or the shipped parameters.

use std::path::PathBuf;

use twinkeep_watch::poisoning::{PoisoningParameters, PoisoningParametersError};

use crate::layout::Layout;
use crate::parameter_file::Parameters;
use crate::{App, AppError};

impl App {
    /// Reads the keep's own parameters, or takes the shipped ones.
    pub(crate) fn poisoning_parameters(&self) -> Result<PoisoningParameters, AppError> {
        Parameters {
            shipped: PoisoningParameters::SHIPPED,
            unreadable: "poisoning-parameters-read",
            parse: PoisoningParameters::parse,
            code: PoisoningParametersError::code,
        }
        .read(&self.layout.poisoning())
    }
}

impl Layout {
    /// How poisoning is judged, where the operator wants it otherwise than usual.
    pub(crate) fn poisoning(&self) -> PathBuf {
        self.root().join("poisoning.toml")
    }
}
