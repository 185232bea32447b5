//! `twinkeep receive folder|nats`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use twinkeep_app::{
    App, AppError, Caller, Dates, FolderLine, FolderNews, FolderRequest, MessageLine,
    NatsFeedsRequest, NatsNews, keep_receiving, receive_folder, receive_nats,
};

use crate::cli::{Global, ReceiveCommand, ReceiveNatsArgs};
use crate::nats_login::Login;
use crate::output::Output;
use crate::report;
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &ReceiveCommand, out: &Output) -> Result<(), AppError> {
    match args {
        ReceiveCommand::Folder { dir, plain, site, dates_shifted, once } => {
            let plain_site = plain.then_some(site.as_deref().unwrap_or("local"));
            let dates = if *dates_shifted { Dates::Shifted } else { Dates::Real };
            let request = FolderRequest { dir, plain_site, dates, once: *once };
            folder(&open_keep(global)?, request, out)
        }
        ReceiveCommand::Nats(args) => nats(global, args, out),
    }
}

fn folder(app: &App, request: FolderRequest<'_>, out: &Output) -> Result<(), AppError> {
    let stopped = stop_on_signals()?;
    let mut printed = Ok(());
    let mut tell = |news: &FolderNews<'_>| match news {
        FolderNews::Watching => {}
        FolderNews::Settled(line) => {
            let result = out.result(*line, folder_text);
            if printed.is_ok() {
                printed = result;
            }
        }
        FolderNews::Failed(error) => out.remark(&format!("warning: {error}; trying again")),
    };
    let (caller, stop) = (Caller::operator(), || stopped.load(Ordering::Relaxed));
    // A folder that was mistyped is told at once; one that goes away later may come back.
    if request.once || !request.dir.is_dir() {
        receive_folder(app, &caller, request, &stop, &mut tell)?;
    } else {
        let dir = request.dir.display();
        out.remark(&format!("watching `{dir}` (stop with Ctrl-C or SIGTERM)"));
        keep_receiving(app, &caller, request, &stop, &mut tell);
    }
    printed
}

fn nats(global: &Global, args: &ReceiveNatsArgs, out: &Output) -> Result<(), AppError> {
    let login = Login::read(&args.login)?;
    let app = open_keep(global)?;
    let stopped = stop_on_signals()?;
    let request = NatsFeedsRequest {
        server: login.server(&args.url, args.ca.as_deref().map(Path::new)),
        stream: &args.stream,
        consumer: &args.consumer,
        subject: args.subject.as_deref(),
        once: args.once,
        allow_gap: args.allow_gap,
    };
    if !args.once {
        let stream = &args.stream;
        out.remark(&format!("reading the stream `{stream}` (stop with Ctrl-C or SIGTERM)"));
    }
    let (mut printed, mut failing) = (Ok(()), false);
    let mut tell = |news: &NatsNews<'_>| match news {
        NatsNews::Reading(place) => {
            if failing {
                out.remark(&format!("`{place}` is there again"));
            }
            failing = false;
        }
        NatsNews::Settled(line) => {
            let result = out.result(*line, message_text);
            if printed.is_ok() {
                printed = result;
            }
        }
        NatsNews::Failed(error) => {
            failing = true;
            out.remark(report::render(error).trim_end());
        }
    };
    let stop = || stopped.load(Ordering::Relaxed);
    receive_nats(&app, &Caller::operator(), request, &stop, &mut tell)?;
    printed
}

pub(super) fn stop_on_signals() -> Result<Arc<AtomicBool>, AppError> {
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stopped)).map_err(|error| {
            AppError::environment("signals", "cannot listen for signals").because(error)
        })?;
    }
    Ok(stopped)
}

fn folder_text(line: &FolderLine) -> String {
    let more = line.feed.as_deref().or(line.code).unwrap_or_default();
    format!("{:<8} {}  {more}", line.outcome, line.file)
}

fn message_text(line: &MessageLine) -> String {
    let mut text = format!("{:<8} message {}", line.outcome, line.message);
    if let (Some(sender), Some(sequence)) = (&line.sender, line.sequence) {
        text.push_str(&format!("  feed {sequence} of {sender}"));
    }
    for more in [line.feed.as_deref(), line.code].into_iter().flatten() {
        text.push_str(&format!("  {more}"));
    }
    if let Some(kept) = &line.kept {
        text.push_str(&format!("  kept: {kept}"));
    }
    text
}
