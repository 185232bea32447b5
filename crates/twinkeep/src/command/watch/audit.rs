//! `twinkeep watch search`.

use std::io::{self, BufWriter, Write};

use twinkeep_app::{AppError, AuditSearch, FoundAccess, search_audit};

use crate::cli::{AuditFormat, AuditSearchArgs};
use crate::clock;
use crate::output::{Output, thousands};

pub(super) fn search(args: &AuditSearchArgs, out: &Output) -> Result<(), AppError> {
    let search = AuditSearch {
        log: &args.log,
        key: args.key.as_deref(),
        since: args.since.as_deref(),
        until: args.until.as_deref(),
        names: args.interpret,
    };
    let default = if out.json() { AuditFormat::Json } else { AuditFormat::Text };
    let format = args.format.unwrap_or(default);
    let mut stdout = BufWriter::new(io::stdout().lock());
    if format == AuditFormat::Csv {
        tolerant(writeln!(stdout, "{}", CSV_COLUMNS.join(",")))?;
    }
    let mut print = |found: FoundAccess| tolerant(write(&mut stdout, format, &found));
    let report = search_audit(&search, clock::now(), &mut print)?;
    tolerant(stdout.flush())?;
    out.remark(&format!(
        "{} events of {} records",
        thousands(report.found),
        thousands(report.records)
    ));
    if report.malformed > 0 {
        out.remark(&format!("warning: {} lines are no records", thousands(report.malformed)));
    }
    Ok(())
}

fn write(to: &mut impl Write, format: AuditFormat, found: &FoundAccess) -> io::Result<()> {
    match format {
        AuditFormat::Text => {
            writeln!(to, "----")?;
            found.records.iter().try_for_each(|record| writeln!(to, "{record}"))
        }
        AuditFormat::Csv => writeln!(to, "{}", csv(found)),
        AuditFormat::Json => {
            serde_json::to_writer(&mut *to, found)?;
            writeln!(to)
        }
        AuditFormat::Ocsf => {
            serde_json::to_writer(&mut *to, &found.ocsf())?;
            writeln!(to)
        }
    }
}

fn csv(found: &FoundAccess) -> String {
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    let success = found.success.map(|success| success.to_string()).unwrap_or_default();
    let values = [
        found.time.clone(),
        found.serial.to_string(),
        found.host.clone(),
        found.action.clone(),
        success,
        found.login.clone().unwrap_or_default(),
        found.user.clone().unwrap_or_default(),
        number(found.pid),
        number(found.parent),
        found.process.clone(),
        found.executable.clone(),
        found.files.join(";"),
        found.keys.join(";"),
    ];
    values.map(quoted).join(",")
}

/// RFC 4180; and what a spreadsheet would take for a formula is quoted with an apostrophe.
fn quoted(value: String) -> String {
    let value = if value.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{value}")
    } else {
        value
    };
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

/// The reader of a pipe may go away, as `head` does: nothing is wrong then.
fn tolerant(written: io::Result<()>) -> Result<(), AppError> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| {
            AppError::environment("stdout", "cannot print the result").because(error)
        }),
    }
}

const CSV_COLUMNS: [&str; 13] = [
    "time",
    "serial",
    "host",
    "action",
    "success",
    "login",
    "user",
    "pid",
    "parent",
    "process",
    "executable",
    "files",
    "keys",
];
