//! A keep on disk: its descriptor, its keys, and how they are unlocked.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use twinkeep_domain::Pack;
use twinkeep_vault::digest::sha256;
use twinkeep_vault::ecdsa::EcdsaKey;
use twinkeep_vault::files::open_to_others;
use twinkeep_vault::identity::Identity;
use twinkeep_vault::sign::{SigningKey, VerifyingKey};
use twinkeep_vault::{KekDescriptor, KekError, KekSource, SecretBytes, SecretKey};

use crate::key_file::{self, FIRST_GENERATION, KeyFiles};
use crate::{AppError, Config, Layout, Settings};

/// What `keep.json` says: nothing secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Version of the keep's layout.
    pub version: u32,
    /// Random and permanent; names the ledger.
    pub keep_id: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// The pack it was made with.
    pub pack: String,
    /// How the key-encryption key is had.
    pub kek: KekDescriptor,
    /// Which generation of the files in `keys/` it opens.
    #[serde(default = "first_generation")]
    pub generation: u32,
}

fn first_generation() -> u32 {
    FIRST_GENERATION
}

/// The keys of an unlocked keep.
pub(crate) struct Keys {
    pub(crate) root: SecretKey,
    pub(crate) ledger: SigningKey,
    pub(crate) model: EcdsaKey,
    pub(crate) identity: Identity,
    pub(crate) server: SecretBytes,
    pub(crate) authority: SecretBytes,
    /// Not a key, but sealed with them: which pack the keep was made with.
    pub(crate) pack_sha256: Vec<u8>,
}

impl Keys {
    /// Returns the ledger's key a second time, for what is signed beside the ledger.
    pub(crate) fn ledger_again(&self) -> Result<SigningKey, AppError> {
        let broken = || AppError::refused("key-damaged", "the key of the ledger is damaged");
        SigningKey::from_seed(self.ledger.expose_seed()).ok_or_else(broken)
    }

    /// Returns the key that signs models a second time.
    pub(crate) fn model_again(&self) -> Result<EcdsaKey, AppError> {
        let broken = || AppError::refused("key-damaged", "the key of the models is damaged");
        EcdsaKey::from_pkcs8(self.model.expose_pkcs8()).ok_or_else(broken)
    }
}

/// What can be known of a keep without its secret.
pub struct Keep {
    /// Where things are.
    pub layout: Layout,
    /// What it is.
    pub descriptor: Descriptor,
    /// What the operator chose.
    pub settings: Settings,
}

impl Keep {
    /// Reads the descriptor and the configuration of the keep at `root`.
    pub fn find(root: &Path) -> Result<Self, AppError> {
        let layout = Layout::new(root);
        let path = layout.descriptor();
        let text = fs::read(&path).map_err(|error| {
            if error.kind() != std::io::ErrorKind::NotFound {
                let attempt = format!("cannot read `{}`", path.display());
                return AppError::environment("keep-read", attempt).because(error);
            }
            let attempt = format!("there is no keep at `{}`", root.display());
            let hint =
                "make one with `twinkeep init DIR --pack icu`, or name one with `--keep DIR`";
            AppError::usage("keep-missing", attempt).because(error).hint(hint)
        })?;
        let descriptor: Descriptor = serde_json::from_slice(&text).map_err(|error| {
            AppError::refused("keep-damaged", format!("`{}` is damaged", path.display()))
                .because(error)
                .hint("restore it from a backup: without it the keep's key cannot be derived")
        })?;
        if descriptor.version != LAYOUT_VERSION {
            let attempt = format!(
                "the keep has layout version {}; this program reads version {LAYOUT_VERSION}",
                descriptor.version
            );
            return Err(AppError::usage("keep-version", attempt));
        }
        if open_to_others(root).is_ok_and(|mode| mode != 0) {
            let attempt = format!("the keep `{}` can be entered by others", root.display());
            return Err(AppError::refused("keep-permissions", attempt)
                .hint(format!("run `chmod 700 {}`, and ask who was there", root.display())));
        }
        let settings = read_settings(&layout)?;
        Ok(Self { layout, descriptor, settings })
    }

    /// Returns the name of the keep's ledger, the first line of each checkpoint.
    pub fn ledger_origin(&self) -> String {
        ledger_origin(&self.descriptor.keep_id)
    }

    /// Returns the public key of the ledger.
    pub fn ledger_key(&self) -> Result<VerifyingKey, AppError> {
        let path = self.layout.public().join(LEDGER_PUBLIC);
        let damaged =
            || AppError::refused("key-damaged", format!("`{}` is not a key", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| damaged().because(error))?;
        let bytes = twinkeep_vault::digest::from_hex(text.trim()).ok_or_else(damaged)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| damaged())?;
        Ok(VerifyingKey::from_bytes(bytes))
    }

    /// Reads the pack, and checks that it is the one that the keep was made with.
    pub(crate) fn pack(&self, expected: &[u8]) -> Result<(Pack, [u8; 32]), AppError> {
        let path = self.layout.pack();
        let attempt = || format!("cannot read the pack `{}`", path.display());
        let text = fs::read_to_string(&path)
            .map_err(|error| AppError::environment("keep-read", attempt()).because(error))?;
        let digest = sha256(text.as_bytes());
        if digest != expected {
            let attempt = format!("the pack `{}` was changed", path.display());
            return Err(AppError::refused("pack-changed", attempt).hint(
                "restore it from a backup: models and screening depend on every line of it",
            ));
        }
        let pack = twinkeep_intake::pack_file::parse_pack(&text)
            .map_err(|error| AppError::usage("pack-invalid", attempt()).because(error))?;
        Ok((pack, digest))
    }

    /// Returns the files with the wrapped keys that hold now.
    pub(crate) fn key_files(&self) -> KeyFiles {
        KeyFiles::new(&self.layout.keys(), self.descriptor.generation)
    }

    /// Unlocks the keys.
    pub(crate) fn unlock(&self, source: &KekSource) -> Result<Keys, AppError> {
        let kek = source.open(&self.descriptor.kek).map_err(kek_error)?;
        let keys = self.key_files();
        let broken = |name: &str| {
            AppError::refused("key-damaged", format!("the key `{name}` of the keep is damaged"))
        };
        let root = key_file::read(&keys, ROOT, &kek)?;
        let ledger = key_file::read(&keys, LEDGER, &kek)?;
        let model = key_file::read(&keys, MODEL, &kek)?;
        let identity = key_file::read(&keys, IDENTITY, &kek)?;
        Ok(Keys {
            root: SecretKey::from_slice(root.expose()).ok_or_else(|| broken(ROOT))?,
            ledger: SigningKey::from_seed(ledger.expose()).ok_or_else(|| broken(LEDGER))?,
            model: EcdsaKey::from_pkcs8(model.expose()).ok_or_else(|| broken(MODEL))?,
            identity: Identity::from_bytes(identity.expose(), &kek)
                .map_err(|error| broken(IDENTITY).because(error))?,
            server: key_file::read(&keys, SERVER, &kek)?,
            authority: key_file::read(&keys, AUTHORITY, &kek)?,
            pack_sha256: key_file::read(&keys, PACK, &kek)?.expose().to_vec(),
        })
    }
}

/// Returns the ledger's name for a keep.
pub(crate) fn ledger_origin(keep_id: &str) -> String {
    format!("twinkeep.local/keep/{keep_id}")
}

/// Turns a failure to get the key-encryption key into what a person should do.
pub(crate) fn kek_error(error: KekError) -> AppError {
    let attempt = "cannot unlock the keep";
    match &error {
        KekError::Wrong => AppError::refused("kek-wrong", attempt),
        KekError::TooShort => AppError::usage("passphrase-short", "the passphrase is too short")
            .hint("use a sentence of at least 12 characters that nobody else would write"),
        KekError::OtherMethod { .. } => AppError::usage("kek-method", attempt),
        KekError::Permissions { .. } => AppError::refused("key-permissions", attempt)
            .hint("run `chmod 600` on the key file, and ask who read it"),
        KekError::Descriptor => AppError::refused("keep-damaged", attempt),
        KekError::KeyFile { .. } | KekError::Io { .. } => AppError::usage("key-file", attempt),
        KekError::Provider { .. } => AppError::environment("kek-provider", attempt)
            .hint("is the device or service reachable, and may this account use the key?"),
    }
    .because(error)
}

fn read_settings(layout: &Layout) -> Result<Settings, AppError> {
    let path = layout.config();
    let attempt = format!("`{}` cannot be used", path.display());
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(AppError::environment("keep-read", attempt).because(error)),
    };
    Config::parse(&text).and_then(|config| config.check(layout.root())).map_err(|error| {
        let refusal = AppError::usage(error.code(), attempt);
        let refusal = match &error {
            crate::ConfigError::Syntax { nearest: Some(key), reason } => {
                // What is known elsewhere is not misspelt: it stands under a table too many.
                let misplaced = reason.contains(&format!("unknown field `{key}`"));
                refusal.hint(match misplaced {
                    true => {
                        format!("`{key}` belongs elsewhere: docs/reference/config.md says where")
                    }
                    false => format!("did you mean `{key}`?"),
                })
            }
            _ => refusal,
        };
        refusal.because(error)
    })
}

pub(crate) const LAYOUT_VERSION: u32 = 1;

pub(crate) const ROOT: &str = "root";
pub(crate) const LEDGER: &str = "ledger";
pub(crate) const MODEL: &str = "model";
pub(crate) const IDENTITY: &str = "identity";
pub(crate) const AUTHORITY: &str = "authority";
pub(crate) const SERVER: &str = "server";
pub(crate) const PACK: &str = "pack";

/// Every key that is wrapped under the key-encryption key.
pub(crate) const WRAPPED: [&str; 7] = [ROOT, LEDGER, MODEL, IDENTITY, AUTHORITY, SERVER, PACK];

pub(crate) const LEDGER_PUBLIC: &str = "ledger.pub";
pub(crate) const MODEL_PUBLIC: &str = "model.pem";
pub(crate) const IDENTITY_PUBLIC: &str = "keep.identity.pub";
pub(crate) const AUTHORITY_PUBLIC: &str = "ca.pem";
pub(crate) const SERVER_PUBLIC: &str = "server.pem";
