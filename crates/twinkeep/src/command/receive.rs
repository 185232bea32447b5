//! `twinkeep receive folder`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use twinkeep_app::{AppError, Caller, FolderLine, FolderRequest, receive_folder};

use crate::cli::{Global, ReceiveCommand};
use crate::output::Output;
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &ReceiveCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let ReceiveCommand::Folder { dir, plain, site, once } = args;
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stopped)).map_err(|error| {
            AppError::environment("signals", "cannot listen for signals").because(error)
        })?;
    }
    let plain_site = plain.then_some(site.as_deref().unwrap_or("local"));
    let request = FolderRequest { dir, plain_site, once: *once };
    if !once {
        out.remark(&format!("watching `{}` (stop with Ctrl-C or SIGTERM)", dir.display()));
    }
    let mut printed = Ok(());
    let mut settled = |line: &FolderLine| {
        let result = out.result(line, text);
        if printed.is_ok() {
            printed = result;
        }
    };
    let stop = || stopped.load(Ordering::Relaxed);
    receive_folder(&app, &Caller::operator(), request, &stop, &mut settled)?;
    printed
}

fn text(line: &FolderLine) -> String {
    let more = line.feed.as_deref().or(line.code).unwrap_or_default();
    format!("{:<8} {}  {more}", line.outcome, line.file)
}
