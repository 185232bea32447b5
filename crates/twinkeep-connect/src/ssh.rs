//! A tunnel through SSH, by the system's `ssh`: opened and closed by us, used by nobody else.
//!
//! `ssh -W` carries one connection over its own input and output, which are one end of a pair of
//! sockets; we hold the other end. So there is no port or file on which others could connect.
//!
//! When we are gone, however we went, the kernel ends `ssh` (`setpriv --pdeathsig` of util-linux
//! asks for that). Where there is no `setpriv`, `ssh` reads the end of its input, and leaves once
//! the database has answered what it was last asked.
//!
//! What the user's SSH configuration says of keys and jump hosts holds; what it could say against
//! the checks does not, because options on the command line come first.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::database_url::host_valid;

#[cfg(test)]
mod tests;

/// A machine that takes SSH: `[USER@]HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshTarget {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

/// Which tunnel.
#[derive(Clone, Debug)]
pub struct TunnelRequest<'a> {
    /// The machine in between.
    pub through: &'a SshTarget,
    /// The host that it shall connect to, as it knows it.
    pub to_host: &'a str,
    /// The port there.
    pub to_port: u16,
    /// The host keys to accept, and no others; without it, those that the user and the system know.
    pub known_hosts: Option<&'a Path>,
    /// The private key to log in with, and no other; without it, what the agent and the
    /// configuration offer.
    pub identity: Option<&'a Path>,
}

/// A running `ssh`, ended when this is dropped.
pub struct Tunnel {
    child: Child,
    stream: Option<UnixStream>,
    said: Option<JoinHandle<String>>,
    through: String,
}

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// It is named wrongly.
    #[error("a tunnel goes through `[USER@]HOST[:PORT]`")]
    Target,
    /// A path cannot be given to `ssh` as it is.
    #[error("`ssh` takes no path with quotes, `$`, or line breaks: `{}`", path.display())]
    Path {
        /// Which.
        path: PathBuf,
    },
    /// `ssh` cannot be started.
    #[error("cannot run `ssh`")]
    Start {
        /// What the system said.
        source: io::Error,
    },
    /// The host key is not the one that is known, or none is known.
    #[error("the host key of `{through}` is {}", if *.changed { "not the one that is known" } else { "not known" })]
    HostKey {
        /// Which machine.
        through: String,
        /// Whether another key is known for it.
        changed: bool,
    },
    /// The machine does not let us in.
    #[error("`{through}` refuses the login")]
    Login {
        /// Which machine.
        through: String,
    },
    /// The machine does not answer.
    #[error("cannot reach `{through}`")]
    Unreachable {
        /// Which machine.
        through: String,
    },
    /// The machine does not connect us.
    #[error("`{through}` does not connect to the database: {reason}")]
    Forward {
        /// Which machine.
        through: String,
        /// Why not.
        reason: &'static str,
    },
    /// Something else.
    #[error("`ssh` to `{through}` ended: {words}")]
    Ended {
        /// Which machine.
        through: String,
        /// The last that `ssh` said.
        words: String,
    },
}

impl TunnelError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Target | Self::Path { .. } => "tunnel-target",
            Self::Start { .. } => "tunnel-start",
            Self::HostKey { .. } => "tunnel-host-key",
            Self::Login { .. } => "tunnel-login",
            Self::Unreachable { .. } => "tunnel-unreachable",
            Self::Forward { .. } => "tunnel-forward",
            Self::Ended { .. } => "tunnel-ended",
        }
    }

    /// Returns whether the machine or the network failed; otherwise somebody said no.
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Start { .. } | Self::Unreachable { .. } | Self::Ended { .. })
    }

    /// The next step, where it is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::HostKey { changed: true, .. } => Some(
                "somebody may be in between: ask the operator for the new key before you replace the old one",
            ),
            Self::HostKey { changed: false, .. } => Some(
                "get the key from the operator, and pass a file with it: `--ssh-known-hosts FILE`",
            ),
            Self::Login { .. } => Some(
                "no password is asked for: put a key into the agent, or pass it: `--ssh-identity FILE`",
            ),
            Self::Start { .. } => Some("install the OpenSSH client"),
            Self::Forward { .. } => Some(
                "check the database's host and port as the bastion sees them, and that it permits forwarding",
            ),
            _ => None,
        }
    }
}

impl SshTarget {
    /// Reads `[USER@]HOST[:PORT]`; an IPv6 address is in brackets.
    pub fn parse(text: &str) -> Result<Self, TunnelError> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("?"))),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let user_valid = user.is_none_or(|user| {
            let valid = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c);
            (1..=USER_LEN_MAX).contains(&user.len())
                && user.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
                && user.chars().all(valid)
        });
        let port = port.map(|port| port.parse().ok().filter(|port: &u16| *port != 0));
        if !user_valid || !host_valid(host) || port == Some(None) {
            return Err(TunnelError::Target);
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port: port.flatten() })
    }
}

/// What can be typed again.
impl std::fmt::Display for SshTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)
        } else {
            f.write_str(&self.host)
        }?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Tunnel {
    /// Starts `ssh`. Whether it comes through shows when the connection is used.
    pub fn open(request: &TunnelRequest<'_>) -> Result<Self, TunnelError> {
        let start = |source| TunnelError::Start { source };
        let (ours, theirs) = UnixStream::pair().map_err(start)?;
        ours.set_nonblocking(true).map_err(start)?;
        let mut command = ssh();
        command
            .args(arguments(request)?)
            // Messages that we know; and a password that is not for it.
            .env("LC_ALL", "C")
            .env_remove("PGPASSWORD")
            .env_remove("SSH_ASKPASS")
            .stdin(OwnedFd::from(theirs.try_clone().map_err(start)?))
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(start)?;
        let errors = child.stderr.take();
        let said = thread::spawn(move || {
            let mut said = Vec::new();
            if let Some(mut errors) = errors {
                let _ = errors.by_ref().take(SAID_LEN_MAX).read_to_end(&mut said);
                // The rest is read too, so that `ssh` never waits for us.
                let _ = io::copy(&mut errors, &mut io::sink());
            }
            String::from_utf8_lossy(&said).into_owned()
        });
        let through = request.through.to_string();
        Ok(Self { child, stream: Some(ours), said: Some(said), through })
    }

    /// Returns our end of the connection, once.
    pub(crate) fn take_stream(&mut self) -> Result<UnixStream, TunnelError> {
        let gone = || TunnelError::Start { source: io::ErrorKind::NotConnected.into() };
        self.stream.take().ok_or_else(gone)
    }

    /// Returns why `ssh` ended, if it did or does so at once.
    pub(crate) fn failure(&mut self) -> Option<TunnelError> {
        let deadline = Instant::now() + END_TIME_MAX;
        loop {
            match self.child.try_wait() {
                Ok(Some(_)) => break,
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                _ => return None,
            }
        }
        let said = self.said.take()?.join().unwrap_or_default();
        // Without a word it left because its connection had ended.
        (!said.trim().is_empty()).then(|| understand(&self.through, &said))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tunnel({})", self.through)
    }
}

/// The system's `ssh`, so that it does not outlive us.
fn ssh() -> Command {
    if !Path::new(SETPRIV).exists() {
        return Command::new("ssh");
    }
    let mut command = Command::new(SETPRIV);
    command.args(["--pdeathsig", "KILL", "--", "ssh"]);
    command
}

fn arguments(request: &TunnelRequest<'_>) -> Result<Vec<String>, TunnelError> {
    let mut arguments: Vec<String> = Vec::new();
    for option in OPTIONS {
        arguments.extend(["-o".to_owned(), (*option).to_owned()]);
    }
    if let Some(path) = request.known_hosts {
        let quoted = quote_path(path)?;
        arguments.extend(["-o".to_owned(), format!("UserKnownHostsFile={quoted}")]);
        arguments.extend(["-o".to_owned(), "GlobalKnownHostsFile=none".to_owned()]);
    }
    if let Some(path) = request.identity {
        let quoted = quote_path(path)?;
        arguments.extend(["-o".to_owned(), format!("IdentityFile={quoted}")]);
        arguments.extend(["-o".to_owned(), "IdentitiesOnly=yes".to_owned()]);
    }
    if let Some(port) = request.through.port {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    if let Some(user) = &request.through.user {
        arguments.extend(["-l".to_owned(), user.clone()]);
    }
    let (host, port) = (request.to_host, request.to_port);
    let to = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    arguments.extend(["-W".to_owned(), to, "--".to_owned(), request.through.host.clone()]);
    Ok(arguments)
}

/// Writes a path as an option of `ssh` takes it: quoted, and with `%` meaning itself.
fn quote_path(path: &Path) -> Result<String, TunnelError> {
    let refuse = || TunnelError::Path { path: path.to_path_buf() };
    let absolute = std::path::absolute(path).map_err(|_| refuse())?;
    let text = absolute.to_str().ok_or_else(refuse)?;
    if text.contains(|c: char| c.is_control() || "\"\\$".contains(c)) {
        return Err(refuse());
    }
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

/// Finds in what `ssh` said why it ended.
fn understand(through: &str, said: &str) -> TunnelError {
    let through = through.to_owned();
    let has = |text: &str| said.contains(text);
    if has("Host key verification failed") || has("host key is known for") {
        let changed =
            has("IDENTIFICATION HAS CHANGED") || has("has changed and you have requested");
        return TunnelError::HostKey { through, changed };
    }
    if has("Permission denied") || has("Too many authentication failures") {
        return TunnelError::Login { through };
    }
    if has("open failed") || has("stdio forwarding failed") {
        let reason = if has("administratively prohibited") {
            "it does not permit that"
        } else if has("Connection refused") {
            "nothing listens there"
        } else if has("Name or service not known") || has("name resolution") {
            "it does not know the host"
        } else {
            "it cannot reach it"
        };
        return TunnelError::Forward { through, reason };
    }
    let network =
        ["Could not resolve", "connect to host", "Connection closed by", "Connection reset"];
    if network.iter().any(|text| has(text)) || has("kex_exchange_identification") {
        return TunnelError::Unreachable { through };
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    let words = last.chars().filter(|c| !c.is_control()).take(WORDS_LEN_MAX).collect();
    TunnelError::Ended { through, words }
}

/// Options that hold whatever a configuration says; `-W` implies that nothing else is forwarded.
const OPTIONS: &[&str] = &[
    // No question to a person, and no answer of "yes" by itself.
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "CheckHostIP=no",
    "VerifyHostKeyDNS=no",
    "UpdateHostKeys=no",
    "NoHostAuthenticationForLocalhost=no",
    "KnownHostsCommand=none",
    // The machine in between gets one connection and nothing of ours.
    "ClearAllForwardings=yes",
    "ExitOnForwardFailure=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "Tunnel=no",
    "RequestTTY=no",
    "GSSAPIDelegateCredentials=no",
    // A process of its own, which ends with us.
    "ControlMaster=no",
    "ControlPath=none",
    "ForkAfterAuthentication=no",
    // A dead line is noticed.
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    // Why a forwarding was refused is said at this level.
    "LogLevel=INFO",
];

/// Runs a program with a signal for when its parent dies (util-linux).
const SETPRIV: &str = "/usr/bin/setpriv";

/// How long `ssh` may take to leave once its connection has ended.
const END_TIME_MAX: Duration = Duration::from_secs(3);

/// What `ssh` says of an error takes less.
const SAID_LEN_MAX: u64 = 16 << 10;

/// One line of it.
const WORDS_LEN_MAX: usize = 200;

/// A name in a directory service may be long.
const USER_LEN_MAX: usize = 128;
