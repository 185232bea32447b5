//! Prints results to stdout and everything else to stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use twinkeep_app::AppError;

use crate::cli::Global;

/// Where results and remarks go.
#[derive(Clone)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    /// Takes the global options.
    pub(crate) fn new(global: &Global) -> Self {
        Self { json: global.json, quiet: global.quiet || global.json }
    }

    /// Returns whether results are printed as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Prints a result: as one JSON object, or as the text that `text` makes of it.
    pub(crate) fn result<T: Serialize>(
        &self,
        report: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), AppError> {
        let line = if self.json {
            let line = serde_json::to_string(report);
            line.map_err(|error| AppError::environment("json", "cannot print JSON").because(error))?
        } else {
            text(report).trim_end().to_owned()
        };
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{line}") {
            // The reader of a pipe went away, as `head` does: nothing is wrong.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| {
                AppError::environment("stdout", "cannot print the result").because(error)
            }),
        }
    }

    /// Prints text that is in its form already, whatever was asked for.
    pub(crate) fn verbatim(&self, text: &str) -> Result<(), AppError> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| {
                AppError::environment("stdout", "cannot print the result").because(error)
            }),
        }
    }

    /// Prints a list: as one JSON object a line, or as the text that `text` makes of all of it.
    pub(crate) fn list<T: Serialize>(
        &self,
        reports: &[T],
        text: impl FnOnce(&[T]) -> String,
    ) -> Result<(), AppError> {
        if self.json {
            return reports.iter().try_for_each(|report| self.result(report, |_| String::new()));
        }
        self.result(&reports, |reports| text(reports))
    }

    /// Says something beside the result.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Returns a progress bar; hidden where nobody looks.
    pub(crate) fn progress(&self, what: &'static str) -> Progress {
        let shown = !self.quiet && io::stderr().is_terminal();
        let bar = if shown { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{msg:12} [{bar:32}] {percent:>3} %, {eta} left");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress(bar)
    }
}

/// Shows how far long work is.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Shows `done` of `total`; a total of 0 is not known.
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.0.set_length(total.max(done));
        self.0.set_position(done);
    }

    /// Tells the time left by the pace from now on: what is done so far took no time.
    pub(crate) fn forget_pace(&self) {
        self.0.reset_eta();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Lays out rows in columns; the first row is the header. Numbers are right-aligned.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let pad = " ".repeat(width - cell.chars().count());
            let (before, after) =
                if is_number(cell) { (pad.as_str(), "") } else { ("", pad.as_str()) };
            line.push_str(&format!("{before}{cell}{after}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Writes a count with separators: 1,757,980.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn is_number(cell: &str) -> bool {
    cell.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        && cell.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '%' | ' '))
}

#[cfg(test)]
mod tests {
    use super::{table, thousands};

    #[test]
    fn columns_line_up() {
        let rows = [vec!["code".into(), "error".into()], vec!["HR".into(), "1.5".into()]];
        assert_eq!(table(&rows), "code  error\nHR      1.5\n");
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!([0, 999, 1000, 1_757_980].map(thousands), ["0", "999", "1,000", "1,757,980"]);
    }
}
