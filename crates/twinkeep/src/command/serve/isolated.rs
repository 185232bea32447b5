//! The house that `twinkeep serve` works in: which files and which port its worker needs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use twinkeep_app::{
    AlertConfig, App, AppError, Isolation, IssuerConfig, Keep, NatsConfig, Settings,
};
use twinkeep_gate::{Confinement, Front, House, IsolationReport, WorkerFiles};

use super::refuse;
use crate::cli::{Global, ServeArgs};
use crate::command::edge::LAUNCHER;
use crate::output::Output;
use crate::surroundings::{open_keep, state_dir};

/// Opens the keep in a process that has been closed in, as far as it may be before that.
pub(super) fn open(
    global: &Global,
    args: &ServeArgs,
    keep: &Keep,
    listen: SocketAddr,
) -> Result<(App, Front), AppError> {
    let required = match keep.settings.gate.isolation {
        Isolation::DangerOff => return Ok((open_keep(global)?, Front::Within)),
        Isolation::On => false,
        Isolation::Required => true,
    };
    let refuse = |error| refuse(listen, error);
    let mut house = House::found(LAUNCHER, required).map_err(refuse)?;
    let files = files(global, args, keep)?;
    // A token's library and a key service read files that only they know of, and start threads.
    let early = global.secret.kek_uri.is_none();
    if early {
        house.close_files(&files);
    }
    let app = open_keep(global)?;
    if !early {
        house.close_files_late(&files);
    }
    house
        .close_network(
            listen,
            keep.settings.gate.metrics_listen.parse().ok(),
            keep.settings.gate.admin_listen.parse().ok(),
            &ports(&keep.settings),
        )
        .map_err(refuse)?;
    Ok((app, Front::Apart(house)))
}

/// Where the worker has to connect to: a message stream, issuers of access tokens, and those who are
/// told when something is wrong.
fn ports(settings: &Settings) -> Vec<u16> {
    let stream = settings.intake.nats.as_ref().and_then(NatsConfig::port);
    let alerts = settings.alerts.iter().filter_map(AlertConfig::port);
    settings.issuers.iter().filter_map(IssuerConfig::port).chain(stream).chain(alerts).collect()
}

/// What the worker reads and writes.
fn files(global: &Global, args: &ServeArgs, keep: &Keep) -> Result<WorkerFiles, AppError> {
    let settings = &keep.settings;
    let mut writable = vec![global.keep.clone()];
    if let Some(dir) = state_dir().map(|dir| dir.join("twinkeep")) {
        twinkeep_vault::files::create_private_dir(&dir).map_err(|error| {
            AppError::environment("state-dir", format!("cannot make `{}`", dir.display()))
                .because(error)
        })?;
        writable.push(dir);
    }
    if let Some(dir) = args.drop_folder.clone().or_else(|| settings.intake.drop_folder.clone()) {
        // What is mounted there later is another folder, and known by the one above only.
        let above = dir.canonicalize().ok().and_then(|dir| Some(dir.parent()?.to_path_buf()));
        writable.extend(above.filter(|above| above.parent().is_some()));
        writable.push(dir);
    }
    // A file that is full is renamed, so its folder is needed.
    let traces = settings.gate.trace_file.as_deref().and_then(Path::parent);
    writable.extend(traces.map(Path::to_path_buf));
    for alert in &settings.alerts {
        // The same, for a file of events.
        writable.extend(alert.file.as_deref().and_then(folder_of));
    }
    let given = &global.secret;
    let secrets = [&given.passphrase_file, &given.key_file, &settings.key_file];
    let mut readable: Vec<PathBuf> = secrets.into_iter().flatten().cloned().collect();
    readable.extend(given.passphrase_fd.map(|number| format!("/proc/self/fd/{number}").into()));
    if let Some(nats) = &settings.intake.nats {
        let login =
            [&nats.ca, &nats.credentials, &nats.password_file, &nats.client_cert, &nats.client_key];
        readable.extend(login.into_iter().flatten().cloned());
    }
    let of_issuers = settings.issuers.iter().flat_map(|issuer| [&issuer.jwks_file, &issuer.ca]);
    readable.extend(of_issuers.flatten().cloned());
    for authority in &settings.client_cas {
        // A file that is replaced is another one, and known by its folder only.
        let files = std::iter::once(&authority.file).chain(&authority.crl);
        readable.extend(files.filter_map(|file| Some(file.parent()?.to_path_buf())));
    }
    // Secrets are changed while the gate serves: a file that is replaced is known by its folder only.
    let of_alerts = settings.alerts.iter().flat_map(AlertConfig::files_read);
    readable.extend(of_alerts.filter_map(|file| folder_of(file)));
    if !ports(settings).is_empty() {
        readable.extend(NAMES_AND_AUTHORITIES.map(PathBuf::from));
    }
    Ok(WorkerFiles { writable, readable })
}

fn folder_of(file: &Path) -> Option<PathBuf> {
    file.parent().map(Path::to_path_buf)
}

/// Says where the kernel did not confine what it should.
pub(super) fn remark(report: &IsolationReport, out: &Output) {
    let courier = report.courier.map(|found| ("courier", found));
    let admin = report.admin.map(|found| ("edge for operators", found));
    for (name, found) in
        [("worker", report.worker), ("edge", report.edge)].into_iter().chain(admin).chain(courier)
    {
        let Confinement { files, network, programs } = found;
        let open = [(files, "files"), (network, "the network"), (programs, "programs")];
        let open: Vec<&str> = open.iter().filter(|door| !door.0).map(|door| door.1).collect();
        if !open.is_empty() {
            out.remark(&format!(
                "warning: the kernel does not close {} to the {name} process (Landlock, seccomp)",
                open.join(" and ")
            ));
        }
    }
}

/// Where a client finds the address of a name, and the authorities to trust.
const NAMES_AND_AUTHORITIES: [&str; 6] =
    ["/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/var/run/nscd"];
