//! Reasons that people give for what they do: kept with the decision, never in the ledger.

use crate::AppError;

/// Refuses a reason that is empty or cannot be shown; returns it without white space around it.
pub(crate) fn check_reason(reason: &str) -> Result<&str, AppError> {
    let reason = reason.trim();
    let length = reason.chars().count();
    if !(1..=REASON_LEN_MAX).contains(&length) || reason.chars().any(char::is_control) {
        let attempt =
            format!("a reason has 1 to {REASON_LEN_MAX} characters, on one line, without controls");
        return Err(AppError::usage("reason", attempt));
    }
    Ok(reason)
}

/// A few sentences.
const REASON_LEN_MAX: usize = 500;
