//! The program: arguments, prompts, wiring, printing. What it can do is in `twinkeep-app`.

mod cli;
mod clock;
mod command;
mod database_password;
mod nats_login;
mod output;
mod report;
mod secret_input;
mod surroundings;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use twinkeep_app::AppError;

use crate::cli::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // The message of a panic could hold a value of a person; where it happened cannot.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = format!("bug: something that must hold did not, at {place}; please report it\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let out = Output::new(&cli.global);
    if !twinkeep_vault::process::forbid_core_dumps() {
        out.remark("warning: the system does not let this process forbid core dumps");
    }
    match command::run(&cli, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = if out.json() {
                format!("{}\n", report::render_json(&error))
            } else {
                report::render(&error)
            };
            let _ = std::io::stderr().write_all(text.as_bytes());
            report::exit_code(&error)
        }
    }
}

/// Answers a command line that cannot be read: as clap does, or as JSON where that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|arg| arg == "--json");
    if !(json && error.use_stderr()) {
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default();
    let error = AppError::usage("usage", message.trim_start_matches("error: "))
        .hint("`twinkeep COMMAND --help` shows what it takes");
    let _ = writeln!(std::io::stderr(), "{}", report::render_json(&error));
    report::exit_code(&error)
}
