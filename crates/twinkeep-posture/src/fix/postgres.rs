//! Sets settings of a server of PostgreSQL, and rewrites lines of its `pg_hba.conf`.
//!
//! # Invariants
//!
//! - After each change the server has read its configuration again, and whoever made the change
//!   has come in anew; otherwise the change is taken back at once, over the connection that is
//!   still there.
//! - Only settings of [`Parameter`] are set, and only lines of a file that the server reads.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::change::{Now, compare};
use super::error::FixError;
use super::files::{at, read_text, rewrite};
use super::s3::Services;
use crate::collect::CollectError;
use crate::collect::postgres::{ALTERED, Line, hba_rules, offers_tls};
use crate::facts::postgres::HbaRule;

/// A server that changes are made in, by a role that may.
pub trait DatabaseServer: fmt::Debug {
    /// How it is named in facts and in plans: without a password.
    fn place(&self) -> &str;

    /// Asks for one text over the connection that is there.
    fn ask(&self, query: &str) -> Result<String, String>;

    /// Runs a statement over the connection that is there, outside of a transaction.
    fn run(&self, statement: &str) -> Result<(), String>;

    /// Comes in anew, as the same role, and asks for one text.
    fn ask_anew(&self, query: &str) -> Result<String, String>;
}

/// A setting that holds as soon as the server reads its configuration again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Parameter {
    /// Whether TLS is offered.
    #[serde(rename = "ssl")]
    Ssl,
    /// The oldest version of TLS that is taken.
    #[serde(rename = "ssl_min_protocol_version")]
    SslMinProtocolVersion,
    /// How new passwords are stored.
    #[serde(rename = "password_encryption")]
    PasswordEncryption,
    /// Whether it is written down who connects.
    #[serde(rename = "log_connections")]
    LogConnections,
    /// Whether it is written down when a connection ends.
    #[serde(rename = "log_disconnections")]
    LogDisconnections,
    /// What `pgaudit` records.
    #[serde(rename = "pgaudit.log")]
    PgauditLog,
}

impl Parameter {
    /// Its name, as PostgreSQL has it.
    pub fn name(self) -> &'static str {
        match self {
            Parameter::Ssl => "ssl",
            Parameter::SslMinProtocolVersion => "ssl_min_protocol_version",
            Parameter::PasswordEncryption => "password_encryption",
            Parameter::LogConnections => "log_connections",
            Parameter::LogDisconnections => "log_disconnections",
            Parameter::PgauditLog => "pgaudit.log",
        }
    }
}

/// A setting of a server that is to be changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Altered<'a> {
    pub(super) server: &'a str,
    pub(super) parameter: Parameter,
    pub(super) from: &'a Option<String>,
    pub(super) to: &'a Option<String>,
}

impl Altered<'_> {
    /// Where it stands: what counts is what `ALTER SYSTEM` wrote.
    pub(super) fn now(self, services: Services<'_>) -> Result<Now, FixError> {
        let server = find(services, self.server)?;
        let altered = server.ask(ALTERED).map_err(|why| refused(self.server, why))?;
        let mut altered: BTreeMap<String, String> = serde_json::from_str(&altered)
            .map_err(|_| refused(self.server, "its settings are in no known form"))?;
        Ok(compare(&altered.remove(self.parameter.name()), self.from, self.to))
    }

    /// What would be run, as a line for people.
    pub(super) fn says(self) -> String {
        format!("{} at {}", statement(self.parameter, self.to), self.server)
    }

    /// Makes it, or takes it back.
    pub(super) fn make(self, services: Services<'_>) -> Result<(), FixError> {
        let server = find(services, self.server)?;
        match self.now(services)? {
            Now::Other => {
                let path = format!("{} of {}", self.parameter.name(), self.server);
                return Err(FixError::Changed { path });
            }
            // The server may have been told of it, and not yet to read it.
            Now::After => {}
            Now::Before => server
                .run(&statement(self.parameter, self.to))
                .map_err(|why| refused(self.server, why))?,
        }
        let Err(says) = reload(server).and_then(|()| self.check(server)) else { return Ok(()) };
        let back = server.run(&statement(self.parameter, self.from));
        let back = back.and_then(|()| tell_to_reload(server));
        Err(taken_back(self.parameter.name(), says, back))
    }

    /// Whether it came to be so for whoever comes in now.
    fn check(self, server: &dyn DatabaseServer) -> Result<(), String> {
        let Some(to) = self.to else { return Ok(()) };
        let name = self.parameter.name();
        let now = server.ask_anew(&format!("SELECT current_setting({})", quoted(name)))?;
        if canonical(now.trim_end()) != canonical(to) {
            return Err("the server does not take it over; is it set elsewhere, too?".to_owned());
        }
        // A server without a certificate says that it is on, offers none, and never starts again.
        if self.parameter == Parameter::Ssl && to == "on" {
            let port = server.ask("SELECT current_setting('port')")?;
            let port = port.trim().parse().map_err(|_| "its port is no number".to_owned())?;
            if !offers_tls(Ipv4Addr::LOCALHOST.into(), port)? {
                let why = "the server does not take TLS with it: does it have a certificate and a \
                           key that it can read?";
                return Err(why.to_owned());
            }
        }
        Ok(())
    }
}

/// A value as the server shows it, of one as somebody wrote it: letters of any size, and a boolean
/// as any beginning of its words.
fn canonical(value: &str) -> String {
    let value = value.to_ascii_lowercase();
    let begins =
        |words: &[&str]| !value.is_empty() && words.iter().any(|it| it.starts_with(&value));
    match value.as_str() {
        "1" => "on".to_owned(),
        "0" | "of" => "off".to_owned(),
        _ if begins(&["true", "yes"]) => "on".to_owned(),
        _ if begins(&["false", "no"]) => "off".to_owned(),
        _ => value,
    }
}

/// A line of `pg_hba.conf` that is to be changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct HbaLine<'a> {
    pub(super) server: &'a str,
    pub(super) path: &'a str,
    pub(super) line: u32,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl HbaLine<'_> {
    /// Where it stands.
    pub(super) fn now(self, services: Services<'_>) -> Result<Now, FixError> {
        find(services, self.server)?;
        let text = read_text(self.path).map_err(at("reading", self.path))?;
        let line = text.lines().nth(self.index());
        Ok(compare(&line, &Some(self.from), &Some(self.to)))
    }

    /// What would be done, as a line for people.
    pub(super) fn says(self) -> String {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("edit {}:{}: {} -> {}", self.path, self.line, words(self.from), words(self.to))
    }

    /// Makes it, or takes it back.
    pub(super) fn make(self, services: Services<'_>) -> Result<(), FixError> {
        let server = find(services, self.server)?;
        let path = || self.path.to_owned();
        if self.now(services)? == Now::Other {
            return Err(FixError::Changed { path: path() });
        }
        let Some(kind_and_method) = Line::parse(self.to).filter(|_| !has_control(self.to)) else {
            let says = "the line of the plan is none that can be written".to_owned();
            return Err(FixError::Refused { path: path(), says });
        };
        let refuse = |says| FixError::Refused { path: path(), says };
        // Only files that the server reads are written, and only if all in them is well now.
        let rules = rules(server).map_err(|why| refused(self.server, why))?;
        let is_its = |rule: &HbaRule| rule.file == self.path && rule.line == self.line;
        if !rules.iter().any(is_its) {
            return Err(refuse("the server has no rule there".to_owned()));
        }
        if let Some(broken) = rules.iter().find(|rule| rule.broken) {
            return Err(refuse(format!("the server cannot read line {}; repair it", broken.line)));
        }
        server.ask_anew("SELECT 'in'").map_err(refuse)?;
        self.write(self.to)?;
        let seen = self.seen(server, kind_and_method).and_then(|()| reload(server));
        let Err(says) = seen else { return Ok(()) };
        self.write(self.from)?;
        Err(taken_back(self.path, says, tell_to_reload(server)))
    }

    fn index(self) -> usize {
        (self.line as usize).wrapping_sub(1)
    }

    /// Writes the line into the file; all else stays, the ends of lines too.
    fn write(self, line: &str) -> Result<(), FixError> {
        let text = read_text(self.path).map_err(at("reading", self.path))?;
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        if let Some(old) = lines.get_mut(self.index()) {
            let end = if old.ends_with('\r') { "\r" } else { "" };
            *old = format!("{line}{end}");
        }
        rewrite(self.path, &lines.join("\n")).map_err(at("writing", self.path))
    }

    /// Whether the server reads the file, and in it what was written.
    fn seen(self, server: &dyn DatabaseServer, line: Line<'_>) -> Result<(), String> {
        let rules = rules(server)?;
        if let Some(broken) = rules.iter().find(|rule| rule.broken) {
            return Err(format!("the server cannot read line {} any more", broken.line));
        }
        let is_it = |rule: &HbaRule| {
            let same = rule.kind == line.kind && rule.method == line.method;
            same && rule.file == self.path && rule.line == self.line
        };
        if rules.iter().any(is_it) {
            return Ok(());
        }
        Err("the server does not see what was written there".to_owned())
    }
}

/// Whether a line has what no line has, but tabs: a plan from elsewhere writes one line.
fn has_control(line: &str) -> bool {
    line.chars().any(|character| character.is_control() && character != '\t')
}

/// The rules as the server reads them from the file now, whether they hold yet or not.
fn rules(server: &dyn DatabaseServer) -> Result<Vec<HbaRule>, String> {
    let file = server.ask("SELECT current_setting('hba_file')")?;
    let mut ask = |query: &'static str| {
        let target = server.place().to_owned();
        server.ask(query).map_err(|why| CollectError::Unreachable { target, why })
    };
    hba_rules(server.place(), &mut ask, Some(&file.trim_end().to_owned()))
        .map_err(|error| error.to_string())
}

/// Returns the server. A plan is a file that may come from anywhere: it must be for this server,
/// which is the one that somebody named, and whose password is known.
fn find<'a>(services: Services<'a>, place: &str) -> Result<&'a dyn DatabaseServer, FixError> {
    let Some(server) = services.postgres else {
        return Err(refused(place, "no database server was given to change it in"));
    };
    if server.place() != place {
        let why = format!("the plan is not one for `{}`; plan again there", server.place());
        return Err(refused(place, why));
    }
    Ok(server)
}

fn refused(place: &str, says: impl Into<String>) -> FixError {
    FixError::Remote { target: place.to_owned(), says: says.into() }
}

/// A change that was taken back, or that could not be.
fn taken_back(path: &str, says: String, back: Result<(), String>) -> FixError {
    let path = path.to_owned();
    match back {
        Ok(()) => FixError::Refused { path, says },
        Err(why) => FixError::Remote {
            target: path,
            says: format!(
                "{says}; and it could not be taken back ({why}); roll back, or do so by hand"
            ),
        },
    }
}

/// Has the server read its configuration again, and waits until whoever comes in now meets it.
fn reload(server: &dyn DatabaseServer) -> Result<(), String> {
    let before = server.ask_anew(LOADED)?;
    tell_to_reload(server)?;
    for _ in 0..RELOAD_TRIES {
        if server.ask_anew(LOADED)? != before {
            return Ok(());
        }
        thread::sleep(RELOAD_WAIT);
    }
    Err("the server does not read its configuration again".to_owned())
}

fn tell_to_reload(server: &dyn DatabaseServer) -> Result<(), String> {
    match server.ask("SELECT pg_reload_conf()::text")?.trim_end() {
        "true" => Ok(()),
        _ => Err("the server could not be told to read its configuration again".to_owned()),
    }
}

fn statement(parameter: Parameter, to: &Option<String>) -> String {
    match to {
        Some(value) => format!("ALTER SYSTEM SET {} = {}", parameter.name(), quoted(value)),
        None => format!("ALTER SYSTEM RESET {}", parameter.name()),
    }
}

/// A text that means the same whatever the server takes for an escape. Control characters have no
/// place in a setting.
fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// When the configuration was read that holds for whoever asks this first of all.
const LOADED: &str = "SELECT extract(epoch FROM pg_conf_load_time())::text";

/// Far more than it takes: two minutes.
const RELOAD_TRIES: usize = 2_400;
const RELOAD_WAIT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
