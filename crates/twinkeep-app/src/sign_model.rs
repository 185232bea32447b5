//! Use cases: sign and verify models that are not in a keep (OpenSSF Model Signing v1.0).
//!
//! They need no keep: whoever makes a model signs it, and whoever gets it verifies it, with this
//! program or with any other that knows the format.

use std::num::NonZero;
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_registry::OmsError;
use twinkeep_registry::oms::{self, Demand, Model, Serialization, Signer, Statement, Trust};
use twinkeep_vault::chain::Revocations;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::ecdsa::{EcdsaKey, parse_pem_all, pem};
use twinkeep_vault::files::{
    PUBLIC_FILE, open_to_others, read_bounded, read_secret_bounded, write_atomic,
};

use crate::AppError;

/// What is to be signed, and by whom.
#[derive(Debug)]
pub struct SignModelRequest<'a> {
    /// A folder, or one file.
    pub model: &'a Path,
    /// Where the signature is written.
    pub out: &'a Path,
    /// The private key, as PEM (mode 0600).
    pub private_key: &'a Path,
    /// Certificates as PEM, the signer's own first; none to sign by the key alone.
    pub certificates: &'a [PathBuf],
    /// Files and folders that do not count.
    pub ignored: &'a [PathBuf],
    /// Bytes that have a digest of their own; `None` for one digest a file.
    pub shard_size: Option<NonZero<u64>>,
    /// Follow links that stay in the folder.
    pub follow_links: bool,
}

/// What is to be verified, and whom to believe.
#[derive(Debug)]
pub struct VerifyModelRequest<'a> {
    /// A folder, or one file.
    pub model: &'a Path,
    /// The signature.
    pub signature: &'a Path,
    /// Whom to believe.
    pub trust: ModelTrust<'a>,
    /// Files that tell who was revoked: keys, or revocation lists of authorities.
    pub revoked: &'a [PathBuf],
    /// Files and folders that do not count.
    pub ignored: &'a [PathBuf],
    /// Leave files alone that were not signed.
    pub unsigned: bool,
    /// Take what releases of the reference client before 0.3 signed, too.
    pub legacy: bool,
    /// At which time certificates must hold.
    pub at: Timestamp,
}

/// Whom a verifier believes.
#[derive(Clone, Copy, Debug)]
pub enum ModelTrust<'a> {
    /// The holder of this public key, a PEM file.
    PublicKey(&'a Path),
    /// Whom one of these authorities vouches for, PEM files.
    Authorities(&'a [PathBuf]),
}

/// What was signed or verified.
#[derive(Debug, Serialize)]
pub struct SignedModel {
    /// The signature.
    pub signature: PathBuf,
    /// `key` or `certificate`.
    pub method: &'static str,
    /// How many files, or shards of files, it covers.
    pub resources: usize,
    /// SHA-256 over their digests.
    pub digest: String,
    /// SHA-256 of the public key's PEM text, if it is known by its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// Signs a folder or a file.
pub fn sign_model_folder(
    request: &SignModelRequest<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<SignedModel, AppError> {
    let key = read_key(request.private_key)?;
    let chain = read_certificates(request.certificates)?;
    let signer = match chain.is_empty() {
        true => Signer::Key(&key),
        false => Signer::Certificate(&key, &chain),
    };
    let ignored = relative_all(request.model, request.ignored);
    let signature_file = relative(request.model, request.out);
    let model =
        Model { path: request.model, ignored: &ignored, signature_file: signature_file.as_deref() };
    let serialization =
        Serialization { shard_size: request.shard_size, allow_symlinks: request.follow_links };
    let (bundle, statement) =
        oms::sign_model(model, serialization, signer, progress).map_err(refuse)?;
    let bytes = bundle.encode().map_err(refuse)?;
    write_atomic(request.out, &bytes, PUBLIC_FILE).map_err(|error| {
        let attempt = format!("cannot write `{}`", request.out.display());
        AppError::environment("model-signature-write", attempt).because(error)
    })?;
    let method = if chain.is_empty() { KEY } else { CERTIFICATE };
    let public = key.public_pem().ok();
    Ok(report(request.out, method, &statement, public.as_deref()))
}

/// Verifies a folder or a file.
pub fn verify_model_folder(
    request: &VerifyModelRequest<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<SignedModel, AppError> {
    let bundle = read(request.signature, BUNDLE_SIZE_MAX, "model-signature-file")?;
    let believed = Believed::read(request.trust, request.revoked)?;
    let demand = Demand {
        trust: believed.trust(request.at),
        revoked: &believed.revoked,
        others: request.unsigned,
        legacy: request.legacy,
    };
    let ignored = relative_all(request.model, request.ignored);
    let signature_file = relative(request.model, request.signature);
    let model =
        Model { path: request.model, ignored: &ignored, signature_file: signature_file.as_deref() };
    let statement = oms::verify_model(model, &bundle, demand, progress)
        .map_err(|error| refuse_with_hint(error, request.trust))?;
    let public = believed.public.as_deref();
    let method = if public.is_some() { KEY } else { CERTIFICATE };
    Ok(report(request.signature, method, &statement, public))
}

/// Whom a verifier believes, read from files.
pub(crate) struct Believed {
    public: Option<String>,
    anchors: Vec<Vec<u8>>,
    pub(crate) revoked: Revocations,
}

impl Believed {
    pub(crate) fn read(trust: ModelTrust<'_>, revoked: &[PathBuf]) -> Result<Self, AppError> {
        let (public, anchors) = match trust {
            ModelTrust::PublicKey(path) => (Some(read_public(path)?), Vec::new()),
            ModelTrust::Authorities(paths) => (None, read_certificates(paths)?),
        };
        Ok(Self { public, anchors, revoked: read_revocations(revoked)? })
    }

    pub(crate) fn trust(&self, at: Timestamp) -> Trust<'_> {
        match &self.public {
            Some(public) => Trust::Key(public),
            None => Trust::Authorities(&self.anchors, at),
        }
    }
}

fn read_revocations(paths: &[PathBuf]) -> Result<Revocations, AppError> {
    let mut revoked = Revocations::default();
    for path in paths {
        let code = "model-revocation-file";
        let text = read(path, REVOCATIONS_SIZE_MAX, code)?;
        let cannot = || format!("cannot tell from `{}` who was revoked", path.display());
        let text = String::from_utf8(text)
            .map_err(|_| AppError::usage(code, cannot()).hint("write revocation lists as PEM"))?;
        revoked.add(&text).map_err(|error| AppError::usage(code, cannot()).because(error))?;
    }
    Ok(revoked)
}

fn report(
    signature: &Path,
    method: &'static str,
    statement: &Statement,
    public: Option<&str>,
) -> SignedModel {
    SignedModel {
        signature: signature.to_path_buf(),
        method,
        resources: statement.files().len(),
        digest: to_hex(&statement.digest()),
        signer: public.map(|public| to_hex(&sha256(public.as_bytes()))),
    }
}

fn read_key(path: &Path) -> Result<EcdsaKey, AppError> {
    let code = "model-key-file";
    let cannot =
        |error| AppError::usage(code, format!("cannot read `{}`", path.display())).because(error);
    if open_to_others(path).map_err(cannot)? != 0 {
        let attempt = format!("`{}` can be read by others", path.display());
        return Err(AppError::usage(code, attempt)
            .hint(format!("run `chmod 600 {}`, and make a new key", path.display())));
    }
    let text = read_secret_bounded(path, KEY_SIZE_MAX).map_err(cannot)?;
    let key = std::str::from_utf8(text.expose()).ok().and_then(EcdsaKey::from_pem);
    key.ok_or_else(|| {
        let attempt = format!("`{}` has no private key on P-256, P-384, or P-521", path.display());
        AppError::usage(code, attempt).hint(
            "make one with `openssl ecparam -name prime256v1 -genkey -noout`; an encrypted key \
             must be decrypted first",
        )
    })
}

/// Reads a public key and writes it as v1.0 does, whatever stands around it in the file.
fn read_public(path: &Path) -> Result<String, AppError> {
    let text = read(path, KEY_SIZE_MAX, "model-key-file")?;
    let blocks = std::str::from_utf8(&text).ok().and_then(|text| parse_pem_all("PUBLIC KEY", text));
    match blocks.as_deref() {
        Some([der]) => Ok(pem("PUBLIC KEY", der)),
        _ => Err(AppError::usage(
            "model-key-file",
            format!("`{}` does not have exactly one public key", path.display()),
        )),
    }
}

/// Reads certificates from PEM files, as DER.
pub fn read_certificates(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, AppError> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for path in paths {
        let code = "model-certificate-file";
        let text = read(path, CERTIFICATES_SIZE_MAX, code)?;
        let blocks =
            std::str::from_utf8(&text).ok().and_then(|text| parse_pem_all("CERTIFICATE", text));
        let blocks = blocks.filter(|blocks| !blocks.is_empty()).ok_or_else(|| {
            AppError::usage(code, format!("`{}` has no certificate", path.display()))
        })?;
        // The signer's own is often at the head of the chain once more.
        found.extend(blocks);
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|der| seen.insert(der.clone()));
    Ok(found)
}

fn read(path: &Path, size_max: u64, code: &'static str) -> Result<Vec<u8>, AppError> {
    read_bounded(path, size_max).map_err(|error| {
        AppError::usage(code, format!("cannot read `{}`", path.display())).because(error)
    })
}

fn relative_all(model: &Path, paths: &[PathBuf]) -> Vec<String> {
    paths.iter().filter_map(|path| relative(model, path)).collect()
}

/// Returns where a path is in a model; `None` if it is not in it. A relative path is looked for in
/// the working directory first, as a shell completes it, and then in the model.
pub(crate) fn relative(model: &Path, path: &Path) -> Option<String> {
    let root = model.canonicalize().ok()?;
    let absolute = |path: &Path| -> Option<PathBuf> {
        // The signature is not there yet: its folder is.
        let name = path.file_name()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Some(folder.unwrap_or(Path::new(".")).canonicalize().ok()?.join(name))
    };
    let within = |path: PathBuf| path.strip_prefix(&root).ok().map(Path::to_path_buf);
    let found = absolute(path).and_then(within);
    let found = found.or_else(|| absolute(&root.join(path)).and_then(within))?;
    found.to_str().filter(|path| !path.is_empty()).map(str::to_owned)
}

fn refuse(error: OmsError) -> AppError {
    let (code, attempt) = (error.code(), "the model cannot be signed or verified");
    match error {
        OmsError::Io { .. } => AppError::environment(code, attempt).because(error),
        _ => AppError::refused(code, attempt).because(error),
    }
}

fn refuse_with_hint(error: OmsError, trust: ModelTrust<'_>) -> AppError {
    let hint = match (&error, trust) {
        (OmsError::Method, ModelTrust::PublicKey(_)) => {
            Some("it was signed with a certificate: pass `--authority FILE`")
        }
        (OmsError::Method, ModelTrust::Authorities(_)) => {
            Some("it was signed with a key: pass `--public-key FILE`")
        }
        (OmsError::Unsigned { .. }, _) => {
            Some("take it away, name it with `--ignore`, or pass `--allow-unsigned`")
        }
        _ => None,
    };
    let refused = refuse(error);
    match hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}

const KEY: &str = "key";
const CERTIFICATE: &str = "certificate";

/// A P-521 key has 400 bytes of PEM; some programs write a page of text before it.
const KEY_SIZE_MAX: u64 = 64 << 10;

/// A bundle of the authorities of a system has 250 KiB.
const CERTIFICATES_SIZE_MAX: u64 = 1 << 20;

/// The largest revocation lists of public authorities have some MiB.
const REVOCATIONS_SIZE_MAX: u64 = 32 << 20;

/// 100,000 files need about 20 MiB.
pub(crate) const BUNDLE_SIZE_MAX: u64 = 32 << 20;
