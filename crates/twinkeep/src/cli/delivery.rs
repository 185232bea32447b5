//! The words of sending and receiving feeds: pushed, put into a folder, or through a stream.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `send`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: twinkeep send monday/ --to https://keep.example:8443 --identity general-hospital.identity \\\n  --recipient keep.identity.pub --ca ca.pem --api-key-file keep.key\n\n\
                  What is sealed stays in general-hospital.identity.outbox until the keep has stored it.\n\
                  Without a path, what waits there is sent. With --nats, the stream has it when the command ends,\n\
                  and the keep stores it with `twinkeep receive nats`."
)]
pub(crate) struct SendArgs {
    /// Files and folders; each is a feed
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Address of the keep's gate
    #[arg(
        long,
        value_name = "URL",
        required_unless_present = "nats",
        conflicts_with = "nats",
        requires_all = ["ca", "api_key_file"]
    )]
    pub(crate) to: Option<String>,

    /// Publish to a NATS stream instead: `tls://HOST:PORT`
    #[arg(long, value_name = "URL", requires = "subject")]
    pub(crate) nats: Option<String>,

    /// The subject to publish to, which a stream takes
    #[arg(long, requires = "nats")]
    pub(crate) subject: Option<String>,

    /// The sender's private identity
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: PathBuf,

    /// The public identity of the keep
    #[arg(long, value_name = "FILE")]
    pub(crate) recipient: PathBuf,

    /// Certificate of the keep's authority (`keep/public/ca.pem`), or of the NATS server's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// File (mode 0600) with an API key that has the scope `feeds:write`
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,

    /// How often a request that fails is tried again
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) retries: u32,

    #[command(flatten)]
    pub(crate) login: NatsArgs,
}

/// How to log in to a NATS server.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Login to NATS")]
pub(crate) struct NatsArgs {
    /// Log in with this credentials file (mode 0600), as `nsc` writes them
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    pub(crate) credentials: Option<PathBuf>,

    /// Log in by this name
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub(crate) user: Option<String>,

    /// Read the password from the first line of this file (mode 0600)
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,

    /// Prove who we are with this certificate
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,

    /// The private key of that certificate (mode 0600)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,

    /// Without TLS to another machine: feeds are sealed all the same, the login is not
    #[arg(long)]
    pub(crate) danger_no_tls: bool,
}

/// `receive ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ReceiveCommand {
    /// Watch a folder, and ingest every feed that is put there
    ///
    /// Sealed feeds go in the order of their senders. What was stored moves to DIR/done, what was
    /// refused to DIR/refused with a file that says why; links and pipes are refused, and files
    /// that are still being written are left alone.
    Folder {
        /// The folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Take plain files too, whoever put them there
        #[arg(long)]
        plain: bool,
        /// Whose record numbers plain files speak in [default: local]
        #[arg(long, value_name = "NAME", requires = "plain")]
        site: Option<String>,
        /// Accept times in the future in plain files: their dates were shifted to protect people
        #[arg(long, requires = "plain")]
        dates_shifted: bool,
        /// Look once instead of watching
        #[arg(long)]
        once: bool,
    },

    /// Take sealed feeds out of a NATS JetStream stream
    ///
    /// Each message is a sealed feed. It is done when the feed is stored and on record; one that
    /// comes again is stored once, one that is early comes again, and one that can never be stored
    /// is kept in incoming/refused of the keep (a plain one in quarantine) and does not come again.
    Nats(Box<ReceiveNatsArgs>),
}

/// Arguments of `receive nats`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: twinkeep receive nats tls://stream.example --stream FEEDS --consumer keep --credentials keep.creds"
)]
pub(crate) struct ReceiveNatsArgs {
    /// Address of the server: `tls://HOST:PORT`, or `nats://HOST:PORT` on this machine
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// The stream
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: String,

    /// The durable consumer, in which the server remembers what is done; made if it is missing
    #[arg(long, value_name = "NAME")]
    pub(crate) consumer: String,

    /// Only messages of these subjects, such as `feeds.>`
    #[arg(long, value_name = "FILTER")]
    pub(crate) subject: Option<String>,

    /// Take what is there now instead of waiting for more
    #[arg(long)]
    pub(crate) once: bool,

    /// Take feeds although feeds of their sender before them are missing and will not come
    #[arg(long, requires = "once")]
    pub(crate) allow_gap: bool,

    /// Trust the authorities in this file and no others [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) login: NatsArgs,
}
