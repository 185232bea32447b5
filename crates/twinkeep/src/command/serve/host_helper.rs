//! The helper that acts on the host for `serve`: a process of its own, which keeps the privileges that
//! the worker gives up and has no key of the keep.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use twinkeep_app::{App, AppError, Keep, act_on_host_by};

/// The process, before the keep is open.
pub(super) struct HostHelper(Option<Child>);

impl HostHelper {
    /// Starts it, if the operator permits anything on the host, while this process may still start
    /// programs.
    pub(super) fn start(keep: &Keep) -> Result<Self, AppError> {
        if !keep.settings.host.is_on() {
            return Ok(Self(None));
        }
        let child = Command::new(OWN_PROGRAM)
            .arg(COMMAND)
            .arg("--keep")
            .arg(keep.layout.root())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let child = child.map_err(|error| {
            AppError::environment("host-helper", "cannot start the helper for the host")
                .because(error)
        })?;
        Ok(Self(Some(child)))
    }

    /// Has it do what is done on the host.
    pub(super) fn serve(&mut self, app: &App) {
        let pipes =
            self.0.as_mut().and_then(|child| Some((child.stdin.take()?, child.stdout.take()?)));
        match pipes {
            Some((to, from)) => act_on_host_by(app, Some((Box::new(to), Box::new(from)))),
            None => act_on_host_by(app, None),
        }
    }

    /// Ends it.
    pub(super) fn close(self, app: &App) {
        // It ends when nobody can ask any more.
        act_on_host_by(app, None);
        let Some(mut child) = self.0 else { return };
        for _ in 0..END_TRIES {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(END_PAUSE);
        }
        // Somebody holds it where it is, or what it does takes long: it ends when it is let go, or is
        // done. This process may signal nobody.
    }
}

/// The program that runs here, whatever lies at its path meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What starts it on the command line.
const COMMAND: &str = "serve-host";

/// What it does ends within this time, nearly always.
const END_TRIES: u32 = 50;

const END_PAUSE: Duration = Duration::from_millis(100);
