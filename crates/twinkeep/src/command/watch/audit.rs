//! `twinkeep watch search|rules|retention`.

use std::io::{self, BufWriter, Write};

use twinkeep_app::{
    AppError, AuditRuleForm, AuditRulesReport, AuditSearch, FoundAccess, Keep, Lasting,
    RetentionReport, RetentionRequest, audit_rules_text, check_audit_rules, load_audit_rules,
    search_audit, unload_audit_rules, watch_retention, write_audit_rules,
};
use twinkeep_posture::report::plain;

use crate::cli::{AuditFormat, AuditRulesArgs, AuditSearchArgs, Global};
use crate::clock;
use crate::output::{Output, table, thousands};
use crate::surroundings::time_zone;

pub(super) fn search(args: &AuditSearchArgs, out: &Output) -> Result<(), AppError> {
    let zone = time_zone();
    let search = AuditSearch {
        log: &args.log,
        key: args.key.as_deref(),
        since: args.since.as_deref(),
        until: args.until.as_deref(),
        names: args.interpret,
        zone: zone.as_deref(),
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

pub(super) fn rules(global: &Global, args: &AuditRulesArgs, out: &Output) -> Result<(), AppError> {
    let keep = Keep::find(&global.keep)?;
    let form = if args.watch_form { AuditRuleForm::Watch } else { AuditRuleForm::Calls };
    if let Some(path) = &args.write {
        write_audit_rules(&keep, form, path)?;
        let done = serde_json::json!({ "written": path });
        return out.result(&done, |_| format!("written to `{}`", path.display()));
    }
    let report = match args {
        AuditRulesArgs { load: true, .. } => load_audit_rules(&keep, form)?,
        AuditRulesArgs { unload: true, .. } => unload_audit_rules(&keep)?,
        AuditRulesArgs { check: true, .. } => check_audit_rules(&keep)?,
        _ => {
            let text = audit_rules_text(&keep, form)?;
            return out.result(&serde_json::json!({ "rules": text }), |_| text.clone());
        }
    };
    out.result(&report, rules_text)?;
    if args.check && !report.findings.is_empty() {
        let attempt = "auditing does not see who touches models and keys";
        return Err(AppError::refused("audit-rules", attempt));
    }
    Ok(())
}

fn rules_text(report: &AuditRulesReport) -> String {
    let AuditRulesReport { added, kept, removed, findings } = report;
    let mut text = format!("{added} rules added, {kept} there already, {removed} removed");
    findings.iter().for_each(|finding| text.push_str(&format!("\nfinding: {finding}")));
    text
}

pub(super) fn retention(
    global: &Global,
    request: RetentionRequest<'_>,
    out: &Output,
) -> Result<(), AppError> {
    let report = watch_retention(&global.keep, request, clock::now())?;
    out.result(&report, retention_text)?;
    if report.enough() {
        return Ok(());
    }
    let attempt = "what was recorded does not last six years at today's rate";
    Err(AppError::refused("retention-short", attempt))
}

fn retention_text(report: &RetentionReport) -> String {
    let row = |name: &str, lasting: &Lasting| {
        let days = lasting.days.map_or_else(|| "for ever".to_owned(), thousands);
        let enough = if lasting.enough { "yes" } else { "no" };
        vec![
            name.to_owned(),
            thousands(lasting.bytes),
            thousands(lasting.bytes_per_day),
            thousands(lasting.bytes_max),
            days,
            enough.to_owned(),
        ]
    };
    let header = ["", "bytes", "a day", "room for", "days", "enough"].map(str::to_owned).to_vec();
    let rows = [
        Some(row("ledger", &report.ledger)),
        report.audit_logs.as_ref().map(|it| row("audit logs", it)),
    ];
    let rows: Vec<_> = std::iter::once(header).chain(rows.into_iter().flatten()).collect();
    format!("{}\n{} days are six years", table(&rows), thousands(report.needed_days))
}

fn write(to: &mut impl Write, format: AuditFormat, found: &FoundAccess) -> io::Result<()> {
    match format {
        AuditFormat::Text => {
            writeln!(to, "----")?;
            found.records.iter().try_for_each(|record| writeln!(to, "{}", plain_record(record)))
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

/// A record as people read it. What auditd added is behind a separator that nobody sees, and stays.
fn plain_record(record: &str) -> String {
    record.split(ADDED).map(plain).collect::<Vec<_>>().join(ADDED)
}

/// RFC 4180, one event a line; what nobody sees is written as its number, and what a spreadsheet would
/// take for a formula is quoted with an apostrophe: whoever names a process or a file chooses it.
fn quoted(value: String) -> String {
    let value = plain(&value);
    let formula = value.starts_with(['=', '+', '-', '@']);
    let value = if formula { format!("'{value}") } else { value.into_owned() };
    if value.contains([',', '"']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value }
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

/// What comes between a record of the kernel and what auditd added.
const ADDED: &str = "\u{1d}";

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

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_value_is_on_one_line_and_is_read_as_it_is_written() {
        let of = |value: &str| quoted(value.to_owned());
        assert_eq!(of("a\nb\r\t\u{1b}[2J"), "a\\u{a}b\\u{d}\\u{9}\\u{1b}[2J");
        assert_eq!(of("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert_eq!(of("=1,\"x\""), "\"'=1,\"\"x\"\"\"");
        assert_eq!(of("keys/root.key"), "keys/root.key");
    }
}
