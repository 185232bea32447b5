//! The program: arguments, prompts, wiring, printing. What it can do is in `twinkeep-app`.

mod cli;
mod clock;
mod command;
mod output;
mod report;
mod secret_input;
mod surroundings;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // The message of a panic could hold a value of a person; where it happened cannot.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = format!("bug: something that must hold did not, at {place}; please report it\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }));
    let cli = Cli::parse();
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
