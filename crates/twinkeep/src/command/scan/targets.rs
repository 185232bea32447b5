//! What a scan looks at: words of the command line, turned into facts.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use twinkeep_app::{
    App, AppError, Caller, Class, PostureRequest, SourceConfig, closed_keep_facts, keep_facts,
    model_facts, names_database, postgres_facts, read_certificates,
};
use twinkeep_domain::Timestamp;
use twinkeep_posture::collect::s3::client::Client;
use twinkeep_posture::collect::s3::credentials::{Asked, Settings};
use twinkeep_posture::collect::s3::{self, Buckets};
use twinkeep_posture::collect::{
    CollectError, cfn, git, host, iis, nginx, phi, sqlite, tls, windows,
};
use twinkeep_posture::facts::windows::{Choices, Cloud, Samples};
use twinkeep_posture::facts::{FactFile, Facts};
use twinkeep_vault::digest::{sha256, to_hex};

use crate::cli::{DatabaseArgs, Global, ScannedArgs};
use crate::clock;
use crate::database_password;
use crate::surroundings::{open_keep, state_dir};

/// What was collected.
pub(super) struct Collected {
    pub(super) facts: FactFile,
    /// What they are about, as [`scope`] has it.
    pub(super) scope: String,
    /// The keep that it is to be recorded in, if any.
    pub(super) app: Option<App>,
}

/// A target, with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Keep,
    Host,
    Phi(PathBuf),
    S3(Vec<String>),
    Nginx(PathBuf),
    Iis(PathBuf),
    Cfn(PathBuf),
    Git(PathBuf),
    Sqlite(PathBuf),
    Postgres(String),
    Windows(PathBuf),
    Model(PathBuf),
    Tls { host: String, port: u16, path: String },
}

/// Collects facts from all targets, or reads them from files.
pub(super) fn collect(global: &Global, args: &ScannedArgs) -> Result<Collected, AppError> {
    let targets = targets(args)?;
    let mut app = args.record.then(|| open_keep(global)).transpose()?;
    let now = clock::now();
    let mut facts = Vec::new();
    for target in &targets {
        facts.push(match target {
            Target::Keep => keep(global, args, &mut app)?,
            Target::Host => host_facts(global, args, now.micros()),
            Target::Git(repository) if args.pushed => {
                facts.extend(pushed(repository, args)?);
                continue;
            }
            other => elsewhere(other, args, now)?,
        });
    }
    let mut file = FactFile::new(now.micros(), facts);
    for path in &args.facts {
        let given = FactFile::parse(&super::read(path)?)
            .map_err(|error| AppError::usage(error.code(), error.to_string()))?;
        // A report is as old as the oldest of its facts.
        file.taken_us = file.taken_us.min(given.taken_us);
        file.facts.extend(given.facts);
    }
    let given = args.facts.iter().map(|path| format!("facts:{}", path.display()));
    let scope = scope(args.targets.iter().cloned().chain(given));
    Ok(Collected { facts: file, scope, app })
}

/// Returns what tells scans of one thing from those of another of its kind: a digest, as a place or
/// a name may tell something of people.
pub(super) fn scope(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.map(|word| whole(&word)).collect();
    if words.is_empty() {
        words = ["host", "keep"].map(str::to_owned).to_vec();
    }
    words.sort_unstable();
    words.dedup();
    to_hex(&sha256(words.join("\n").as_bytes()))
}

/// Names a target as it is named from everywhere.
fn whole(word: &str) -> String {
    let (name, of) = word.split_once(':').unwrap_or((word, ""));
    match name {
        // Whoever asks, and with which password, is no part of what is asked.
        "postgres" | "postgresql" => of.rsplit('@').next().unwrap_or_default().to_owned(),
        "phi" | "nginx" | "iis" | "cfn" | "sqlite" | "windows" | "model" | "git" | "facts" => {
            let here = name == "git" && of.is_empty();
            let place = std::path::absolute(if here { "." } else { of });
            place.map_or_else(|_| word.to_owned(), |place| format!("{name}:{}", place.display()))
        }
        _ => word.to_owned(),
    }
}

/// The facts of what is neither the keep nor this computer as a whole.
fn elsewhere(target: &Target, args: &ScannedArgs, now: Timestamp) -> Result<Facts, AppError> {
    let collected = match target {
        Target::Phi(root) => {
            let options = phi::Options::verdicts(year(now.micros()));
            phi::collect(root, options.unpacking(args.unpack_max << 30)).map(Facts::from)
        }
        Target::S3(names) => {
            let buckets = Buckets { names: names.clone() };
            let found = s3::collect(&s3_client()?, &buckets);
            let found =
                found.map_err(|error| AppError::environment(error.code(), error.to_string()))?;
            return Ok(found.into());
        }
        Target::Nginx(main) => nginx::collect(main).map(Facts::from),
        Target::Iis(root) => iis::collect(root).map(Facts::from),
        Target::Cfn(path) => cfn::collect(std::slice::from_ref(path)).map(Facts::from),
        Target::Git(repository) => git::collect(repository, signed(args)).map(Facts::from),
        Target::Sqlite(root) => sqlite::collect(root).map(Facts::from),
        Target::Windows(file) => windows::collect(file, choices(args)).map(Facts::from),
        Target::Postgres(url) => return postgres(url, args),
        Target::Model(root) => {
            return Ok(model_facts(root, args.model_key.as_deref(), now)?.into());
        }
        Target::Tls { host, port, path } => {
            let now_s = now.micros().div_euclid(1_000_000);
            let question = tls::Question { host, port: *port, path, now_s };
            match &args.ca {
                Some(file) => {
                    let authorities = read_certificates(std::slice::from_ref(file))?;
                    tls::collect(question, tls::Trust::Authorities(&authorities)).map(Facts::from)
                }
                None => tls::collect(question, tls::Trust::System).map(Facts::from),
            }
        }
        Target::Keep | Target::Host => return Err(unknown_target()),
    };
    collected.map_err(collecting)
}

/// Asks a server; the password is had as PostgreSQL's own clients have it.
fn postgres(url: &str, args: &ScannedArgs) -> Result<Facts, AppError> {
    let source = SourceConfig { url: url.to_owned(), ca: args.ca.clone(), ..Default::default() };
    let password = database_password::get(&DatabaseArgs::default(), &source)?;
    Ok(postgres_facts(&source, password.as_ref())?.into())
}

/// What was decided where advice about workstations conflicts.
fn choices(args: &ScannedArgs) -> Choices {
    Choices {
        cloud: if args.defender_offline { Cloud::Off } else { Cloud::Advanced },
        samples: if args.defender_prompts { Samples::Prompt } else { Samples::Never },
        jupyter_networks: args.jupyter_network.clone(),
    }
}

/// What the options say about commits.
fn signed(args: &ScannedArgs) -> git::Options<'_> {
    git::Options {
        branch: args.branch.as_deref(),
        signers: args.signers.as_deref(),
        since: args.since.as_deref(),
    }
}

/// What the push brings that git tells of.
fn pushed(repository: &Path, args: &ScannedArgs) -> Result<Vec<Facts>, AppError> {
    use std::io::Read as _;

    let mut text = String::new();
    let told = std::io::stdin().lock().take(UPDATES_BYTES_MAX).read_to_string(&mut text);
    told.map_err(|error| {
        AppError::usage("scan-pushed", "cannot read what is pushed from the standard input")
            .because(error)
    })?;
    // What was cut off would be taken unseen.
    if text.len() as u64 == UPDATES_BYTES_MAX {
        return Err(AppError::usage(
            "scan-pushed",
            "more names are pushed at once than can be judged",
        )
        .hint("push them in parts"));
    }
    let updates = git::parse_updates(&text).map_err(collecting)?;
    let (signers, since) = (args.signers.as_deref(), args.since.as_deref());
    let found = git::collect_push(repository, git::PushOptions { signers, since }, &updates);
    Ok(found.map_err(collecting)?.into_iter().map(Facts::from).collect())
}

/// A push of a hundred thousand names has some fifteen megabytes.
const UPDATES_BYTES_MAX: u64 = 64 << 20;

fn targets(args: &ScannedArgs) -> Result<Vec<Target>, AppError> {
    if args.targets.is_empty() {
        let usual = vec![Target::Keep, Target::Host];
        return Ok(if args.facts.is_empty() { usual } else { Vec::new() });
    }
    args.targets.iter().map(|word| target(word)).collect()
}

pub(super) fn target(word: &str) -> Result<Target, AppError> {
    let (name, of) = word.split_once(':').unwrap_or((word, ""));
    Ok(match (name, of) {
        ("keep", "") => Target::Keep,
        ("host", "") => Target::Host,
        ("s3", "") => Target::S3(Vec::new()),
        ("s3", bucket) => Target::S3(vec![bucket.to_owned()]),
        ("phi", root) if !root.is_empty() => Target::Phi(root.into()),
        ("nginx", "") => Target::Nginx("/etc/nginx/nginx.conf".into()),
        ("nginx", main) => Target::Nginx(main.into()),
        ("iis", root) if !root.is_empty() => Target::Iis(root.into()),
        ("cfn", path) if !path.is_empty() => Target::Cfn(path.into()),
        ("git", "") => Target::Git(".".into()),
        ("git", repository) => Target::Git(repository.into()),
        ("sqlite", root) if !root.is_empty() => Target::Sqlite(root.into()),
        ("windows", file) if !file.is_empty() => Target::Windows(file.into()),
        ("model", root) if !root.is_empty() => Target::Model(root.into()),
        ("tls", address) => address_of(address).ok_or_else(unknown_target)?,
        _ if names_database(word) => Target::Postgres(word.to_owned()),
        _ => return Err(unknown_target()),
    })
}

/// `HOST`, `HOST:PORT`, or either with a path; an address of IPv6 is in brackets.
fn address_of(text: &str) -> Option<Target> {
    let (authority, path) = match text.find('/') {
        Some(at) => text.split_at(at),
        None => (text, "/"),
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some("443"))?)
        }
        None => authority.rsplit_once(':').unwrap_or((authority, "443")),
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let found = || Target::Tls { host: host.to_owned(), port, path: path.to_owned() };
    (!host.is_empty()).then(found)
}

fn unknown_target() -> AppError {
    AppError::usage("scan-target", "a target is none of those that can be scanned").hint(
        "keep, host, phi:FOLDER, s3, s3:BUCKET, postgres://USER@HOST/DATABASE, sqlite:PATH, \
         nginx:FILE, iis:PATH, cfn:PATH, windows:FILE, git:FOLDER, model:PATH, tls:HOST:PORT/PATH; \
         `twinkeep scan --help` has examples",
    )
}

/// The facts of the keep. One that refuses to open for what it is, is looked at from outside: that
/// is when somebody wants to know what is wrong.
fn keep(global: &Global, args: &ScannedArgs, app: &mut Option<App>) -> Result<Facts, AppError> {
    if app.is_none() {
        match open_keep(global) {
            Ok(opened) => *app = Some(opened),
            Err(error) if error.class() == Class::Refused && global.keep.is_dir() => {
                return Ok(closed_keep_facts(&global.keep, clock::now(), error.code())?.into());
            }
            Err(error) => return Err(error),
        }
    }
    let Some(app) = app.as_ref() else {
        return Err(AppError::environment("keep-read", "the keep did not open"));
    };
    let witnessed = args.cosigned.as_deref().zip(args.witness_key.as_deref());
    let state_dir = state_dir();
    let request = PostureRequest { witnessed, state_dir: state_dir.as_deref() };
    Ok(keep_facts(app, &Caller::operator(), request)?.into())
}

fn host_facts(global: &Global, args: &ScannedArgs, taken_us: i64) -> Facts {
    let sensitive: Vec<&Path> = match args.sensitive.as_slice() {
        [] if global.keep.is_dir() => vec![&global.keep],
        folders => folders.iter().map(PathBuf::as_path).collect(),
    };
    let canary = if args.canary { host::Canary::Make } else { host::Canary::Leave };
    host::collect(&host::Places::default(), &sensitive, canary, taken_us).into()
}

/// A client of the object store that the environment names, as other clients of AWS read it.
pub(super) fn s3_client() -> Result<Client, AppError> {
    let variable = |name: &str| std::env::var(name).ok();
    Settings::find(&Asked::default(), &variable)
        .and_then(|settings| Client::new(settings, system_time))
        .map_err(|error| AppError::usage(error.code(), error.to_string()))
}

/// The time as signatures of requests take it.
fn system_time() -> SystemTime {
    let micros = u64::try_from(clock::now().micros()).unwrap_or(0);
    UNIX_EPOCH + Duration::from_micros(micros)
}

/// The present year: no date of birth is later.
fn year(now_us: i64) -> u16 {
    const YEAR_US: i64 = 31_556_952_000_000;
    u16::try_from(1970 + now_us.div_euclid(YEAR_US)).unwrap_or(u16::MAX)
}

fn collecting(error: CollectError) -> AppError {
    AppError::environment(error.code(), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Target, target};

    #[test]
    fn a_target_has_what_it_needs_after_a_colon() {
        assert_eq!(target("keep").unwrap(), Target::Keep);
        assert_eq!(target("s3").unwrap(), Target::S3(Vec::new()));
        assert_eq!(target("cfn:a:b.yaml").unwrap(), Target::Cfn("a:b.yaml".into()));
        let tls = |host: &str, port, path: &str| Target::Tls {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        };
        assert_eq!(target("tls:twin.example").unwrap(), tls("twin.example", 443, "/"));
        assert_eq!(target("tls:twin.example:8443/a:b").unwrap(), tls("twin.example", 8443, "/a:b"));
        assert_eq!(target("tls:[::1]:8443").unwrap(), tls("::1", 8443, "/"));
        let database = "postgres://reader@db.example/ward";
        assert_eq!(target(database).unwrap(), Target::Postgres(database.to_owned()));
        for word in [
            "",
            "phi",
            "phi:",
            "cfn",
            "iis",
            "keep:other",
            "everything",
            "tls:",
            "tls:a:0",
            "tls:[::1",
        ] {
            assert!(target(word).is_err(), "{word}");
        }
    }
}
