//! The hidden commands by which `twinkeep serve` starts its other processes.
//!
//! None opens a keep, takes an argument, or prints anything: what they need comes through the
//! socket that is their standard input, and whoever runs one by hand sees it end.

use std::io::{stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register;
use twinkeep_app::{AppError, Keep, help_on_host};
use twinkeep_gate::{GateError, run_courier, run_edge, run_launcher};

use crate::cli::Global;

/// What starts the launcher, and what starts those that it starts.
pub(super) const LAUNCHER: &str = "serve-launcher";
const EDGE: &str = "serve-edge";
const COURIER: &str = "serve-courier";

/// Starts edges for a worker.
pub(super) fn launcher() -> Result<(), AppError> {
    outlive_signals()?;
    run_launcher(EDGE, COURIER).map_err(refuse)
}

/// Faces the network for a worker.
pub(super) fn edge() -> Result<(), AppError> {
    outlive_signals()?;
    run_edge().map_err(refuse)
}

/// Connects to upstreams for a worker.
pub(super) fn courier() -> Result<(), AppError> {
    outlive_signals()?;
    run_courier().map_err(refuse)
}

/// Acts on the host for a worker.
pub(super) fn host_helper(global: &Global) -> Result<(), AppError> {
    outlive_signals()?;
    let keep = Keep::find(&global.keep)?;
    help_on_host(&keep, &mut stdin().lock(), &mut stdout())
}

/// A service manager signals all processes at once: the worker is the one that acts on it, and
/// tells the others what to finish first.
pub(super) fn outlive_signals() -> Result<(), AppError> {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        register(signal, Arc::new(AtomicBool::new(false))).map_err(|error| {
            AppError::environment("signals", "cannot listen for signals").because(error)
        })?;
    }
    Ok(())
}

fn refuse(error: GateError) -> AppError {
    AppError::environment(error.code(), "cannot face the network").because(error)
}
