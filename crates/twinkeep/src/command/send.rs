//! `twinkeep send`.

use std::path::Path;

use twinkeep_app::{
    AppError, PublishRequest, PublishedFeed, SendRequest, SentFeed, publish_feeds, send_feeds,
};
use twinkeep_vault::SecretBytes;
use twinkeep_vault::files::{open_to_others, read_bounded, read_secret_bounded};

use crate::cli::{Global, NatsArgs, SendArgs};
use crate::nats_login::Login;
use crate::output::Output;
use crate::secret_input::{self, Asking};

pub(crate) fn run(global: &Global, args: &SendArgs, out: &Output) -> Result<(), AppError> {
    let count = match (&args.nats, &args.subject, &args.to) {
        (Some(url), Some(subject), _) => publish(global, args, url, subject, out)?,
        (_, _, Some(to)) => push(global, args, to, out)?,
        // The words of the command line rule it out.
        _ => return Err(AppError::usage("usage", "nobody is named to send to")),
    };
    if count == 0 {
        out.remark("nothing waits to be sent");
    }
    Ok(())
}

fn push(global: &Global, args: &SendArgs, to: &str, out: &Output) -> Result<u64, AppError> {
    if args.login != NatsArgs::default() {
        let attempt = "a login to NATS is of no use to a gate";
        return Err(
            AppError::usage("send-options", attempt).hint("pass `--nats` instead of `--to`")
        );
    }
    let (Some(key), Some(ca)) = (&args.api_key_file, &args.ca) else {
        return Err(AppError::usage("usage", "`--to` needs `--ca` and `--api-key-file`"));
    };
    let key = api_key(key)?;
    let ca = read_bounded(ca, CA_SIZE_MAX).map_err(|error| unreadable(ca, error))?;
    let secret = secret_input::get(&global.secret, "the sender's identity", Asking::Existing)?;
    let request = SendRequest {
        paths: &args.paths,
        to,
        identity: &args.identity,
        secret: &secret,
        recipient: &args.recipient,
        ca: &ca,
        key: &key,
        retries: args.retries,
    };
    let bar = out.progress("sending");
    let mut printed = Ok(());
    let mut sent = |feed: &SentFeed| {
        let result = out.result(feed, text);
        if printed.is_ok() {
            printed = result;
        }
    };
    let count = send_feeds(&request, &mut sent, &mut |step| bar.set(step.done, step.total))?;
    printed.map(|()| count)
}

fn publish(
    global: &Global,
    args: &SendArgs,
    url: &str,
    subject: &str,
    out: &Output,
) -> Result<u64, AppError> {
    if args.api_key_file.is_some() {
        let attempt = "an API key is for a gate, and no login to NATS";
        return Err(AppError::usage("send-options", attempt)
            .hint("pass `--credentials FILE`, or `--user NAME --password-file FILE`"));
    }
    let login = Login::read(&args.login)?;
    let secret = secret_input::get(&global.secret, "the sender's identity", Asking::Existing)?;
    let request = PublishRequest {
        paths: &args.paths,
        server: login.server(url, args.ca.as_deref()),
        subject,
        identity: &args.identity,
        secret: &secret,
        recipient: &args.recipient,
        retries: args.retries,
    };
    let bar = out.progress("sealing");
    let mut printed = Ok(());
    let mut sent = |feed: &PublishedFeed| {
        let result = out.result(feed, published_text);
        if printed.is_ok() {
            printed = result;
        }
    };
    let count = publish_feeds(&request, &mut sent, &mut |step| bar.set(step.done, step.total))?;
    printed.map(|()| count)
}

fn published_text(feed: &PublishedFeed) -> String {
    let PublishedFeed { sequence, size, stream, message, duplicate } = feed;
    let again = if *duplicate { ", which it was already" } else { "" };
    format!("feed {sequence}  {size} bytes, message {message} of the stream `{stream}`{again}")
}

fn text(feed: &SentFeed) -> String {
    let report = feed.delivery.report.as_ref();
    let count = |name: &str| report.and_then(|report| report[name].as_u64()).unwrap_or(0);
    format!(
        "feed {}  stored, {} bytes: {} read, {} accepted, {} missing, {} quarantined",
        feed.sequence,
        feed.size,
        count("read"),
        count("accepted"),
        count("missing"),
        count("quarantined"),
    )
}

/// Reads an API key from the first line of a file that only its owner may read.
fn api_key(path: &Path) -> Result<SecretBytes, AppError> {
    if open_to_others(path).map_err(|error| unreadable(path, error))? != 0 {
        let attempt = format!("`{}` can be read by others", path.display());
        return Err(AppError::usage("api-key-file", attempt)
            .hint(format!("run `chmod 600 {}`", path.display())));
    }
    let bytes = read_secret_bounded(path, KEY_SIZE_MAX).map_err(|error| unreadable(path, error))?;
    let line = bytes.expose().split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(SecretBytes::new(line.trim_ascii().to_vec()))
}

fn unreadable(path: &Path, error: std::io::Error) -> AppError {
    AppError::usage("input-read", format!("cannot read `{}`", path.display())).because(error)
}

/// A few certificates.
const CA_SIZE_MAX: u64 = 1 << 20;

/// A key has 43 characters.
const KEY_SIZE_MAX: u64 = 4096;
