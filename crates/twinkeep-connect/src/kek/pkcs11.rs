//! A PKCS#11 token (OASIS PKCS#11 2.40): an HSM, a smart card, SoftHSM.
//!
//! The token has an AES-256 key that it never gives out; the keep's key is encrypted under it with
//! AES-GCM, the context as associated data. The key is made on the token if it is missing.

use std::fmt;
use std::path::{Path, PathBuf};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11 as Module};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use percent_encoding::percent_decode_str;
use twinkeep_vault::{KekDescriptor, KekError, KekProvider, SecretBytes, SecretKey, random_bytes};

use super::{UNWRAP, WRAP, failed};

/// Where a key is (RFC 7512): `pkcs11:token=LABEL;object=LABEL?module-path=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs11Uri {
    /// Label of the token.
    pub token: String,
    /// Label of the key on it.
    pub object: String,
    /// The library that speaks to the token.
    pub module: PathBuf,
}

/// Why a token did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs11Error {
    /// The URI is not one that names a key.
    #[error(
        "a PKCS#11 URI looks like `pkcs11:token=LABEL;object=LABEL?module-path=FILE`: {reason}"
    )]
    Uri {
        /// What is wrong.
        reason: &'static str,
    },
    /// There is no such token.
    #[error("no token is labeled `{token}`")]
    NoToken {
        /// Its label.
        token: String,
    },
    /// The token has no such key, or several.
    #[error("the token has {count} AES keys labeled `{object}`, not one")]
    NoKey {
        /// The label of the key.
        object: String,
        /// How many there are.
        count: usize,
    },
    /// The PIN is wrong. A token locks itself after a few wrong ones.
    #[error("the token refused the PIN")]
    Pin,
    /// The library said no.
    #[error("cannot {attempt}")]
    Token {
        /// What was tried.
        attempt: &'static str,
        /// What the library said.
        source: Error,
    },
}

/// One key of a token, and the PIN that lets it be used.
pub struct Pkcs11 {
    uri: Pkcs11Uri,
    pin: SecretBytes,
}

impl Pkcs11Uri {
    /// Reads a URI. A PIN in it is refused: other users of the machine see arguments.
    pub fn parse(text: &str) -> Result<Self, Pkcs11Error> {
        let refuse = |reason| Pkcs11Error::Uri { reason };
        let rest = text.strip_prefix("pkcs11:").ok_or_else(|| refuse("no `pkcs11:`"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut token, mut object, mut module) = (None, None, None);
        for attribute in path.split(';').chain(query.split('&')).filter(|part| !part.is_empty()) {
            let (name, value) =
                attribute.split_once('=').ok_or_else(|| refuse("an attribute has no value"))?;
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| refuse("a value is not UTF-8"))?
                .into_owned();
            let place = match name {
                "token" => &mut token,
                "object" => &mut object,
                "module-path" => &mut module,
                "pin-value" | "pin-source" => {
                    return Err(refuse("give the PIN as `--passphrase-file` or at the prompt"));
                }
                _ => return Err(refuse("only `token`, `object`, and `module-path` are known")),
            };
            if place.replace(value).is_some() {
                return Err(refuse("an attribute is given twice"));
            }
        }
        let module = PathBuf::from(module.ok_or_else(|| refuse("no `module-path`"))?);
        if !module.is_absolute() {
            return Err(refuse("`module-path` is not absolute"));
        }
        Ok(Self {
            token: token.ok_or_else(|| refuse("no `token`"))?,
            object: object.ok_or_else(|| refuse("no `object`"))?,
            module,
        })
    }
}

impl Pkcs11 {
    /// Takes where the key is, and the PIN of the token's user.
    pub fn new(uri: Pkcs11Uri, pin: SecretBytes) -> Self {
        Self { uri, pin }
    }

    /// Runs `act` in a session on the token, logged in.
    fn with_session<T>(
        &self,
        act: impl FnOnce(&Session) -> Result<T, Pkcs11Error>,
    ) -> Result<T, Pkcs11Error> {
        let module = load(&self.uri.module)?;
        let done = self.session(&module).and_then(|session| act(&session));
        // What was done is done; a library that does not end well is of no use to anybody.
        let _ = module.finalize();
        done
    }

    fn session(&self, module: &Module) -> Result<Session, Pkcs11Error> {
        let slots = module.get_slots_with_token().map_err(cannot("list the tokens"))?;
        let labeled = |slot: &cryptoki::slot::Slot| {
            module.get_token_info(*slot).is_ok_and(|info| info.label() == self.uri.token)
        };
        let slot = slots.into_iter().find(labeled);
        let slot = slot.ok_or_else(|| Pkcs11Error::NoToken { token: self.uri.token.clone() })?;
        let session = module.open_rw_session(slot).map_err(cannot("open a session"))?;
        let pin = AuthPin::new(String::from_utf8_lossy(self.pin.expose()).into());
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) => Ok(session),
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange, _)) => {
                Err(Pkcs11Error::Pin)
            }
            Err(source) => Err(Pkcs11Error::Token { attempt: "log in to the token", source }),
        }
    }

    fn keys(&self, session: &Session) -> Result<Vec<ObjectHandle>, Pkcs11Error> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.uri.object.as_bytes().to_vec()),
        ];
        session.find_objects(&template).map_err(cannot("look for the key"))
    }

    fn key(&self, session: &Session) -> Result<ObjectHandle, Pkcs11Error> {
        match self.keys(session)?[..] {
            [key] => Ok(key),
            ref others => {
                let object = self.uri.object.clone();
                Err(Pkcs11Error::NoKey { object, count: others.len() })
            }
        }
    }

    /// Makes the key if there is none. It is born on the token and cannot leave it.
    fn ensure_key(&self, session: &Session) -> Result<ObjectHandle, Pkcs11Error> {
        if !self.keys(session)?.is_empty() {
            return self.key(session);
        }
        let template = [
            Attribute::Label(self.uri.object.as_bytes().to_vec()),
            Attribute::ValueLen(32.into()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &template).map_err(cannot("make the key"))
    }

    fn wrap(&self, kek: &SecretKey, context: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        self.with_session(|session| {
            let key = self.ensure_key(session)?;
            let nonce: [u8; NONCE_LEN] = random_bytes();
            let mut given = nonce;
            let parameters = GcmParams::new(&mut given, context, TAG_BITS.into());
            let parameters = parameters.map_err(cannot("set up AES-GCM"))?;
            let sealed = session
                .encrypt(&Mechanism::AesGcm(parameters), key, kek.expose())
                .map_err(cannot("encrypt with the key"))?;
            Ok([nonce.as_slice(), &sealed].concat())
        })
    }

    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<SecretBytes, Pkcs11Error> {
        self.with_session(|session| {
            let key = self.key(session)?;
            let (nonce, sealed) = wrapped.split_at_checked(NONCE_LEN).unwrap_or_default();
            let mut nonce = nonce.to_vec();
            let parameters = GcmParams::new(&mut nonce, context, TAG_BITS.into());
            let parameters = parameters.map_err(cannot("set up AES-GCM"))?;
            let plain = session
                .decrypt(&Mechanism::AesGcm(parameters), key, sealed)
                .map_err(cannot(DECRYPT))?;
            Ok(SecretBytes::new(plain))
        })
    }
}

impl KekProvider for Pkcs11 {
    fn method(&self) -> &'static str {
        "pkcs11"
    }

    fn create(&self) -> Result<(SecretKey, KekDescriptor), KekError> {
        KekDescriptor::wrapping(self.method(), &mut |kek, context| {
            self.wrap(kek, context).map_err(|error| failed(TITLE, WRAP, error))
        })
    }

    fn derive(&self, descriptor: &KekDescriptor) -> Result<SecretKey, KekError> {
        descriptor.unwrapping(&mut |wrapped, context| match self.unwrap(wrapped, context) {
            // Tokens do not agree on how to say that a tag does not fit.
            Err(Pkcs11Error::Token { attempt: DECRYPT, .. }) => Err(KekError::Wrong),
            other => other.map_err(|error| failed(TITLE, UNWRAP, error)),
        })
    }
}

impl fmt::Debug for Pkcs11 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11({:?}, hidden)", self.uri)
    }
}

fn load(path: &Path) -> Result<Module, Pkcs11Error> {
    let module = Module::new(path).map_err(cannot("load the library of the token"))?;
    let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match module.initialize(arguments) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
        Err(source) => {
            Err(Pkcs11Error::Token { attempt: "start the library of the token", source })
        }
    }
}

fn cannot(attempt: &'static str) -> impl Fn(Error) -> Pkcs11Error {
    move |source| Pkcs11Error::Token { attempt, source }
}

const TITLE: &str = "the PKCS#11 token";
const DECRYPT: &str = "decrypt with the key";

/// NIST SP 800-38D, 8.2.2: a random nonce of 96 bits; a token wraps a handful of keys in its life.
const NONCE_LEN: usize = 12;
const TAG_BITS: u64 = 128;

#[cfg(test)]
mod tests {
    use super::Pkcs11Uri;

    #[test]
    fn a_uri_names_token_key_and_library() {
        let uri = Pkcs11Uri::parse("pkcs11:token=The%20HSM;object=kek?module-path=/lib/hsm.so");
        let uri = uri.unwrap();
        assert_eq!((uri.token.as_str(), uri.object.as_str()), ("The HSM", "kek"));
        assert_eq!(uri.module.to_str(), Some("/lib/hsm.so"));
    }

    #[test]
    fn a_uri_that_is_incomplete_or_holds_a_pin_is_refused() {
        for wrong in [
            "pkcs11:token=a;object=b",
            "pkcs11:token=a?module-path=/lib/hsm.so",
            "pkcs11:object=b?module-path=/lib/hsm.so",
            "pkcs11:token=a;object=b?module-path=hsm.so",
            "pkcs11:token=a;token=b;object=b?module-path=/lib/hsm.so",
            "pkcs11:token=a;object=b?module-path=/lib/hsm.so&pin-value=1234",
            "pkcs11:token=%ff;object=b?module-path=/lib/hsm.so",
            "token=a;object=b?module-path=/lib/hsm.so",
        ] {
            assert!(Pkcs11Uri::parse(wrong).is_err(), "{wrong}");
        }
    }
}
