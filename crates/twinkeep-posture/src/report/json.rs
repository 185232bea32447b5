//! A report as JSON, as we write it ourselves: all that there is.

use crate::scan::Report;

/// Writes a report as JSON.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}
