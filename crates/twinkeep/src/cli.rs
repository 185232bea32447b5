//! The shape and the words of the command line; what the commands do is in `command/`.

mod alert;
mod attack;
mod certs;
mod delivery;
mod drift;
mod incident;
mod ledger;
mod models;
mod policy;
mod probe;
mod receipt;
mod scan;
mod seal;
mod selfattack;
mod senders;
mod store;
mod synth;
mod tokens;
mod twins;
mod upstreams;
mod watch;
mod witness;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use alert::AlertCommand;
pub(crate) use attack::{
    AttackCommand, AttackedArgs, ExtractionArgs, MembershipArgs, PoisoningArgs,
};
pub(crate) use certs::{CertCommand, CertFiles, IssueArgs, RenewArgs};
pub(crate) use delivery::{NatsArgs, ReceiveCommand, ReceiveNatsArgs, SendArgs};
pub(crate) use drift::DriftArgs;
pub(crate) use incident::{
    IncidentCommand, IncidentDrillArgs, IncidentNoteArgs, IncidentReportArgs, PlaybookCommand,
};
pub(crate) use ledger::{ExportAs, LedgerCommand, QueryArgs};
pub(crate) use models::{
    ApproverCommand, CompareModelsArgs, EvaluateArgs, ImportModelArgs, InfluenceArgs,
    InfluenceByName, ModelCommand, PurposeName, ReleaseArgs, SignModelArgs, SplitName, TrainArgs,
    VerifyModelArgs,
};
pub(crate) use policy::{BudgetCommand, PolicyCommand, PolicyTestArgs};
pub(crate) use probe::ProbeCommand;
pub(crate) use receipt::{ProofCommand, ReceiptCommand};
pub(crate) use scan::{
    ComplianceCommand, ComplianceFormat, ProfileName, RecordFormat, ScanArgs, ScanCommand,
    ScanFormat, ScannedArgs, ServerArgs, SeverityName, TrendFormat,
};
pub(crate) use seal::{OpenArgs, SealArgs};
pub(crate) use selfattack::SelfattackArgs;
pub(crate) use senders::{SenderCommand, SenderDates};
pub(crate) use store::{KeyringCommand, StoreCommand};
pub(crate) use synth::{SeasonName, SynthArgs};
pub(crate) use tokens::{IssuerCommand, TokenArgs, TokenCommand};
pub(crate) use twins::{SimilarArgs, SimulateArgs, TwinCommand, WhatIfArgs};
pub(crate) use upstreams::UpstreamCommand;
pub(crate) use watch::{AuditFormat, AuditRulesArgs, AuditSearchArgs, WatchArgs, WatchCommand};
pub(crate) use witness::WitnessCommand;

/// Guarded digital twins of patients and audiences
///
/// Twinkeep takes sealed feeds of events about people, learns to forecast each of them, and
/// answers through a guarded gate. Every byte is encrypted, every model is signed, and every
/// access is in a ledger that shows tampering.
#[derive(Debug, Parser)]
#[command(
    name = "twinkeep",
    version,
    after_help = "Start with `twinkeep init keep --pack icu`, or see it all at once: `make demo`.\n\
                  Exit codes: 0 done, 1 refused, 2 wrong usage or configuration, 3 disk or network, 101 bug."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder of the keep
    #[arg(long, global = true, env = "TWINKEEP_KEEP", default_value = "keep", value_name = "DIR")]
    pub(crate) keep: PathBuf,

    /// Print results as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Say less: no progress, no remarks
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) secret: SecretArgs,
}

/// Where the secret that opens a keep or an identity comes from; by default, a prompt.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    /// Read the passphrase, PIN, or token from the first line of this file (mode 0600)
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["passphrase_fd", "key_file"])]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// Read the passphrase, PIN, or token from this open file descriptor
    #[arg(long, global = true, value_name = "N", conflicts_with = "key_file")]
    pub(crate) passphrase_fd: Option<i32>,

    /// Use this key file (mode 0600; `init` and `identity new` create it if it is missing)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// Ask this device or service for the key: `pkcs11:…`, `transit:https://…`, or `aws-kms:…`
    #[arg(
        long = "kek-uri",
        global = true,
        env = "TWINKEEP_KEK_URI",
        value_name = "URI",
        conflicts_with = "key_file"
    )]
    pub(crate) kek_uri: Option<String>,
}

/// What there is to do, in the order of the pipeline.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a keep: keys, certificates, an empty ledger
    Init(InitArgs),
    /// Make and show identities that sign and receive feeds
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Choose whose feeds this keep accepts
    #[command(subcommand)]
    Sender(SenderCommand),
    /// Make up patients: files to try everything with
    Synth(SynthArgs),
    /// Seal a file or folder into a feed: encrypted to recipients, signed by the sender
    Seal(SealArgs),
    /// Seal files and folders, and push each as a feed to a keep
    Send(SendArgs),
    /// Announce plain files in a signed manifest, and check files against one
    #[command(subcommand)]
    Manifest(ManifestCommand),
    /// Open a sealed feed and write what is in it
    Open(OpenArgs),
    /// Read a feed, screen it, and store its events encrypted
    Ingest(Box<IngestArgs>),
    /// Take feeds that others deliver
    #[command(subcommand)]
    Receive(ReceiveCommand),
    /// List, show, and try what the columns of tables mean
    #[command(subcommand)]
    Mapping(MappingCommand),
    /// List feeds, show what was refused in them, and decide about those that are held
    #[command(subcommand)]
    Feed(FeedCommand),
    /// Record a live event, and show which ones were refused
    #[command(subcommand)]
    Event(EventCommand),
    /// Learn a forecaster from the stored events
    Train(TrainArgs),
    /// Measure a model version on held-out people, or on any source
    Evaluate(EvaluateArgs),
    /// Compare what came in since with what a model version was made from
    Drift(DriftArgs),
    /// Attack a model version, to measure what it gives away of those who taught it
    #[command(subcommand)]
    Attack(AttackCommand),
    /// List, show, verify, and release model versions
    #[command(subcommand)]
    Model(ModelCommand),
    /// List twins, show their state, and forecast them
    #[command(subcommand)]
    Twin(TwinCommand),
    /// Export, account for, and erase what is kept about a person
    #[command(subcommand)]
    Subject(SubjectCommand),
    /// Show, compact, copy, and restore the store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Back up what opens the data, and put it back
    #[command(subcommand)]
    Keyring(KeyringCommand),
    /// Write everybody's events as a data set: plaintext
    #[command(subcommand)]
    Export(ExportCommand),
    /// Create, list, rotate, and revoke API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Issue, list, renew, and revoke certificates of clients
    #[command(subcommand)]
    Cert(CertCommand),
    /// Look after whose access tokens are believed
    #[command(subcommand)]
    Issuer(IssuerCommand),
    /// Look after model servers behind the gate
    #[command(subcommand)]
    Upstream(UpstreamCommand),
    /// Revoke access tokens, and say what one would get
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look after how much each caller may learn
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// See who probes the model, and give them full answers again
    #[command(subcommand)]
    Probe(ProbeCommand),
    /// Say who may do what, by role and purpose
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Serve the API and the pages over HTTPS
    Serve(ServeArgs),
    /// Watch who touches the files of models and keys
    Watch(WatchArgs),
    /// Look after incidents: what detectors found, what was done about it, and the report of it
    #[command(subcommand)]
    Incident(IncidentCommand),
    /// Tell people when something is wrong
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Look whether everything around the twins is closed, fix what is not, and undo that
    Scan(Box<ScanArgs>),
    /// Write how the requirements of HIPAA, the GDPR, or AISVS stand
    #[command(subcommand)]
    Compliance(ComplianceCommand),
    /// Attack your own deployment, and say what held
    Selfattack(SelfattackArgs),
    /// Show, verify, and prove what is in the ledger
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Say which cryptography the keep stands on
    #[command(subcommand)]
    Crypto(CryptoCommand),
    /// Check what a keep has signed about an answer
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Write what was done, with proofs
    #[command(subcommand)]
    Proof(ProofCommand),
    /// Watch the ledgers of other keeps, and cosign what continues them
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// Show the effective configuration
    Config,
    /// Start the process of `serve` that faces the network, and start it again when it dies
    #[command(hide = true)]
    ServeLauncher,
    /// Face the network for `serve`
    #[command(hide = true)]
    ServeEdge,
    /// Connect to model servers for `serve`
    #[command(hide = true)]
    ServeCourier,
    /// Watch the files for `serve`, and start the process that sees again when it dies
    #[command(hide = true)]
    ServeWatch(WatchArgs),
    /// See for `serve-watch`
    #[command(hide = true)]
    ServeWatchEyes(WatchArgs),
    /// Act on the host for `serve`
    #[command(hide = true)]
    ServeHost,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep init keep --pack icu --key-file keep.kek")]
pub(crate) struct InitArgs {
    /// Folder to create
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// Domain: the name of a shipped pack (`icu`, `ehr`, `audience`) or a pack file
    #[arg(long, value_name = "NAME|FILE", default_value = "icu")]
    pub(crate) pack: String,

    /// Name or address that the server certificate is made for, besides localhost
    #[arg(long = "name", value_name = "HOST")]
    pub(crate) names: Vec<String>,
}

/// `identity ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep identity new general-hospital")]
pub(crate) enum IdentityCommand {
    /// Make an identity: NAME.identity (private, wrapped) and NAME.identity.pub
    New {
        /// What to call it, for example the hospital's name
        name: String,
        /// Folder to write to
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Show the keys of a public identity and its fingerprint
    Show {
        /// A public identity
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Arguments of `ingest`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep ingest monday.tar.gz.sealed")]
pub(crate) struct IngestArgs {
    /// A sealed feed, or a plain file, folder, or archive: CSV or Parquet tables, MEDS, FHIR,
    /// PhysioNet 2012 text
    #[arg(value_name = "FEED")]
    pub(crate) feed: PathBuf,

    /// Accept a sealed feed although feeds of its sender before it are missing
    #[arg(long)]
    pub(crate) allow_gap: bool,

    /// Whose record numbers a plain feed speaks in [default: local]
    #[arg(long, value_name = "NAME")]
    pub(crate) site: Option<String>,

    /// Accept times in the future: the dates were shifted to protect people, as in MIMIC
    #[arg(long)]
    pub(crate) dates_shifted: bool,

    /// What the columns of tables mean: a shipped mapping or a file [default: the one that fits]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) mapping: Option<String>,

    /// Hold the feed: nothing of it is used until `feed release`
    #[arg(long)]
    pub(crate) hold: bool,
    /// Take out what names people, by this rule, and shift all dates of a person alike
    #[arg(long, value_name = "RULE")]
    pub(crate) deidentify: Option<DeidentifyRule>,

    /// Refuse the file unless this is its SHA-256
    #[arg(long, value_name = "HEX", conflicts_with = "manifest")]
    pub(crate) sha256: Option<String>,

    /// Refuse files unless they are as a sender announced them; its site is used
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// Options of `ingest` where a database is read.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(
    next_help_heading = "Databases (FEED is postgres://USER@HOST:PORT/DATABASE or source:NAME)"
)]
pub(crate) struct DatabaseArgs {
    /// Read what one query gives
    #[arg(long, value_name = "SQL", conflicts_with_all = ["tables", "schema"])]
    pub(crate) query: Option<String>,

    /// Read a table: TABLE or SCHEMA.TABLE (repeat for several)
    #[arg(long = "table", value_name = "TABLE", conflicts_with = "schema")]
    pub(crate) tables: Vec<String>,

    /// Read the tables of a schema that the mapping knows
    #[arg(long, value_name = "NAME")]
    pub(crate) schema: Option<String>,

    /// Read only what is newer than last time by this column
    #[arg(long, value_name = "COLUMN")]
    pub(crate) since_column: Option<String>,

    /// How far to reach back behind that [default: 10 minutes, 2 days, or 1000]
    #[arg(long, value_name = "INTERVAL|NUMBER", requires = "since_column")]
    pub(crate) overlap: Option<String>,

    /// Trust the authorities in this file and no others [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Prove who we are with this certificate
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,

    /// The private key of that certificate (mode 0600)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,

    /// Read the password from the first line of this file (mode 0600) [default: PGPASSWORD, or the
    /// password file of PostgreSQL]
    #[arg(long, value_name = "FILE", conflicts_with = "password_fd")]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the password from this open file descriptor
    #[arg(long, value_name = "N")]
    pub(crate) password_fd: Option<i32>,

    /// Go through a bastion by the system's `ssh`
    #[arg(long, value_name = "[USER@]HOST[:PORT]")]
    pub(crate) ssh: Option<String>,

    /// Accept the bastion's host keys in this file and no others [default: your known_hosts]
    #[arg(long, value_name = "FILE", requires = "ssh")]
    pub(crate) ssh_known_hosts: Option<PathBuf>,

    /// Log in to the bastion with this private key and no other [default: your agent's]
    #[arg(long, value_name = "FILE", requires = "ssh")]
    pub(crate) ssh_identity: Option<PathBuf>,

    /// Without TLS, which only a tunnel or a socket of this machine takes
    #[arg(long)]
    pub(crate) danger_no_tls: bool,
}

/// `manifest ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep manifest verify m.manifest m/ --from ada.identity.pub")]
pub(crate) enum ManifestCommand {
    /// Announce files: their names, sizes, and digests, signed
    Sign {
        /// One folder, or files
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The sender's private identity
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
        /// Where to write the manifest
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check files against a manifest
    Verify {
        /// The manifest
        #[arg(value_name = "FILE")]
        manifest: PathBuf,
        /// The folder or file that it announces
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Public identity of a sender to accept (repeat for several)
        #[arg(long = "from", required = true, value_name = "FILE")]
        senders: Vec<PathBuf>,
    },
}

/// A rule of de-identification.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DeidentifyRule {
    /// HIPAA Safe Harbor, 45 CFR 164.514(b)(2)
    SafeHarbor,
}

/// `mapping ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep mapping check my.toml sample.csv")]
pub(crate) enum MappingCommand {
    /// List the mappings that the program brings along
    List,
    /// Print a shipped mapping, to read or to begin your own with
    Show {
        /// Its name
        name: String,
    },
    /// Read a sample by a mapping and tell what maps; nothing is stored
    Check {
        /// A shipped mapping, or a file
        #[arg(value_name = "NAME|FILE")]
        mapping: String,
        /// A file, folder, or archive
        #[arg(value_name = "SAMPLE")]
        sample: PathBuf,
    },
}

/// `feed ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep feed quarantine feed-1")]
pub(crate) enum FeedCommand {
    /// List the feeds that were ingested
    List,
    /// Show a feed in numbers, beside what its sender has sent before
    ///
    /// For each variable: how many rows, and the quantiles of its values. Bars show where a
    /// variable departs from earlier feeds; these are the reasons why a feed is held.
    Show {
        /// The feed's id, from `feed list`
        feed: String,
        /// Also draw it into this file
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Show the rows of a feed that were refused, with the reasons
    Quarantine {
        /// The feed's id, from `feed list`
        feed: String,
        /// Show the rows as they were read; without it, only where and why
        #[arg(long)]
        reveal: bool,
    },
    /// Screen refused rows of a feed again; those that pass become a new feed
    ///
    /// Duplicates and the events of a rejected feed are left out unless they are asked for.
    Replay {
        /// The feed's id, from `feed list`
        feed: String,
        /// Only rows that were refused for this reason (repeat for several)
        #[arg(long = "reason", value_name = "CODE")]
        reasons: Vec<String>,
        /// Only this row, by its number in `feed quarantine`
        #[arg(long, value_name = "N")]
        row: Option<u64>,
        /// Accept rows that can be read and that only the pack calls implausible
        #[arg(long, requires = "because")]
        accept: bool,
        /// Why they are accepted
        #[arg(long, value_name = "TEXT", requires = "accept")]
        because: Option<String>,
        /// Accept times in the future: the dates were shifted to protect people
        #[arg(long)]
        dates_shifted: bool,
    },
    /// Use a feed that is held from now on
    ///
    /// Events that another feed brought meanwhile are not stored again but quarantined.
    Release {
        /// The feed's id, from `feed list`
        feed: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Never use a feed that is held: its events become refused rows
    Reject {
        /// The feed's id, from `feed list`
        feed: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// `event ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep event add 4711 HR 88 --site general-hospital")]
pub(crate) enum EventCommand {
    /// Record one event: screened, durable at once, and known to the twin
    Add {
        /// The source's own identifier, or `sub-...` of a twin that is there
        subject: String,
        /// A code of the pack or another name of it
        code: String,
        /// The value
        #[arg(allow_negative_numbers = true)]
        value: f32,
        /// The unit of the value [default: the one that goes with the code]
        #[arg(long)]
        unit: Option<String>,
        /// When: RFC 3339, or hours since the start of relative times [default: now]
        #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
        time: Option<String>,
        /// A text that goes with it
        #[arg(long)]
        text: Option<String>,
        /// Whose record number the subject is [default: local]
        #[arg(long, value_name = "NAME")]
        site: Option<String>,
    },
    /// Show the live events that were refused
    Refused {
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Show the events as they came; without it, only why
        #[arg(long)]
        reveal: bool,
    },
}

/// `subject ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep subject export general-hospital/4711 --out for-4711")]
pub(crate) enum SubjectCommand {
    /// Write everything that is kept about a person to a folder: plaintext, mode 0600
    Export {
        /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
        subject: String,
        /// Folder to create
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Show or record whether a person may be asked about, at once in every process
    Consent {
        /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
        subject: String,
        /// Nobody may ask about them
        #[arg(long, conflicts_with = "give")]
        withdraw: bool,
        /// They may be asked about
        #[arg(long, requires = "basis")]
        give: bool,
        /// On what basis: consent, contract, legal-obligation, vital-interests, public-interest,
        /// legitimate-interests, care, or research
        #[arg(long, value_name = "BASIS", requires = "give")]
        basis: Option<String>,
    },
    /// Erase a person for good, in every copy of the data, and prove it
    Erase {
        /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
        subject: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// The subject once more: an erasure cannot be undone
        #[arg(long, value_name = "SUBJECT")]
        confirm: String,
        /// Where to write the signed proof [default: erasure-REFERENCE.json]
        #[arg(long, value_name = "FILE")]
        proof: Option<PathBuf>,
    },
    /// Write everything that was done with a person's data, with proofs, and nothing of others
    ///
    /// The accounting of disclosures (45 CFR 164.528; GDPR, article 15). `receipt verify` checks
    /// it with nothing but the public key of the keep.
    Disclosures {
        /// `sub-...` from `twin list`, or the source's own identifier, as ID or SITE/ID
        subject: String,
        /// Where to write it: mode 0600
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check a proof of erasure; needs no secret
    VerifyErasure {
        /// The proof
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// `export ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Write a MEDS 0.4 data set: plaintext, mode 0600
    Meds {
        /// Folder to create
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// One folder a split: data/train/0.parquet
        #[arg(long)]
        split: bool,
        /// The sources' own numbers instead of pseudonyms; they name people
        #[arg(long)]
        keep_ids: bool,
    },
}

/// `key ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep key new ward --scope twins:read --out ward.key")]
pub(crate) enum KeyCommand {
    /// Create an API key; it is shown once and stored as a digest
    New {
        /// What to call it, for example the application's name
        name: String,
        /// What it may do (repeat for several) [default: predict, twins:read]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// What it is to others, for the policy (repeat for several)
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// Whose record numbers its live events speak in [default: local]
        #[arg(long, value_name = "NAME")]
        site: Option<String>,
        /// Days until it expires
        #[arg(long, default_value_t = 90, value_name = "DAYS")]
        days: u32,
        /// Write the key to this file (mode 0600) instead of the terminal
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the keys
    List,
    /// Revoke a key, at once
    Revoke {
        /// The key's id, from `key list`
        id: String,
    },
    /// Rotate an API key, or the keep's own keys
    ///
    /// An API key gets a successor that does the same, and lives on for a while. Of the keep's own
    /// keys: a server that runs goes on; safe to interrupt at any point, and to run again.
    Rotate(RotateArgs),
    /// Split the key that opens the keep into recovery shares, or open it with them
    #[command(subcommand)]
    Escrow(EscrowCommand),
}

/// Subcommands of `crypto`.
#[derive(Debug, Subcommand)]
pub(crate) enum CryptoCommand {
    /// List algorithms, keys with their ages, certificates, and what a quantum computer would undo
    Inventory {
        /// As a bill of materials (CBOM, CycloneDX 1.6)
        #[arg(long)]
        cyclonedx: bool,
    },
}

/// Subcommands of `key escrow`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep key escrow split --shares 5 --threshold 3")]
pub(crate) enum EscrowCommand {
    /// Show recovery shares, each once: any so many of them open the keep
    ///
    /// Give each to another custodian, on paper or on a medium of their own. No file is written.
    Split {
        /// How many shares
        #[arg(long, value_name = "N")]
        shares: u8,
        /// How many of them open the keep
        #[arg(long, value_name = "K")]
        threshold: u8,
    },
    /// Put the keep under a new secret, with enough recovery shares
    ///
    /// The shares, and what opened the keep before, open it no more.
    Combine {
        /// Files with a share each; `-` reads shares from the standard input
        #[arg(required = true)]
        shares: Vec<PathBuf>,
        #[command(flatten)]
        next: NewSecretArgs,
    },
}

/// Arguments of `key rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The API key to rotate, by its id from `key list`
    #[arg(value_name = "ID", conflicts_with_all = ["kek", "data"])]
    pub(crate) id: Option<String>,

    /// Days until the successor of an API key expires
    #[arg(long, default_value_t = 90, value_name = "DAYS", requires = "id")]
    pub(crate) days: u32,

    /// Days that the old API key lives on
    #[arg(long, default_value_t = 7, value_name = "DAYS", requires = "id")]
    pub(crate) overlap_days: u32,

    /// Write the successor of an API key to this file (mode 0600) instead of the terminal
    #[arg(long, value_name = "FILE", requires = "id")]
    pub(crate) out: Option<PathBuf>,

    /// Put the keys under another passphrase, key file, device, or service [default: a prompt]
    #[arg(long, required_unless_present_any = ["data", "id"], conflicts_with = "data")]
    pub(crate) kek: bool,

    /// Give new data keys to all events and refused rows, and destroy the old ones
    ///
    /// Each file is written once more. Older copies of the data then open with an older keyring
    /// only: replace the copies of both, and destroy the old ones.
    #[arg(long)]
    pub(crate) data: bool,

    #[command(flatten)]
    pub(crate) next: NewSecretArgs,
}

/// The secret that opens the keep from now on; by default, a prompt asks for a passphrase.
#[derive(Debug, Args)]
pub(crate) struct NewSecretArgs {
    /// Read the new passphrase (or the PIN or token that `--new-kek-uri` needs) from this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["new_passphrase_fd", "new_key_file"])]
    pub(crate) new_passphrase_file: Option<PathBuf>,

    /// Read it from this open file descriptor
    #[arg(long, value_name = "N", conflicts_with = "new_key_file")]
    pub(crate) new_passphrase_fd: Option<i32>,

    /// Use this key file from now on; it is created if it is missing
    #[arg(long, value_name = "FILE")]
    pub(crate) new_key_file: Option<PathBuf>,

    /// Ask this device or service from now on
    #[arg(long, value_name = "URI", conflicts_with = "new_key_file")]
    pub(crate) new_kek_uri: Option<String>,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep serve --listen 127.0.0.1:8443")]
pub(crate) struct ServeArgs {
    /// Address and port [default: from the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Take sealed feeds out of this folder meanwhile, as `receive folder` does [default: from the
    /// configuration]
    #[arg(long, value_name = "DIR")]
    pub(crate) drop_folder: Option<PathBuf>,
}
