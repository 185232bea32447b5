//! Gets the secret that opens a keep: from a file, a descriptor, or a prompt; never from an
//! argument or the environment, where other users of the machine could read it.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use twinkeep_app::AppError;
use twinkeep_vault::files::{open_to_others, read_secret_bounded};
use twinkeep_vault::{KekSource, SecretBytes};

use crate::cli::SecretArgs;

/// Whether a new secret is being chosen; if so, a prompt asks twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// For the secret of something that exists.
    Existing,
    /// For the secret of something new.
    New,
}

/// Gets the secret. `what` names it in the prompt.
pub(crate) fn get(args: &SecretArgs, what: &str, asking: Asking) -> Result<KekSource, AppError> {
    if let Some(path) = &args.key_file {
        return Ok(KekSource::KeyFile(path.clone()));
    }
    let passphrase = match (&args.passphrase_file, args.passphrase_fd) {
        (Some(path), _) => from_file(path)?,
        (None, Some(number)) => from_descriptor(number)?,
        (None, None) => from_prompt(what, asking)?,
    };
    Ok(KekSource::Passphrase(passphrase))
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

fn first_line(bytes: SecretBytes) -> SecretBytes {
    let text = bytes.expose();
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    let line = text.get(..end).unwrap_or_default();
    SecretBytes::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
}

/// Longer than any passphrase, and short enough that `/dev/zero` does no harm.
const PASSPHRASE_SIZE_MAX: u64 = 4096;
