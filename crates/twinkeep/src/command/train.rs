//! `twinkeep train`.

use std::path::Path;
use std::time::Instant;

use twinkeep_app::{
    AppError, Caller, Evaluation, NoisePlan, PrivacyCost, TrainReport, TrainRequest,
    TrajectoryEvaluation, WindowEvaluation, train_model,
};
use twinkeep_vault::files::digest_file;

use crate::cli::{Global, TrainArgs};
use crate::output::{Output, table, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &TrainArgs, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let bar = out.progress("training");
    let started = Instant::now();
    let splits = args.splits.as_deref();
    let request = TrainRequest {
        threads: args.threads,
        seed: args.seed,
        splits,
        // The link leads to the running program even if its file was replaced.
        commit: Some(env!("TWINKEEP_COMMIT")).filter(|commit| !commit.is_empty()),
        program: digest_file(Path::new("/proc/self/exe")).ok(),
        start_over: args.start_over,
        leaf_subjects: args.leaf_subjects,
        privacy_cost: args.privacy_cost,
    };
    let report = train_model(&app, &Caller::operator(), request, &mut |step| {
        bar.set(step.progress.done, step.progress.total);
        if step.resumed {
            bar.forget_pace();
        }
    })?;
    drop(bar);
    remarks(&report, out);
    out.remark(&format!("{:.1} s", started.elapsed().as_secs_f64()));
    out.result(&report, text)
}

fn remarks(report: &TrainReport, out: &Output) {
    if 0 < report.resumed_targets {
        let count = report.resumed_targets;
        out.remark(&format!("went on from an interrupted training, which had {count} targets"));
    } else if !report.started_over.is_empty() {
        let differs = report.started_over.join(", ");
        out.remark(&format!("started over: the unfinished training differs in {differs}"));
    }
    if let Some(reason) = &report.not_kept {
        out.remark(&format!("warning: what was learned could not be kept meanwhile: {reason}"));
    }
}

fn text(report: &TrainReport) -> String {
    format!(
        "{}\n{}\
         measured on {} held-out subjects; learned from {}, tuned on {}\n\
         version {} is a candidate; put it into service with\n  \
         twinkeep model release {} --reason \"...\"",
        figures(&report.evaluation),
        report.privacy.as_ref().map(privacy).unwrap_or_default(),
        report.evaluation.subject_count,
        report.train_subjects,
        report.tuning_subjects,
        report.version,
        report.version,
    )
}

/// Shows how privacy is protected, and what that costs if it was measured.
fn privacy(cost: &PrivacyCost) -> String {
    let step = cost.leaf_step_max.map(|step| format!(", steps of at most {step} spreads"));
    let noise = cost.noise.map(|NoisePlan { epsilon, delta }| {
        format!(
            ", noise of ε = {epsilon} at δ = {delta} for the training split (not for the tuning \
             split, and not for the number of subjects)"
        )
    });
    let teachers = match cost.teachers {
        0 => String::new(),
        count => format!(", {count} teachers, of whom one never saw whom it speaks of"),
    };
    let price = match cost.mase_median_without {
        None => "; `--privacy-cost` measures what that costs".to_owned(),
        without => format!(
            "; median MASE {}, and {} without it",
            number(cost.mase_median, 4),
            number(without, 4)
        ),
    };
    format!(
        "privacy: at least {} subjects in a leaf{teachers}{}{}{price}\n",
        cost.leaf_subjects_min.max(1),
        step.unwrap_or_default(),
        noise.unwrap_or_default(),
    )
}

/// Shows how good a model is, target by target, beside carry-forward.
pub(crate) fn figures(evaluation: &Evaluation) -> String {
    let header =
        ["target", "values", "error", "carry-forward", "MASE", "90 % interval covers", "width"];
    let rows = evaluation.targets.iter().map(|target| {
        vec![
            target.code.clone(),
            thousands(target.value_count),
            number(target.mae, 3),
            number(target.carry_forward_mae, 3),
            number(target.mase, 3),
            percent(target.coverage_90),
            number(target.width_90, 2),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    format!(
        "{}{}\n\
         median MASE {} (below 1 is better than carry-forward); mean scaled error {}; \
         90 % intervals cover {} in the mean{}",
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
        windows(&evaluation.windows),
        number(evaluation.mase_median, 3),
        number(evaluation.scaled_mae_mean, 3),
        percent(evaluation.coverage_90_mean),
        evaluation.trajectories.as_ref().map(trajectories).unwrap_or_default(),
    )
}

/// How well paths go together, as real lives do.
fn trajectories(found: &TrajectoryEvaluation) -> String {
    format!(
        "\npaths: R² {} between simulated and real correlations of {} pairs of targets (at best \
         {}), by ranks {} (at best {}); correlation over time off by {}, by ranks {}",
        number(found.correlation_r2, 3),
        found.pair_count,
        number(found.correlation_r2_expected, 3),
        number(found.rank_correlation_r2, 3),
        number(found.rank_correlation_r2_expected, 3),
        number(found.autocorrelation_error, 3),
        number(found.rank_autocorrelation_error, 3),
    )
}

/// Two tables: sums and counts beside simpler guesses, events beside the base rate.
fn windows(windows: &[WindowEvaluation]) -> String {
    let header = |names: &[&str]| names.iter().copied().map(str::to_owned).collect::<Vec<_>>();
    let mut totals = vec![header(&[
        "in a window",
        "subjects",
        "error",
        "as before",
        "as usual",
        "MASE",
        "90 % interval covers",
        "variance ratio",
        "as before",
    ])];
    let mut events = vec![header(&[
        "event in a window",
        "subjects",
        "happens to",
        "said",
        "right",
        "base rate right",
        "AUC",
        "Brier",
        "of base rate",
        "log loss",
        "of base rate",
    ])];
    for window in windows {
        let code = window.code.clone();
        if let Some(total) = &window.total {
            totals.push(vec![
                code,
                thousands(window.subject_count),
                number(total.mae, 3),
                number(total.carry_forward_mae, 3),
                number(total.usual_mae, 3),
                number(total.mase, 3),
                percent(total.coverage_90),
                number(total.variance_ratio, 3),
                number(total.carry_forward_variance_ratio, 3),
            ]);
        } else if let Some(last) = window.events.last() {
            events.push(vec![
                code,
                thousands(last.known_count),
                percent(last.base_rate),
                percent(last.probability_mean),
                percent(last.accuracy),
                percent(last.base_accuracy),
                number(last.auc, 3),
                number(last.brier, 4),
                number(last.base_brier, 4),
                number(last.log_loss, 4),
                number(last.base_log_loss, 4),
            ]);
        }
    }
    let tables = [totals, events].into_iter().filter(|rows| 1 < rows.len());
    tables.map(|rows| format!("\n{}", table(&rows))).collect()
}

fn number(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.places$}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{:.1} %", 100.0 * value))
}
