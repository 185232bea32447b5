//! `twinkeep serve`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use twinkeep_app::{AppError, ServerIdentity, record_closed, record_opened, server_identity};
use twinkeep_gate::{GateError, GateSettings, TlsMaterial, serve, stopper};

use crate::cli::{Global, ServeArgs};
use crate::output::Output;
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &ServeArgs, out: &Output) -> Result<(), AppError> {
    let app = Arc::new(open_keep(global)?);
    if !app.keys_locked() {
        out.remark(
            "warning: keys may be swapped to disk; raise the limit of locked memory (ulimit -l)",
        );
    }
    let config = &app.settings().gate;
    let configured: Option<SocketAddr> = config.listen.parse().ok();
    let listen = args
        .listen
        .or(configured)
        .ok_or_else(|| AppError::usage("gate-listen", "`gate.listen` is no address and port"))?;
    let settings = GateSettings::new(listen, config);
    let ServerIdentity { chain_pem, key } = server_identity(&app)?;
    let tls = TlsMaterial { cert_chain_pem: chain_pem, key_pkcs8: key };
    let (stopper, stop) = stopper();
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| {
        AppError::environment("signals", "cannot listen for signals").because(error)
    })?;
    let handle = signals.handle();
    let waiting = thread::spawn(move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    });
    record_opened(&app)?;
    let served = serve(Arc::clone(&app), &settings, &tls, stop, &mut |address| {
        let report = serde_json::json!({ "listening": address.to_string() });
        let text = |_: &serde_json::Value| {
            format!("listening on https://{address}/ (stop with Ctrl-C or SIGTERM)")
        };
        // Who cannot read this line can still read the configuration.
        let _ = out.result(&report, text);
    });
    handle.close();
    let _ = waiting.join();
    record_closed(&app)?;
    served.map_err(|error| refuse(listen, error))
}

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
