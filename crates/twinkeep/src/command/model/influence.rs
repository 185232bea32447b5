//! `twinkeep model influence`.

use twinkeep_app::{
    App, AppError, Caller, InfluenceBy, InfluenceReport, InfluenceRequest, InfluenceVerdict,
    SourceInfluence, TargetInfluence, feed_influence,
};

use crate::cli::{InfluenceArgs, InfluenceByName};
use crate::output::{Output, table, thousands};

pub(super) fn run(app: &App, args: &InfluenceArgs, out: &Output) -> Result<(), AppError> {
    let request = InfluenceRequest {
        by: match args.by {
            InfluenceByName::Feed => InfluenceBy::Feed,
            InfluenceByName::Sender => InfluenceBy::Sender,
        },
        only: &args.only,
        targets: &args.targets,
        splits: args.splits.as_deref(),
        seed: args.seed,
        threads: args.threads,
    };
    let bar = out.progress("learning with and without");
    let report = feed_influence(app, &Caller::operator(), &request, &mut |step| {
        bar.set(step.done, step.total);
    })?;
    drop(bar);
    out.result(&report, |report| text(report, args.all))?;
    match report.harms().count() {
        0 => Ok(()),
        count => {
            let attempt = format!("forecasts are worse for what came in: {count} times");
            let hint = "`twinkeep incident list` has them, and nothing is held; `twinkeep feed \
                        reject` holds a feed";
            Err(AppError::refused("influence-harm", attempt).hint(hint))
        }
    }
}

fn text(report: &InfluenceReport, all: bool) -> String {
    let header = ["verdict", "left out", "people", "target", "adds to the error", "95 % interval"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for source in &report.sources {
        let known = |it: &&TargetInfluence| all || word(it.influence.verdict).1;
        rows.extend(source.targets.iter().filter(known).map(|target| line(source, target)));
    }
    let mut text = if rows.len() == 1 { String::new() } else { table(&rows) };
    for skipped in &report.skipped {
        let why = if skipped.why == "too-few" { "too few people" } else { "too many people" };
        text.push_str(&format!(
            "{} was not left out: {} are {why}\n",
            skipped.name,
            thousands(skipped.people),
        ));
    }
    let harms = match report.harms().count() {
        0 => "none makes a target worse beyond chance".to_owned(),
        count => format!("{count} times a target is worse for it"),
    };
    text.push_str(&format!(
        "{} left out, of {} people; {} models learned: {harms}",
        report.sources.len(),
        thousands(report.learned_from),
        report.trainings,
    ));
    text
}

fn line(source: &SourceInfluence, target: &TargetInfluence) -> Vec<String> {
    let share = |share: f64| format!("{:+.1} %", 100.0 * share);
    let adds = target.influence.adds;
    vec![
        word(target.influence.verdict).0.to_owned(),
        source.name.clone(),
        thousands(source.people),
        target.title.clone(),
        share(adds.mean),
        format!("{} to {}", share(adds.low), share(adds.high)),
    ]
}

/// What a verdict is called, and whether it is shown without being asked for.
fn word(verdict: InfluenceVerdict) -> (&'static str, bool) {
    match verdict {
        InfluenceVerdict::Harms => ("HARMS", true),
        InfluenceVerdict::Disputed => ("disputed", true),
        InfluenceVerdict::Helps => ("helps", true),
        InfluenceVerdict::Neither => ("neither", false),
        InfluenceVerdict::TooFew => ("too few", false),
    }
}
