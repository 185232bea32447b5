//! `twinkeep upstream list|check|login|logout`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use twinkeep_app::{
    App, AppError, Caller, UpstreamConfig, UpstreamLine, forget_upstream_login, list_upstreams,
    set_upstream_login,
};
use twinkeep_gate::{UpstreamCheck, check_upstreams};
use twinkeep_vault::SecretBytes;
use twinkeep_vault::files::{open_to_others, read_secret_bounded};

use crate::cli::{Global, UpstreamCommand};
use crate::output::{Output, table};
use crate::secret_input::first_line;
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &UpstreamCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let operator = Caller::operator();
    match args {
        UpstreamCommand::List => out.list(&list_upstreams(&app)?, lines),
        UpstreamCommand::Check { name } => check(&app, name.as_deref(), out),
        UpstreamCommand::Login { name, file } => {
            set_upstream_login(&app, &operator, name, &first_line(read(file)?))?;
            let done = serde_json::json!({ "name": name, "login": true });
            out.result(&done, |_| format!("the gate logs in to {name} from the next request on"))
        }
        UpstreamCommand::Logout { name } => {
            forget_upstream_login(&app, &operator, name)?;
            let done = serde_json::json!({ "name": name, "login": false });
            out.result(&done, |_| format!("the gate no longer logs in to {name}"))
        }
    }
}

fn check(app: &App, name: Option<&str>, out: &Output) -> Result<(), AppError> {
    let configs: Vec<UpstreamConfig> = match name {
        Some(name) => vec![app.upstream(name)?.clone()],
        None => app.settings().upstreams.clone(),
    };
    let mut logins = BTreeMap::new();
    for config in &configs {
        if let Some(login) = app.upstream_login(&config.name)? {
            let login = SecretBytes::new(login.expose().to_vec());
            logins.insert(config.name.clone(), login);
        }
    }
    let checks = check_upstreams(&configs, &logins).map_err(|error| {
        AppError::usage(error.code(), "cannot connect to the upstreams").because(error)
    })?;
    out.list(&checks, checked)?;
    let unwell: Vec<&str> =
        checks.iter().filter(|check| !check.well).map(|check| check.name.as_str()).collect();
    match unwell.is_empty() {
        true => Ok(()),
        false => {
            let attempt = format!("not well: {}", unwell.join(", "));
            Err(AppError::refused("upstream-unwell", attempt)
                .hint("is it running, and is `url` in twinkeep.toml where it listens?"))
        }
    }
}

/// Reads what logs in; never from an argument, which others on the machine could see.
fn read(file: &Path) -> Result<SecretBytes, AppError> {
    let cannot = |error: std::io::Error| {
        AppError::usage("upstream-login-file", format!("cannot read `{}`", file.display()))
            .because(error)
    };
    if file == Path::new("-") {
        let mut bytes = Vec::with_capacity(SIZE_MAX as usize);
        std::io::stdin().lock().take(SIZE_MAX).read_to_end(&mut bytes).map_err(cannot)?;
        return Ok(SecretBytes::new(bytes));
    }
    if open_to_others(file).map_err(cannot)? != 0 {
        let attempt = format!("`{}` can be read by others", file.display());
        return Err(AppError::usage("upstream-login-file", attempt)
            .hint(format!("run `chmod 600 {}`, and choose a new secret", file.display())));
    }
    read_secret_bounded(file, SIZE_MAX).map_err(cannot)
}

fn lines(lines: &[UpstreamLine]) -> String {
    let header = ["name", "path", "url", "login", "health", "breaker", "since"];
    let rows = lines.iter().map(|line| {
        let state = |part: fn(&twinkeep_app::UpstreamState) -> &String| {
            line.state.as_ref().map_or_else(|| "not serving".to_owned(), |it| part(it).clone())
        };
        vec![
            line.name.clone(),
            line.path.clone(),
            line.url.clone(),
            if line.login { "yes" } else { "no" }.to_owned(),
            state(|state| &state.health),
            state(|state| &state.breaker),
            state(|state| &state.since),
        ]
    });
    table(&std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect::<Vec<_>>())
}

fn checked(checks: &[UpstreamCheck]) -> String {
    let header = ["name", "well", "answer", "milliseconds"];
    let rows = checks.iter().map(|check| {
        let answer = check.status.map(|status| status.to_string());
        let fault = check.fault.map(str::to_owned);
        vec![
            check.name.clone(),
            if check.well { "yes" } else { "no" }.to_owned(),
            answer.or(fault).unwrap_or_default(),
            check.milliseconds.to_string(),
        ]
    });
    table(&std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect::<Vec<_>>())
}

/// A token with many claims, and a line break.
const SIZE_MAX: u64 = 4098;
