//! Turns an error into text for the person at the terminal, and into an exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use twinkeep_app::{AppError, Class};

/// What failed, then each cause on its own line, then the next step if it is known.
pub(crate) fn render(error: &AppError) -> String {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(text, "  caused by: {error}");
        cause = error.source();
    }
    if let Some(hint) = error.next_step() {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// The same as one JSON object.
pub(crate) fn render_json(error: &AppError) -> String {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    serde_json::json!({
        "error": {
            "code": error.code(),
            "message": error.to_string(),
            "causes": causes,
            "hint": error.next_step(),
        }
    })
    .to_string()
}

/// Public: docs/reference/exit-codes.md.
pub(crate) fn exit_code(error: &AppError) -> ExitCode {
    ExitCode::from(match error.class() {
        Class::Refused => 1,
        Class::Usage => 2,
        Class::Environment => 3,
    })
}
