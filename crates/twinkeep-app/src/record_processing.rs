//! Use case: write the record of processing activities (GDPR, article 30(1)) from the configuration,
//! the pack, and what the rules of the posture see.
//!
//! Nothing about one person is in it, and no name of a client: recipients are told by category.

use std::collections::BTreeSet;

use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_posture::baseline::Baseline;
use twinkeep_posture::facts::FactFile;
use twinkeep_posture::record::{Missing, Part, RECORD_FORMAT, Record};
use twinkeep_posture::rules::find;
use twinkeep_posture::{Outcome, Profile, judge};
use twinkeep_vault::digest::{sha256, to_hex};

use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, PostureRequest, ProcessingConfig, keep_facts, list_api_keys};

/// Writes the record as of now, and into the ledger that it was written, with its digest.
pub fn record_processing(
    app: &App,
    caller: &Caller,
    request: PostureRequest<'_>,
) -> Result<Record, AppError> {
    let config = &app.settings().processing;
    let parts = vec![
        controller(config),
        purposes(app, config),
        categories(app, config),
        recipients(app, config)?,
        Part::new("30(1)(e)", "Transfers to third countries").configured(
            Missing {
                what: "transfers and their safeguards, or `none`",
                key: "processing.transfers",
            },
            config.transfers.iter().cloned(),
        ),
        retention(config),
        measures(app, caller, request)?,
    ];
    let title = app.pack.title().to_owned();
    let record = Record { format: RECORD_FORMAT, title, made: rfc3339(app.now()), parts };
    let text = record
        .json()
        .map_err(|error| AppError::environment("json", "cannot write the record").because(error))?;
    let entry = app
        .entry(caller, EventClass::EntityManagement, Activity::Read, "processing.recorded")
        .with("missing", record.missing().count() as i64)
        .with("record_sha256", to_hex(&sha256(text.as_bytes())).as_str());
    app.record(&entry)?;
    Ok(record)
}

fn controller(config: &ProcessingConfig) -> Part {
    let one = |text: &Option<String>| text.clone().into_iter();
    let missing = |what, key| Missing { what, key };
    Part::new("30(1)(a)", "Controller, representative, and data protection officer")
        .configured(
            missing("the name and address of the controller", "processing.controller"),
            one(&config.controller),
        )
        .configured(
            missing("how the controller is reached", "processing.contact"),
            one(&config.contact),
        )
        .configured(
            missing("the joint controller, or `none`", "processing.joint_controller"),
            one(&config.joint_controller),
        )
        .configured(
            missing("the representative, or `none`", "processing.representative"),
            one(&config.representative),
        )
        .configured(
            missing("the data protection officer, or `none`", "processing.data_protection_officer"),
            one(&config.data_protection_officer),
        )
}

fn purposes(app: &App, config: &ProcessingConfig) -> Part {
    let hours = app.pack.forecast().horizon_hours;
    let told = config.purposes.iter().map(|(purpose, basis)| format!("{purpose}: {basis}"));
    let part = Part::new("30(1)(b)", "Purposes of the processing")
        .says(format!("forecasts up to {hours} hours ahead, of one person at a time"), "the pack")
        .configured(
            Missing { what: "the purposes, each with its legal basis", key: "processing.purposes" },
            told,
        );
    match app.settings().consent.required {
        true => part
            .says("nobody is asked about before a basis is recorded for them", "consent.required"),
        false => part,
    }
}

fn categories(app: &App, config: &ProcessingConfig) -> Part {
    let variables = app.pack.variables();
    let titles = variables.iter().map(|it| it.title.clone());
    let part = Part::new("30(1)(c)", "Categories of persons and of personal data")
        .says(app.pack.words().subjects.clone(), "the pack")
        .configured(
            Missing {
                what: "which of them (age, ward, employees who ask)",
                key: "processing.persons",
            },
            config.persons.iter().cloned(),
        )
        .lists(format!("{} variables over time", variables.len()), titles, "the pack");
    match app.pack.notes() {
        Some(_) => part.says("notes that people wrote", "the pack"),
        None => part,
    }
}

fn recipients(app: &App, config: &ProcessingConfig) -> Result<Part, AppError> {
    let settings = app.settings();
    let keys = list_api_keys(app)?;
    let used: Vec<_> = keys.iter().filter(|key| key.revoked.is_none()).collect();
    let roles: BTreeSet<&str> =
        used.iter().flat_map(|key| &key.roles).map(String::as_str).collect();
    let mut part = Part::new("30(1)(d)", "Categories of recipients");
    if !used.is_empty() {
        let roles: Vec<&str> = roles.into_iter().collect();
        let of = if roles.is_empty() {
            String::new()
        } else {
            format!(", with the roles {}", roles.join(", "))
        };
        part = part.says(format!("{} clients with an API key{of}", used.len()), "token list");
    }
    for issuer in &settings.issuers {
        let text = format!("whoever the issuer {} vouches for", issuer.name);
        part = part.says(text, "issuer");
    }
    for authority in &settings.client_cas {
        let text = format!("whoever has a certificate of {}", authority.name);
        part = part.says(text, "client_ca");
    }
    for upstream in &settings.upstreams {
        let text = format!("the model server {} behind the gate", upstream.name);
        part = part.says(text, "upstream");
    }
    for alert in &settings.alerts {
        let text = format!(
            "{} ({}): what went wrong, without anything about a person",
            alert.name,
            alert.kind.word()
        );
        part = part.says(text, "alert");
    }
    Ok(part.configured(
        Missing {
            what: "the categories of recipients, or `none` besides these",
            key: "processing.recipients",
        },
        config.recipients.iter().cloned(),
    ))
}

fn retention(config: &ProcessingConfig) -> Part {
    Part::new("30(1)(f)", "Time limits for erasure")
        .configured(
            Missing { what: "when which data are erased", key: "processing.retention" },
            config.retention.clone(),
        )
        .says("a person is erased when asked for; copies open nowhere afterwards", "subject erase")
}

/// The rules that are evidence for article 32, as they stand now.
fn measures(app: &App, caller: &Caller, request: PostureRequest<'_>) -> Result<Part, AppError> {
    let facts = keep_facts(app, caller, request)?;
    let file = FactFile::new(app.now().micros(), vec![facts.into()]);
    let report = judge(&file, Some(Profile::Gdpr), &Baseline::default());
    let failed: BTreeSet<&str> = report
        .findings
        .iter()
        .filter(|it| matches!(it.outcome, Outcome::Fail { .. }))
        .map(|it| it.rule.as_str())
        .collect();
    let passed: BTreeSet<&str> = report
        .findings
        .iter()
        .filter(|it| it.outcome == Outcome::Pass)
        .map(|it| it.rule.as_str())
        .collect();
    let article = report.requirements.iter().filter(|it| it.id.starts_with("gdpr-32"));
    let rules: BTreeSet<&str> =
        article.flat_map(|it| &it.evidence).map(|it| it.rule.as_str()).collect();
    let mut part = Part::new("30(1)(g)", "Technical and organizational measures of security");
    for rule in rules.into_iter().filter_map(find) {
        if failed.contains(rule.id) {
            part = part.says(format!("does not hold now: {}", rule.title), rule.id);
        } else if passed.contains(rule.id) {
            part = part.says(rule.title, rule.id);
        }
    }
    let config = &app.settings().processing;
    Ok(part.configured(
        Missing {
            what: "measures that no program sees (training, doors, contracts)",
            key: "processing.measures",
        },
        config.measures.iter().cloned(),
    ))
}
