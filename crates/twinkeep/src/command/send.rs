//! `twinkeep send`.

use std::path::Path;

use twinkeep_app::{AppError, SendRequest, SentFeed, send_feeds};
use twinkeep_vault::SecretBytes;
use twinkeep_vault::files::{open_to_others, read_bounded, read_secret_bounded};

use crate::cli::{Global, SendArgs};
use crate::output::Output;
use crate::secret_input::{self, Asking};

pub(crate) fn run(global: &Global, args: &SendArgs, out: &Output) -> Result<(), AppError> {
    let key = api_key(&args.api_key_file)?;
    let ca = read_bounded(&args.ca, CA_SIZE_MAX).map_err(|error| unreadable(&args.ca, error))?;
    let secret = secret_input::get(&global.secret, "the sender's identity", Asking::Existing)?;
    let request = SendRequest {
        paths: &args.paths,
        to: &args.to,
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
    drop(bar);
    if count == 0 {
        out.remark("nothing waits to be sent");
    }
    printed
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
