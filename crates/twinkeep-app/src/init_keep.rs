//! Use case: create a keep.
//!
//! Everything is made in a folder beside the keep, which then gets the keep's name: a crash leaves
//! no keep or a whole one. An existing keep is never touched.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_intake::pack_file::parse_pack;
use twinkeep_ledger::Ledger;
use twinkeep_registry::{Registry, RegistryKeys};
use twinkeep_store::Store;
use twinkeep_vault::certificate::CertificateAuthority;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::ecdsa::EcdsaKey;
use twinkeep_vault::files::{
    PRIVATE_FILE, PUBLIC_FILE, create_private_dir, sync_dir, write_atomic,
};
use twinkeep_vault::identity::Identity;
use twinkeep_vault::sign::SigningKey;
use twinkeep_vault::{KekSource, SecretKey, random_bytes};

use crate::keep::{self, Descriptor, ledger_origin};
use crate::key_file::{self, FIRST_GENERATION, KeyFiles};
use crate::renew_server::revocation_list_at;
use crate::time_text::rfc3339;
use crate::{AppError, Config, Layout, shipped_policy};

/// What kind of keep is wanted.
#[derive(Debug)]
pub struct InitRequest<'a> {
    /// Folder to create.
    pub dir: &'a Path,
    /// The text of the pack file.
    pub pack: &'a str,
    /// The secret that will open it.
    pub secret: &'a KekSource,
    /// What the operator chose.
    pub config: Config,
    /// The current time.
    pub now: Timestamp,
}

/// What was made.
#[derive(Debug, Serialize)]
pub struct InitReport {
    /// The folder.
    pub keep: PathBuf,
    /// Random and permanent.
    pub keep_id: String,
    /// Name of the pack.
    pub pack: String,
    /// How many codes the pack has.
    pub variable_count: usize,
    /// How many of them are forecast.
    pub target_count: usize,
    /// What senders seal to.
    pub public_identity: PathBuf,
    /// To compare with senders by phone.
    pub fingerprint: String,
    /// What clients trust.
    pub ca_certificate: PathBuf,
    /// Name of the ledger.
    pub ledger_origin: String,
}

/// Creates a keep.
pub fn init_keep(request: &InitRequest<'_>) -> Result<InitReport, AppError> {
    let dir = request.dir;
    refuse_existing(dir)?;
    let pack = parse_pack(request.pack)
        .map_err(|error| AppError::usage("pack-invalid", "cannot use the pack").because(error))?;
    request.config.clone().check(dir).map_err(|error| {
        AppError::usage(error.code(), "cannot use the configuration").because(error)
    })?;
    let building = Building::create(dir)?;
    let layout = Layout::new(&building.path);
    let keep_id = to_hex(&random_bytes::<8>());
    let (kek, descriptor) = request.secret.create().map_err(keep::kek_error)?;
    let descriptor = Descriptor {
        version: keep::LAYOUT_VERSION,
        keep_id: keep_id.clone(),
        created: rfc3339(request.now),
        pack: pack.name().to_owned(),
        kek: descriptor,
        generation: FIRST_GENERATION,
    };
    let fingerprint = make_keys(&layout, &kek, &keep_id, request)?;
    write_public(&layout.config(), request.config.to_text().as_bytes())?;
    write_public(&layout.pack(), request.pack.as_bytes())?;
    write_atomic(&layout.policy(), shipped_policy().as_bytes(), PRIVATE_FILE)
        .map_err(|error| write_error(&layout.policy(), error))?;
    let text = serde_json::to_vec_pretty(&descriptor).map_err(|error| {
        AppError::environment("keep-write", "cannot write `keep.json`").because(error)
    })?;
    write_public(&layout.descriptor(), &text)?;
    building.finish(dir)?;
    let layout = Layout::new(dir);
    Ok(InitReport {
        keep: dir.to_path_buf(),
        ledger_origin: ledger_origin(&keep_id),
        keep_id,
        pack: pack.name().to_owned(),
        variable_count: pack.variables().len(),
        target_count: pack.targets().count() + pack.windows().len(),
        public_identity: layout.public().join(keep::IDENTITY_PUBLIC),
        fingerprint,
        ca_certificate: layout.public().join(keep::AUTHORITY_PUBLIC),
    })
}

/// An empty folder may become a keep; anything else is left alone.
pub(crate) fn refuse_existing(dir: &Path) -> Result<(), AppError> {
    let occupied = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    if !occupied {
        return Ok(());
    }
    let attempt = format!("`{}` exists and is not an empty folder", dir.display());
    Err(AppError::refused("keep-exists", attempt)
        .hint("choose another folder; nothing was changed"))
}

/// Makes every key, and the parts of the keep that need one from the start.
fn make_keys(
    layout: &Layout,
    kek: &SecretKey,
    keep_id: &str,
    request: &InitRequest<'_>,
) -> Result<String, AppError> {
    let public = layout.public();
    for dir in [&layout.keys(), &public] {
        create_private_dir(dir).map_err(|error| write_error(dir, error))?;
    }
    let keys = KeyFiles::new(&layout.keys(), FIRST_GENERATION);
    let root = SecretKey::random();
    key_file::write(&keys, keep::ROOT, kek, root.expose())?;

    let ledger = SigningKey::generate();
    key_file::write(&keys, keep::LEDGER, kek, ledger.expose_seed())?;
    let text = format!("{}\n", to_hex(ledger.verifying_key().as_bytes()));
    write_public(&public.join(keep::LEDGER_PUBLIC), text.as_bytes())?;

    let failed = || AppError::environment("keys", "cannot make the keys of the keep");
    let model = EcdsaKey::generate().ok_or_else(failed)?;
    key_file::write(&keys, keep::MODEL, kek, model.expose_pkcs8())?;
    let pem = model.public_pem().map_err(|error| failed().because(error))?;
    write_public(&public.join(keep::MODEL_PUBLIC), pem.as_bytes())?;

    let identity =
        Identity::generate(&format!("keep {keep_id}")).map_err(|error| failed().because(error))?;
    key_file::write(&keys, keep::IDENTITY, kek, &identity.to_bytes(kek))?;
    let text = identity.public().to_text();
    write_public(&public.join(keep::IDENTITY_PUBLIC), text.as_bytes())?;

    let pack = sha256(request.pack.as_bytes());
    key_file::write(&keys, keep::PACK, kek, &pack)?;
    make_certificates(layout, kek, keep_id, request)?;
    make_parts(layout, &root, &ledger, model, keep_id)?;
    Ok(identity.public().fingerprint())
}

/// Makes the empty registry, store, and ledger.
fn make_parts(
    layout: &Layout,
    root: &SecretKey,
    ledger: &SigningKey,
    model: EcdsaKey,
    keep_id: &str,
) -> Result<(), AppError> {
    let keys = RegistryKeys { signer: model, root: root.clone() };
    Registry::create(&layout.models(), keys)?;
    Store::create(&layout.store(), root)?;
    let origin = ledger_origin(keep_id);
    let checkpoint = Ledger::create(&layout.ledger(), &origin, ledger)?;
    write_atomic(&layout.anchor(), checkpoint.note.as_bytes(), PRIVATE_FILE)
        .map_err(|error| write_error(&layout.anchor(), error))
}

fn make_certificates(
    layout: &Layout,
    kek: &SecretKey,
    keep_id: &str,
    request: &InitRequest<'_>,
) -> Result<(), AppError> {
    let failed = || AppError::environment("certificates", "cannot make the keep's certificates");
    let name = format!("Twinkeep {keep_id}");
    let list_at = revocation_list_at(&request.config.gate.public_url);
    let authority = CertificateAuthority::create(&name, request.now)
        .map_err(|error| failed().because(error))?
        .with_list_at(list_at.as_deref());
    let server = authority
        .issue_server(&request.config.gate.names, request.now)
        .map_err(|error| failed().because(error).hint("check `gate.names`"))?;
    let public = layout.public();
    let keys = KeyFiles::new(&layout.keys(), FIRST_GENERATION);
    key_file::write(&keys, keep::AUTHORITY, kek, authority.expose_key())?;
    key_file::write(&keys, keep::SERVER, kek, server.key.expose())?;
    write_public(&public.join(keep::AUTHORITY_PUBLIC), authority.cert_pem().as_bytes())?;
    write_public(&public.join(keep::SERVER_PUBLIC), server.cert_pem.as_bytes())
}

fn write_public(path: &Path, bytes: &[u8]) -> Result<(), AppError> {
    write_atomic(path, bytes, PUBLIC_FILE).map_err(|error| write_error(path, error))
}

fn write_error(path: &Path, error: std::io::Error) -> AppError {
    AppError::environment("keep-write", format!("cannot write `{}`", path.display()))
        .because(error)
        .hint("is there space, and may you write there?")
}

/// A folder that becomes the keep when everything is in it, and is removed otherwise.
pub(crate) struct Building {
    path: PathBuf,
    finished: bool,
}

impl Building {
    pub(crate) fn create(dir: &Path) -> Result<Self, AppError> {
        let mut name = dir.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.part", to_hex(&random_bytes::<4>())));
        let path = dir.with_file_name(name);
        create_private_dir(&path).map_err(|error| write_error(&path, error))?;
        Ok(Self { path, finished: false })
    }

    /// Returns where it is until then.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn finish(mut self, dir: &Path) -> Result<(), AppError> {
        sync_dir(&self.path).map_err(|error| write_error(dir, error))?;
        fs::rename(&self.path, dir).map_err(|error| write_error(dir, error))?;
        self.finished = true;
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        sync_dir(parent).map_err(|error| write_error(dir, error))
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if !self.finished {
            // What is left is sealed under a key that nobody has.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
