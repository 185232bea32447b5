//! `twinkeep twin changes`.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use twinkeep_app::{App, AppError, Caller, ChangeMessage, FollowRequest, follow_changes};

use crate::command::receive::stop_on_signals;
use crate::output::Output;

/// Prints what changes until it is stopped; with `once`, what did.
pub(super) fn follow(
    app: &App,
    request: &FollowRequest,
    once: bool,
    out: &Output,
) -> Result<(), AppError> {
    let stopped = stop_on_signals()?;
    let mut follower = follow_changes(app, &Caller::operator(), request)?;
    if !once {
        out.remark("following what changes (stop with Ctrl-C or SIGTERM)");
    }
    let ended = loop {
        let told = match follower.next(app) {
            Ok(told) => told,
            Err(error) => break Err(error),
        };
        // A program takes the first id to go on with; a person sees a remark.
        for message in told.iter().filter(|message| out.json() || message.event != "ready") {
            out.result(message, text)?;
        }
        let begun = told.iter().all(|message| message.event == "ready");
        if stopped.load(Ordering::Relaxed) || once && begun {
            break Ok(());
        }
        if begun {
            thread::sleep(LOOK_EVERY);
        }
    };
    if once {
        out.remark(&format!("go on with --after {}", follower.id()));
    }
    let reason = ended.as_ref().map_or_else(AppError::code, |()| "stopped");
    follower.close(app, reason)?;
    ended
}

/// One line for each message, and one for each event of it.
fn text(message: &ChangeMessage) -> String {
    let ChangeMessage { id, event, data } = message;
    let mut line = format!("{id:<12} {event}");
    for more in [data.subject.as_deref(), data.feed.as_deref(), data.message].into_iter().flatten()
    {
        line.push_str(&format!("  {more}"));
    }
    if let Some(count) = data.event_count {
        line.push_str(&format!("  {count} events"));
    }
    for event in &data.events {
        let time = event.time.as_deref().unwrap_or("at all times");
        line.push_str(&format!("\n  {time}  {}", event.code));
    }
    if let Some(forecast) = &data.forecast {
        for target in &forecast.targets {
            if let Some(point) = target.points.last() {
                let (code, hours) = (&target.code, point.horizon_hours);
                line.push_str(&format!("\n  {code} in {hours} h: {}", point.q50));
                if let Some(range) = point.range_90() {
                    line.push_str(&format!(" ({range})"));
                }
            }
        }
    }
    if let Some(code) = data.no_forecast {
        line.push_str(&format!("\n  no forecast: {code}"));
    }
    line
}

/// As soon as a person sees, and a small load.
const LOOK_EVERY: Duration = Duration::from_millis(250);
