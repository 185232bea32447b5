//! Gets what logs in to a NATS server: from files that only their owner can read, never from an
//! argument or a URL.

use std::path::Path;

use twinkeep_app::{AppError, ClientCertificate, NatsLogin, NatsServer};
use twinkeep_vault::SecretBytes;
use twinkeep_vault::files::{open_to_others, read_secret_bounded};

use crate::cli::NatsArgs;
use crate::secret_input::first_line;

/// What logs in.
pub(crate) struct Login<'a> {
    user: Option<(&'a str, SecretBytes)>,
    credentials: Option<SecretBytes>,
    client: Option<ClientCertificate>,
    danger_no_tls: bool,
}

impl<'a> Login<'a> {
    /// Reads the files that the command names.
    pub(crate) fn read(args: &'a NatsArgs) -> Result<Self, AppError> {
        let user = match (&args.user, &args.password_file) {
            (Some(user), Some(path)) => Some((user.as_str(), first_line(read(path)?))),
            _ => None,
        };
        let client = match (&args.client_cert, &args.client_key) {
            (Some(chain), Some(key)) => {
                Some(ClientCertificate { chain: chain.clone(), key: key.clone() })
            }
            _ => None,
        };
        let credentials = args.credentials.as_deref().map(read).transpose()?;
        Ok(Self { user, credentials, client, danger_no_tls: args.danger_no_tls })
    }

    /// Names a server with it.
    pub(crate) fn server<'b>(&'b self, url: &'b str, ca: Option<&'b Path>) -> NatsServer<'b> {
        let login = match (&self.user, &self.credentials) {
            (Some((user, password)), _) => NatsLogin::Password { user, password },
            (None, Some(file)) => NatsLogin::Credentials(file),
            (None, None) => NatsLogin::Anonymous,
        };
        let danger_no_tls = self.danger_no_tls;
        NatsServer { url, ca, client: self.client.as_ref(), login, danger_no_tls }
    }
}

fn read(path: &Path) -> Result<SecretBytes, AppError> {
    let cannot = |error| {
        AppError::usage("nats-login-file", format!("cannot read `{}`", path.display()))
            .because(error)
    };
    if open_to_others(path).map_err(cannot)? != 0 {
        let attempt = format!("`{}` can be read by others", path.display());
        return Err(AppError::usage("nats-login-file", attempt)
            .hint(format!("run `chmod 600 {}`, and choose a new password", path.display())));
    }
    read_secret_bounded(path, SIZE_MAX).map_err(cannot)
}

/// A token with many permissions takes a few thousand bytes.
const SIZE_MAX: u64 = 64 << 10;
