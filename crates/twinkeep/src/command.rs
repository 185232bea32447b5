//! One file a command, or a group of commands for one thing.

mod alert;
mod attack;
mod budget;
mod cert;
mod crypto;
mod drift;
mod edge;
mod evaluate;
mod event;
mod export;
mod feed;
mod identity;
mod incident;
mod ingest;
mod ingest_database;
mod init;
mod key;
mod ledger;
mod manifest;
mod mapping;
mod model;
mod policy;
mod probe;
mod receipt;
mod receive;
mod scan;
mod seal;
mod selfattack;
mod send;
mod sender;
mod serve;
mod store;
mod subject;
mod synth;
mod token;
mod train;
mod twin;
mod upstream;
mod watch;
mod witness;

use twinkeep_app::{AppError, Config, Keep};

use crate::cli::{Cli, Command, ProofCommand};
use crate::output::Output;

/// Runs what the command line asks for.
pub(crate) fn run(cli: &Cli, out: &Output) -> Result<(), AppError> {
    let global = &cli.global;
    match &cli.command {
        Command::Init(args) => init::run(global, args, out),
        Command::Identity(args) => identity::run(global, args, out),
        Command::Sender(args) => sender::run(global, args, out),
        Command::Synth(args) => synth::run(args, out),
        Command::Seal(args) => seal::seal(global, args, out),
        Command::Send(args) => send::run(global, args, out),
        Command::Manifest(args) => manifest::run(global, args, out),
        Command::Open(args) => seal::open(global, args, out),
        Command::Ingest(args) => ingest::run(global, args, out),
        Command::Mapping(args) => mapping::run(args, out),
        Command::Receive(args) => receive::run(global, args, out),
        Command::Feed(args) => feed::run(global, args, out),
        Command::Event(args) => event::run(global, args, out),
        Command::Train(args) => train::run(global, args, out),
        Command::Evaluate(args) => evaluate::run(global, args, out),
        Command::Drift(args) => drift::run(global, args, out),
        Command::Attack(args) => attack::run(global, args, out),
        Command::Model(args) => model::run(global, args, out),
        Command::Twin(args) => twin::run(global, args, out),
        Command::Export(args) => export::run(global, args, out),
        Command::Store(args) => store::run(global, args, out),
        Command::Keyring(args) => store::keyring(global, args, out),
        Command::Subject(args) => subject::run(global, args, out),
        Command::Key(args) => key::run(global, args, out),
        Command::Cert(args) => cert::run(global, args, out),
        Command::Issuer(args) => token::issuer(global, args, out),
        Command::Token(args) => token::run(global, args, out),
        Command::Upstream(args) => upstream::run(global, args, out),
        Command::Budget(args) => budget::run(global, args, out),
        Command::Probe(args) => probe::run(global, args, out),
        Command::Policy(args) => policy::run(global, args, out),
        Command::Serve(args) => serve::run(global, args, out),
        Command::Watch(args) => watch::run(global, args, out),
        Command::Incident(args) => incident::run(global, args, out),
        Command::Alert(args) => alert::run(global, args, out),
        Command::Scan(args) => scan::run(global, args, out),
        Command::Compliance(command) => scan::compliance(global, command, out),
        Command::Selfattack(args) => selfattack::run(args, out),
        Command::Crypto(args) => crypto::run(global, args, out),
        Command::Ledger(args) => ledger::run(global, args, out),
        Command::Receipt(args) => receipt::run(global, args, out),
        Command::Proof(ProofCommand::Subject { subject, out: path }) => {
            subject::disclose(global, subject, path, out)
        }
        Command::Witness(args) => witness::run(global, args, out),
        Command::ServeLauncher => edge::launcher(),
        Command::ServeEdge => edge::edge(),
        Command::ServeCourier => edge::courier(),
        Command::ServeWatch(args) => watch::supervise(global, args),
        Command::ServeWatchEyes(args) => watch::see(global, args),
        Command::ServeHost => edge::host_helper(global),
        Command::Config => {
            let Keep { settings, .. } = Keep::find(&global.keep)?;
            let config = Config::from(settings);
            out.result(&config, Config::to_text)
        }
    }
}
