//! `twinkeep attack membership|extraction|poisoning|show`.

use std::time::Instant;

use twinkeep_app::{
    AppError, Attack, AttackFigures, AttackReport, AttackRequest, Caller, Rate, attack_model,
    show_attacks,
};

use crate::cli::{
    AttackCommand, AttackedArgs, ExtractionArgs, Global, MembershipArgs, PoisoningArgs,
};
use crate::output::{Output, table, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &AttackCommand, out: &Output) -> Result<(), AppError> {
    let (attacked, attack) = match args {
        AttackCommand::Membership(args) => (&args.attacked, of_membership(args)),
        AttackCommand::Extraction(args) => (&args.attacked, of_extraction(args)),
        AttackCommand::Poisoning(args) => (&args.attacked, of_poisoning(args)),
        AttackCommand::Show { version } => {
            let app = open_keep(global)?;
            return out.list(&show_attacks(&app, version)?, |reports| match reports {
                [] => "no attack was run on this version".to_owned(),
                all => all.iter().map(text).collect::<Vec<_>>().join("\n\n"),
            });
        }
    };
    let app = open_keep(global)?;
    let bar = out.progress("attacking");
    let started = Instant::now();
    let AttackedArgs { model, splits, threads, seed } = attacked;
    let request = AttackRequest {
        model: model.as_deref(),
        attack,
        splits: splits.as_deref(),
        threads: *threads,
        seed: *seed,
    };
    let report = attack_model(&app, &Caller::operator(), &request, &mut |progress| {
        bar.set(progress.done, progress.total);
    })?;
    drop(bar);
    out.remark(&format!("{:.1} s", started.elapsed().as_secs_f64()));
    out.result(&report, text)
}

fn of_membership(args: &MembershipArgs) -> Attack<'_> {
    Attack::Membership {
        shadow_count: args.shadows,
        search: &args.search,
        teachers: &args.teachers,
    }
}

fn of_extraction(args: &ExtractionArgs) -> Attack<'_> {
    Attack::Extraction { answer_counts: &args.answers }
}

fn of_poisoning(args: &PoisoningArgs) -> Attack<'_> {
    Attack::Poisoning { canary_count: args.canaries, kinds: &args.kind, rates: &args.rates }
}

fn text(report: &AttackReport) -> String {
    let parts = [membership(report), search(report), extraction(report), poisoning(report)];
    let mut text = format!("{} of {}, {}\n", report.attack, report.model, report.at);
    text.extend(parts);
    let [taught, tuned, unseen] = report.subjects;
    text.push_str(&format!(
        "subjects: {} taught the version, {} tuned it, {} it never saw\n",
        thousands(taught),
        thousands(tuned),
        thousands(unseen)
    ));
    text.push_str(&verdict(report));
    text
}

fn verdict(report: &AttackReport) -> String {
    if report.over.is_empty() {
        return "nothing is over the limits of the pack".to_owned();
    }
    let lines: Vec<String> =
        report.over.iter().map(|over| format!("over the limit: {over}")).collect();
    format!("{}\nthe version does not enter service", lines.join("\n"))
}

fn membership(report: &AttackReport) -> String {
    let Some(found) = &report.membership else { return String::new() };
    let sides = [
        ("likelihood ratio, this version", Some(&found.version)),
        ("likelihood ratio, shadows on each other", Some(&found.procedure)),
        ("likelihood ratio, one answer for each", found.one_answer.as_ref()),
        ("threshold on the loss, this version", Some(&found.threshold)),
    ];
    let rows = sides.into_iter().filter_map(|(name, side)| Some(line(name.to_owned(), side?)));
    let header = ["attack", "AUC", "95 %", "found at 1 % alarms", "95 %", "at 0.1 %", "95 %"];
    let header = header.map(str::to_owned).to_vec();
    format!(
        "{}{} shadows of {} subjects each; an AUC of 0.5 and shares of 1 % and 0.1 % are guessing\n\
         loss on strangers is {:+.1} % of that on those who taught it\n",
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
        found.shadow_count,
        thousands(found.shadow_subjects),
        100.0 * found.generalization_gap,
    )
}

fn line(name: String, side: &AttackFigures) -> Vec<String> {
    let mut cells = vec![
        name,
        format!("{:.3}", side.auc),
        format!("{:.3} to {:.3}", side.auc_low, side.auc_high),
    ];
    for rate in [side.tpr_at_fpr_1_percent, side.tpr_at_fpr_0_1_percent] {
        match rate {
            Some(Rate { value, low, high }) => {
                cells.push(format!("{:.2} %", 100.0 * value));
                cells.push(format!("{:.2} to {:.2}", 100.0 * low, 100.0 * high));
            }
            None => cells.extend(["too few people".to_owned(), String::new()]),
        }
    }
    cells
}

fn search(report: &AttackReport) -> String {
    if report.search.is_empty() {
        return String::new();
    }
    let header = [
        "",
        "teachers",
        "subjects in a leaf",
        "AUC",
        "95 %",
        "at 1 % alarms",
        "gap",
        "MASE",
        "CRPS",
    ];
    let rows = report.search.iter().map(|level| {
        let side = &level.procedure;
        vec![
            if level.recommended { "→".to_owned() } else { String::new() },
            format!("{}", level.teachers),
            format!("{}", level.leaf_subjects_min),
            format!("{:.3}", side.auc),
            format!("{:.3} to {:.3}", side.auc_low, side.auc_high),
            percent(side.tpr_at_fpr_1_percent.map(|rate| rate.value)),
            percent(Some(level.generalization_gap)),
            number(level.mase_median),
            number(level.crps_ratio),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    format!(
        "\n{}errors are those on the tuning split; → gives away least of those within 1 % of the \
         least CRPS: {}\n",
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
        report.search.iter().find(|level| level.recommended).map_or_else(
            || "none".to_owned(),
            |level| in_the_pack(level.teachers, level.leaf_subjects_min)
        ),
    )
}

/// Says what to write into a pack.
fn in_the_pack(teachers: u64, leaf_subjects_min: u64) -> String {
    let lines = [("teachers", teachers), ("leaf_subjects_min", leaf_subjects_min)];
    let lines: Vec<String> = lines
        .into_iter()
        .filter(|(_, count)| 1 < *count)
        .map(|(key, count)| format!("`{key} = {count}`"))
        .collect();
    if lines.is_empty() {
        return "no protection".to_owned();
    }
    format!("put {} into `[privacy]` of the pack", lines.join(" and "))
}

fn extraction(report: &AttackReport) -> String {
    let Some(found) = &report.extraction else { return String::new() };
    let header = ["asked about", "answers", "rounded", "fidelity", "agreement", "student's MASE"];
    let rows = found.trials.iter().map(|trial| {
        vec![
            word(&trial.queries),
            thousands(trial.answer_count),
            word(&trial.obligation),
            number(trial.fidelity),
            percent(trial.agreement),
            number(trial.student_mase),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    format!(
        "{}the model's own MASE is {}, on the same {} people; fidelity is over {} targets: \
         1 is a copy, 0 knows the mean\n",
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
        number(found.model_mase),
        thousands(found.measured_count),
        found.target_count,
    )
}

fn poisoning(report: &AttackReport) -> String {
    let mut text = String::new();
    if let Some(found) = &report.canaries {
        for planted in &found.planted {
            text.push_str(&format!(
                "canaries planted {}: exposure {:.2} bits (largest {:.2}); {:.2} in the version, \
                 which never saw them; {:.2} by chance\n",
                match planted.copies {
                    1 => "once".to_owned(),
                    copies => format!("{copies} times"),
                },
                planted.exposure,
                planted.exposure_max,
                planted.control,
                found.exposure_by_chance,
            ));
        }
    }
    let Some(found) = &report.poisoning else { return text };
    let header = ["poison", "rate", "rows", "held", "MASE poisoned", "MASE screened"];
    let rows = found.trials.iter().map(|trial| {
        vec![
            trial.kind.clone(),
            percent(Some(trial.rate)),
            percent(Some(trial.poisoned_share)),
            percent(trial.held_share),
            number(trial.poisoned_mase),
            number(trial.screened_mase),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    text.push_str(&format!(
        "{}the version's own MASE is {}\n",
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
        number(found.clean_mase),
    ));
    text
}

/// Shows the word that stands for something in JSON.
fn word<T: serde::Serialize>(value: &T) -> String {
    let text = serde_json::to_value(value).ok();
    let text = text.as_ref().and_then(serde_json::Value::as_str).unwrap_or("-");
    text.replace('-', " ")
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{:.1} %", 100.0 * value))
}
