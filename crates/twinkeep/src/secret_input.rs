//! Gets the secret that opens a keep: from a file, a descriptor, or a prompt; never from an
//! argument or the environment, where other users of the machine could read it.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use twinkeep_app::{AppError, KekQuestion, kek_source};
use twinkeep_vault::files::{open_to_others, read_bounded, read_secret_bounded};
use twinkeep_vault::{KekSource, SecretBytes};

use crate::cli::{NewSecretArgs, SecretArgs};
use crate::clock;

/// Whether a new secret is being chosen; if so, a prompt asks twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// For the secret of something that exists.
    Existing,
    /// For the secret of something new.
    New,
}

/// What the options say about a secret.
#[derive(Default)]
struct Given<'a> {
    passphrase_file: Option<&'a Path>,
    passphrase_fd: Option<i32>,
    key_file: Option<&'a Path>,
    kek_uri: Option<&'a str>,
}

/// Gets the secret. `what` names it in the prompt.
pub(crate) fn get(args: &SecretArgs, what: &str, asking: Asking) -> Result<KekSource, AppError> {
    let given = Given {
        passphrase_file: args.passphrase_file.as_deref(),
        passphrase_fd: args.passphrase_fd,
        key_file: args.key_file.as_deref(),
        kek_uri: args.kek_uri.as_deref(),
    };
    given.source(what, asking)
}

/// Gets the secret that is to open the keep from now on.
pub(crate) fn get_new(args: &NewSecretArgs) -> Result<KekSource, AppError> {
    let given = Given {
        passphrase_file: args.new_passphrase_file.as_deref(),
        passphrase_fd: args.new_passphrase_fd,
        key_file: args.new_key_file.as_deref(),
        kek_uri: args.new_kek_uri.as_deref(),
    };
    given.source("the keep from now on", Asking::New)
}

impl Given<'_> {
    fn source(&self, what: &str, asking: Asking) -> Result<KekSource, AppError> {
        if let Some(path) = self.key_file {
            return Ok(KekSource::KeyFile(path.to_path_buf()));
        }
        let Some(uri) = self.kek_uri else {
            return Ok(KekSource::Passphrase(self.secret(what, asking)?));
        };
        let question = KekQuestion {
            variable: &|name| std::env::var(name).ok().filter(|value| !value.is_empty()),
            secret: &mut |name| self.secret(name, Asking::Existing),
            read: &certificates,
            clock: clock::now,
        };
        kek_source(uri, question)
    }

    fn secret(&self, what: &str, asking: Asking) -> Result<SecretBytes, AppError> {
        match (self.passphrase_file, self.passphrase_fd) {
            (Some(path), _) => from_file(path),
            (None, Some(number)) => from_descriptor(number),
            (None, None) => from_prompt(what, asking),
        }
    }
}

fn certificates(path: &str) -> Result<Vec<u8>, AppError> {
    read_bounded(Path::new(path), CERTIFICATES_SIZE_MAX)
        .map_err(|error| AppError::usage("ca-file", format!("cannot read `{path}`")).because(error))
}

fn from_file(path: &Path) -> Result<SecretBytes, AppError> {
    let attempt = || format!("cannot read the passphrase file `{}`", path.display());
    let io = |error| AppError::usage("passphrase-file", attempt()).because(error);
    if open_to_others(path).map_err(io)? != 0 {
        return Err(AppError::usage(
            "passphrase-file",
            format!("`{}` can be read by others", path.display()),
        )
        .hint(format!("run `chmod 600 {}`, and choose a new passphrase", path.display())));
    }
    Ok(first_line(read_secret_bounded(path, PASSPHRASE_SIZE_MAX).map_err(io)?))
}

/// Opens the descriptor through the kernel's own name for it, so that no unsafe code is needed.
fn from_descriptor(number: i32) -> Result<SecretBytes, AppError> {
    let io = |error: io::Error| {
        AppError::usage(
            "passphrase-fd",
            format!("cannot read a passphrase from descriptor {number}"),
        )
        .because(error)
    };
    let mut bytes = Vec::with_capacity(PASSPHRASE_SIZE_MAX as usize);
    let file = File::open(format!("/proc/self/fd/{number}")).map_err(io)?;
    file.take(PASSPHRASE_SIZE_MAX).read_to_end(&mut bytes).map_err(io)?;
    Ok(first_line(SecretBytes::new(bytes)))
}

fn from_prompt(what: &str, asking: Asking) -> Result<SecretBytes, AppError> {
    if !io::stdin().is_terminal() {
        return Err(AppError::usage("no-secret", format!("no passphrase for {what}"))
            .hint("give `--passphrase-file FILE`, `--passphrase-fd N`, or `--key-file FILE`"));
    }
    let io = |error| AppError::environment("prompt", "cannot ask for a passphrase").because(error);
    let first = rpassword::prompt_password(format!("Passphrase of {what}: ")).map_err(io)?;
    let first = SecretBytes::new(first.into_bytes());
    if asking == Asking::New {
        let again = SecretBytes::new(
            rpassword::prompt_password("The same again: ").map_err(io)?.into_bytes(),
        );
        if first.expose() != again.expose() {
            return Err(AppError::usage("passphrase-differs", "the two passphrases differ"));
        }
    }
    Ok(first)
}

/// Returns what stands before the first line break.
pub(crate) fn first_line(bytes: SecretBytes) -> SecretBytes {
    let text = bytes.expose();
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    let line = text.get(..end).unwrap_or_default();
    SecretBytes::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
}

/// A whole store of authorities has some 250 KiB.
const CERTIFICATES_SIZE_MAX: u64 = 4 << 20;

/// Longer than any passphrase, and short enough that `/dev/zero` does no harm.
const PASSPHRASE_SIZE_MAX: u64 = 4096;
