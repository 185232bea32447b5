//! Use case: say what the rules of the posture have to know of a model from elsewhere.
//!
//! Nothing of it is loaded. What counts as data says the same list that decides about imports.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use twinkeep_domain::Timestamp;
use twinkeep_posture::collect::model;
use twinkeep_posture::facts::model::{Content, Model, ModelSignature};
use twinkeep_registry::contents::{Content as Inspected, Inspector};

use crate::error::Class;
use crate::{AppError, ModelTrust, VerifyModelRequest, verify_model_folder};

/// Looks into every file of a model, and verifies its signature by the holder of a public key.
pub fn model_facts(
    root: &Path,
    public_key: Option<&Path>,
    at: Timestamp,
) -> Result<Model, AppError> {
    let file = signature_file(root);
    let signature = signature(root, &file, public_key, at);
    let verified = matches!(signature, ModelSignature::Verified { .. });
    let mut model = model::collect(root, &judge, signature).map_err(|error| {
        AppError::environment(error.code(), "cannot look into the model").because(error)
    })?;
    if verified {
        // What was verified as a signature is one, and nothing that is loaded.
        let shown = file.display().to_string();
        model.files.retain(|it| it.path != shown);
    }
    Ok(model)
}

/// Where the reference client writes a signature.
fn signature_file(root: &Path) -> PathBuf {
    match root.is_dir() {
        true => root.join(SIGNATURE),
        false => root.with_added_extension("sig"),
    }
}

/// Reads a file to its end, and says what it is.
fn judge(name: &str, bytes: &mut dyn Read) -> io::Result<Content> {
    let mut inspector = Inspector::new(name);
    let mut buffer = vec![0; READ_LEN];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => inspector.feed(buffer.get(..len).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(match inspector.finish() {
        Inspected::Checked(format) => Content::Checked { format: format.name().to_owned() },
        Inspected::Unsupported(why) => Content::Unsupported { why: why.to_owned() },
        Inspected::Unsound(why) => Content::Unsound { why: why.to_owned() },
    })
}

fn signature(root: &Path, file: &Path, public_key: Option<&Path>, at: Timestamp) -> ModelSignature {
    if !file.is_file() {
        return ModelSignature::Missing;
    }
    let Some(public_key) = public_key else {
        let why = "nobody said whose signature it must be; name a public key".to_owned();
        return ModelSignature::NotChecked { why };
    };
    let request = VerifyModelRequest {
        model: root,
        signature: file,
        trust: ModelTrust::PublicKey(public_key),
        revoked: &[],
        ignored: &[],
        unsigned: false,
        legacy: false,
        at,
    };
    match verify_model_folder(&request, &mut |_| ()) {
        Ok(signed) => ModelSignature::Verified { by: signed.method.to_owned() },
        Err(error) if error.class() == Class::Refused => {
            ModelSignature::Refused { why: error.code().to_owned() }
        }
        Err(error) => ModelSignature::NotChecked { why: error.to_string() },
    }
}

/// What the reference client calls a signature, beside the files that it is about.
const SIGNATURE: &str = "model.sig";

const READ_LEN: usize = 1 << 16;
