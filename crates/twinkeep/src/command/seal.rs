//! `twinkeep seal` and `twinkeep open`.

use std::path::PathBuf;

use twinkeep_app::{AppError, OpenRequest, SealRequest, open_feed, seal_feed};

use crate::cli::{Global, OpenArgs, SealArgs};
use crate::output::Output;
use crate::secret_input::{self, Asking};

pub(crate) fn seal(global: &Global, args: &SealArgs, out: &Output) -> Result<(), AppError> {
    let secret = secret_input::get(&global.secret, "the sender's identity", Asking::Existing)?;
    let default = {
        let mut name = args.input.as_os_str().to_os_string();
        name.push(".sealed");
        PathBuf::from(name)
    };
    let request = SealRequest {
        input: &args.input,
        out: args.out.as_ref().unwrap_or(&default),
        identity: &args.identity,
        secret: &secret,
        recipients: &args.recipients,
    };
    let bar = out.progress("sealing");
    let report = seal_feed(&request, &mut |progress| bar.set(progress.done, progress.total))?;
    drop(bar);
    out.result(&report, |report| {
        format!(
            "feed      {}\nsequence  {}\ncontent   {} bytes, {}\nto        {}",
            report.feed.display(),
            report.sequence,
            report.content_size,
            report.media_type,
            report.recipients.join(", "),
        )
    })
}

pub(crate) fn open(global: &Global, args: &OpenArgs, out: &Output) -> Result<(), AppError> {
    let secret = secret_input::get(&global.secret, "the recipient's identity", Asking::Existing)?;
    let request = OpenRequest {
        feed: &args.feed,
        identity: &args.identity,
        secret: &secret,
        senders: &args.senders,
        out: &args.out,
    };
    let report = open_feed(&request)?;
    out.remark("the content is plaintext now: protect it, and delete it when it is used");
    out.result(&report, |report| {
        format!(
            "content   {}\nsender    {}\nsequence  {}\ntype      {}",
            report.content.display(),
            report.sender,
            report.sequence,
            report.media_type,
        )
    })
}
