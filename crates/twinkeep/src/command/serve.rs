//! `twinkeep serve`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use twinkeep_app::{
    App, AppError, Caller, ClientCaWatch, Keep, ServerIdentity, forget_upstreams, read_client_cas,
    record_certified, record_closed, record_opened, renew_server_certificate, server_identity,
};
use twinkeep_gate::{
    GateError, GateSettings, Opened, Stopper, TlsMaterial, UpstreamPlans, serve, stopper,
};
use twinkeep_vault::process::raise_open_files;

use crate::cli::{Global, ServeArgs};
use crate::output::Output;

mod background;
mod feeders;
mod file_watch;
mod host_helper;
mod isolated;
mod watching;

use background::Background;
use feeders::{Feeder, Stream};
use file_watch::FileWatch;
use host_helper::HostHelper;

pub(crate) fn run(global: &Global, args: &ServeArgs, out: &Output) -> Result<(), AppError> {
    let keep = Keep::find(&global.keep)?;
    let configured: Option<SocketAddr> = keep.settings.gate.listen.parse().ok();
    let listen = args
        .listen
        .or(configured)
        .ok_or_else(|| AppError::usage("gate-listen", "`gate.listen` is no address and port"))?;
    // Before files are closed: whom to believe is in some.
    let upstreams = UpstreamPlans::new(&keep.settings.upstreams);
    let upstreams = upstreams.map_err(|error| refuse(listen, error))?;
    let watch = FileWatch::start(&keep)?;
    let mut helper = HostHelper::start(&keep)?;
    let (app, front) = isolated::open(global, args, &keep, listen)?;
    let app = Arc::new(app);
    helper.serve(&app);
    if !app.keys_locked() {
        out.remark(
            "warning: keys may be swapped to disk; raise the limit of locked memory (ulimit -l)",
        );
    }
    let mut settings = GateSettings::new(listen, &app.settings().gate).with_upstreams(upstreams);
    bound_by_open_files(&mut settings, out);
    // What fails is in the ledger; the certificate that is there may hold for weeks.
    if let Err(error) = renew_server_certificate(&app) {
        out.remark(&format!("warning: the certificate was not renewed: {error}"));
    }
    let tls = material(server_identity(&app)?);
    let (stopper, stop) = stopper();
    let stopper = Arc::new(stopper);
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(|error| {
        AppError::environment("signals", "cannot listen for signals").because(error)
    })?;
    let handle = signals.handle();
    let waiting = thread::spawn({
        let (app, stopper, out) = (Arc::clone(&app), Arc::clone(&stopper), out.clone());
        move || obey(&mut signals, &app, &stopper, &out)
    });
    let stream = Stream::configured(&app)?;
    let mut client_cas = ClientCaWatch::default();
    read_client_cas(&app, &mut client_cas)?;
    record_opened(&app)?;
    let watch = watch.map(|watch| watch.record(&app, out));
    let background = Background::start(&app, client_cas, stopper);
    let dir = args.drop_folder.clone().or_else(|| app.settings().intake.drop_folder.clone());
    let mut feeders = Vec::new();
    let served = serve(Arc::clone(&app), &settings, &tls, front, stop, &mut |opened| {
        let Opened { address, isolation, .. } = opened;
        if let Some(isolation) = &isolation {
            isolated::remark(isolation, out);
        }
        let report = report(opened);
        let text = |_: &serde_json::Value| {
            format!("listening on https://{address}/ (stop with Ctrl-C or SIGTERM)")
        };
        // Who cannot read this line can still read the configuration.
        let _ = out.result(&report, text);
        feeders.extend(dir.clone().map(|dir| Feeder::folder(&app, dir, out)));
        feeders.extend(stream.clone().map(|stream| Feeder::stream(&app, stream, out)));
    });
    handle.close();
    let _ = waiting.join();
    feeders.into_iter().for_each(Feeder::close);
    background.close();
    watch.into_iter().for_each(file_watch::Recording::close);
    helper.close(&app);
    forget_upstreams(&app)?;
    record_closed(&app)?;
    served.map_err(|error| refuse(listen, error))
}

/// The line that says that the server is there.
fn report(Opened { address, admin, isolation }: Opened) -> serde_json::Value {
    let isolation = isolation.map(|report| {
        let mut processes = serde_json::json!({ "worker": report.worker, "edge": report.edge });
        if let Some(courier) = report.courier {
            processes["courier"] = serde_json::json!(courier);
        }
        if let Some(admin) = report.admin {
            processes["admin"] = serde_json::json!(admin);
        }
        processes
    });
    let mut line = serde_json::json!({ "listening": address.to_string(), "isolation": isolation });
    if let Some(admin) = admin {
        line["admin"] = serde_json::json!(admin.to_string());
    }
    line
}

/// Does what signals say, until one says stop or nobody listens any more.
fn obey(signals: &mut Signals, app: &App, stopper: &Stopper, out: &Output) {
    for signal in signals.forever() {
        match signal {
            SIGHUP => certify(app, stopper, out),
            _ => return stopper.stop(),
        }
    }
}

/// Shows the certificate that is in the keep now.
fn certify(app: &App, stopper: &Stopper, out: &Output) {
    let shown = server_identity(app).map_err(|error| error.to_string()).and_then(|identity| {
        stopper.certify(&material(identity)).map_err(|error| error.to_string())?;
        record_certified(app, &Caller::operator()).map_err(|error| error.to_string())
    });
    match shown {
        Ok(()) => out.remark("the certificate was read again"),
        Err(error) => out.remark(&format!("warning: the certificate stays as it was: {error}")),
    }
}

fn material(identity: ServerIdentity) -> TlsMaterial {
    let ServerIdentity { chain_pem, key } = identity;
    TlsMaterial { cert_chain_pem: chain_pem, key_pkcs8: key }
}

/// Takes no more connections than there can be open files, less what the keep itself needs: a
/// flood of connections must not keep the ledger from being written.
fn bound_by_open_files(settings: &mut GateSettings, out: &Output) {
    let wanted = settings.connection_count_max as u64 + OPEN_FILES_RESERVED;
    let granted = raise_open_files(wanted);
    if granted < wanted {
        let most = usize::try_from(granted.saturating_sub(OPEN_FILES_RESERVED)).unwrap_or(0).max(1);
        settings.connection_count_max = most;
        out.remark(&format!(
            "warning: the limit of open files ({granted}) allows {most} connections at a time; \
             raise it to {wanted} (ulimit -n, LimitNOFILE=)"
        ));
    }
}

/// Files of the keep: the catalog, the ledger's tiles, 64 uploads, and what 64 threads have open.
const OPEN_FILES_RESERVED: u64 = 256;

fn refuse(listen: SocketAddr, error: GateError) -> AppError {
    let code = error.code();
    let refusal = AppError::environment(code, format!("cannot serve on {listen}"));
    match &error {
        GateError::Listen { .. } => {
            refusal.because(error).hint("is the port taken? choose another with `--listen`")
        }
        _ => refusal.because(error),
    }
}
