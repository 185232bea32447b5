//! `twinkeep evaluate`.

use std::time::Instant;

use twinkeep_app::{
    AppError, Caller, Dates, Deidentify, EvaluateOn, EvaluateReport, EvaluateRequest,
    EvaluateSource, Mapping, Split, evaluate_model, load_mapping,
};

use crate::cli::{DeidentifyRule, EvaluateArgs, Global, SplitName};
use crate::command::train;
use crate::output::{Output, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &EvaluateArgs, out: &Output) -> Result<(), AppError> {
    let mapping = args.mapping.as_deref().map(load_mapping).transpose()?;
    let app = open_keep(global)?;
    let bar = out.progress("reading");
    let started = Instant::now();
    let request = EvaluateRequest {
        model: args.model.as_deref(),
        on: on(args, mapping.as_ref()),
        splits: args.splits.as_deref(),
        cut_hours: args.cut,
        horizon_hours: args.horizon,
        predictions: args.predictions.as_deref(),
        report: args.report.as_deref(),
    };
    let report = evaluate_model(&app, &Caller::operator(), &request, &mut |progress| {
        bar.set(progress.done, progress.total);
    })?;
    drop(bar);
    out.remark(&format!("{:.1} s", started.elapsed().as_secs_f64()));
    out.result(&report, text)
}

fn on<'a>(args: &'a EvaluateArgs, mapping: Option<&'a Mapping>) -> EvaluateOn<'a> {
    match &args.source {
        Some(path) => EvaluateOn::Source(EvaluateSource {
            path,
            site: args.site.as_deref(),
            dates: if args.dates_shifted { Dates::Shifted } else { Dates::Real },
            mapping,
            deidentify: args.deidentify.map(|DeidentifyRule::SafeHarbor| Deidentify::SafeHarbor),
        }),
        None => EvaluateOn::Split(match args.split {
            SplitName::Train => Split::Train,
            SplitName::Tuning => Split::Tuning,
            SplitName::HeldOut => Split::HeldOut,
        }),
    }
}

fn text(report: &EvaluateReport) -> String {
    let evaluation = &report.evaluation;
    let mut lines = vec![train::figures(evaluation)];
    if let Some(source) = &report.source {
        lines.push(format!(
            "of {} rows of the source, {} were refused and {} say \"not recorded\"; nothing was stored",
            thousands(source.read),
            thousands(source.quarantined),
            thousands(source.missing),
        ));
    }
    if let Some(count) = report.left_out_subjects.filter(|&count| 0 < count) {
        let count = thousands(count);
        lines.push(format!("{count} people were left out: the model may have learned from them"));
    }
    let on = if report.source.is_some() { "of the source" } else { report.on };
    lines.push(format!(
        "model {}, measured on {} subjects ({on}) from {} h to {} h after the first event",
        report.model,
        thousands(evaluation.subject_count),
        evaluation.cut_hours,
        evaluation.cut_hours + evaluation.horizon_hours,
    ));
    lines.join("\n")
}
