//! `twinkeep model sign|verify PATH`: models that are not in a keep.

use std::path::Path;

use twinkeep_app::{
    AppError, ModelTrust, SignModelRequest, SignedModel, VerifyModelRequest, sign_model_folder,
    usual_signature, verify_model_folder,
};

use crate::cli::{SignModelArgs, VerifyModelArgs};
use crate::clock::now;
use crate::output::Output;

impl VerifyModelArgs {
    /// Returns whether it is about a model that is not in a keep.
    pub(super) fn names_a_path(&self) -> bool {
        self.public_key.is_some() || !self.authorities.is_empty()
    }
}

pub(super) fn sign(args: &SignModelArgs, out: &Output) -> Result<(), AppError> {
    let signature = args.out.clone().unwrap_or_else(|| usual_signature(&args.model));
    let request = SignModelRequest {
        model: &args.model,
        out: &signature,
        private_key: &args.private_key,
        certificates: &args.certificates,
        ignored: &args.ignored,
        shard_size: args.shard_size,
        follow_links: args.follow_links,
    };
    let bar = out.progress("signing");
    let report = sign_model_folder(&request, &mut |done| bar.set(done, 0))?;
    drop(bar);
    out.result(&report, |report| text("signed", report))
}

pub(super) fn verify(args: &VerifyModelArgs, out: &Output) -> Result<(), AppError> {
    let model = Path::new(&args.target);
    let signature = args.signature.clone().unwrap_or_else(|| usual_signature(model));
    let trust = match &args.public_key {
        Some(key) => ModelTrust::PublicKey(key),
        None => ModelTrust::Authorities(&args.authorities),
    };
    let request = VerifyModelRequest {
        model,
        signature: &signature,
        trust,
        revoked: &args.revoked,
        ignored: &args.ignored,
        unsigned: args.allow_unsigned,
        legacy: args.allow_legacy,
        at: now(),
    };
    let bar = out.progress("verifying");
    let report = verify_model_folder(&request, &mut |done| bar.set(done, 0))?;
    drop(bar);
    out.result(&report, |report| text("verifies", report))
}

fn text(what: &str, report: &SignedModel) -> String {
    let mut text = format!(
        "{what}     by {}: {} digests\nsignature  {}\ndigest     {}",
        report.method,
        report.resources,
        report.signature.display(),
        report.digest,
    );
    if let Some(signer) = &report.signer {
        text.push_str(&format!("\nsigner     {signer}"));
    }
    text
}
