//! Playbooks as CACAO 2.0 (OASIS, Security Playbooks), there and back.
//!
//! A step becomes an `action` step with a `manual` command: no command type of CACAO says "put the
//! backup into service", so whoever else runs the playbook shows the sentence to a person. What we
//! read back is in extensions (`extension-definition`), and so is what CACAO has no place for:
//! whether a step can be undone, and that it was planned before it is done.
//!
//! What a step is followed by, where the standard leaves it open (oasis-tcs/cacao issue 10):
//!
//! - `on_completion` alone: the next step, whatever became of this one.
//! - `on_success` and `on_failure`: the one or the other, by what became of it.
//! - `on_success` alone: nothing more but telling people, if it fails.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::playbook::is_uuid;
use super::{Action, OnFailure, Phase, Playbook, PlaybookError, PlaybookStep};
use crate::Severity;

/// Why a document of CACAO cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacaoError {
    /// It is not JSON.
    #[error("the playbook is not JSON")]
    Json {
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// It is no playbook of CACAO 2.0, or lacks something.
    #[error("the playbook's `{part}` must be {expected}")]
    Form {
        /// What.
        part: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A step is of a kind that is not run here.
    #[error("step {number} is not an action that this program knows")]
    Step {
        /// Which, from 1, in the order of the workflow.
        number: usize,
    },
    /// The workflow is not one step after the other.
    #[error("what follows step {number} is neither the next step nor telling people")]
    Branch {
        /// Which, from 1.
        number: usize,
    },
    /// A step says something that is not done here, or two things.
    #[error("`{part}` of step {number} is not something that this program does")]
    Unknown {
        /// What.
        part: &'static str,
        /// Which, from 1.
        number: usize,
    },
    /// What it says has no meaning here.
    #[error(transparent)]
    Playbook(#[from] PlaybookError),
}

impl CacaoError {
    /// The name of this error. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json { .. } => "cacao-json",
            Self::Form { .. } => "cacao-form",
            Self::Step { .. } => "cacao-step",
            Self::Branch { .. } => "cacao-branch",
            Self::Unknown { .. } => "cacao-unknown",
            Self::Playbook(error) => error.code(),
        }
    }
}

/// Writes a playbook as CACAO 2.0.
pub fn to_cacao(playbook: &Playbook) -> Value {
    let base = playbook.id.strip_prefix("playbook--").unwrap_or_default();
    let id = |kind: &str, number: usize| format!("{kind}--{}", numbered(base, number));
    let (start, end) = (id("start", 0), id("end", playbook.steps.len() + 1));
    let of_step = |index: usize| match playbook.steps.get(index) {
        Some(_) => id("action", index + 1),
        None => end.clone(),
    };
    let told = |after: usize| {
        let tells = |step: &PlaybookStep| step.action.phase() == Phase::Notify;
        let place = playbook.steps.iter().skip(after).position(tells);
        of_step(place.map_or(playbook.steps.len(), |place| after + place))
    };
    let mut workflow = Map::new();
    workflow.insert(start.clone(), json!({ "type": "start", "on_completion": of_step(0) }));
    for (index, step) in playbook.steps.iter().enumerate() {
        let mut written = json!({
            "type": "action",
            "name": step.action.name(),
            "description": step.action.expected(),
            "commands": [{ "type": "manual", "command": sentence(step) }],
            "agent": AGENT,
            "step_extensions": { EXTENSION: extension(step) },
        });
        let next = of_step(index + 1);
        match step.on_failure {
            OnFailure::Continue => written["on_completion"] = json!(next),
            OnFailure::Stop | OnFailure::Undo => {
                written["on_success"] = json!(next);
                written["on_failure"] = json!(told(index + 1));
            }
        }
        workflow.insert(of_step(index), written);
    }
    workflow.insert(end, json!({ "type": "end" }));
    json!({
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": playbook.id,
        "name": playbook.name,
        "description": playbook.description,
        "playbook_types": ["mitigation"],
        "created_by": AUTHOR,
        "created": playbook.created,
        "modified": playbook.modified,
        "revoked": false,
        "severity": percent(playbook.severity),
        "workflow_start": start,
        "workflow": workflow,
        "playbook_extensions": { EXTENSION: {
            "detectors": playbook.detectors,
            "severity": playbook.severity,
            "irreversible": playbook.irreversible,
        } },
        "agent_definitions": { AGENT: { "type": "organization", "name": "The keep" } },
        "extension_definitions": { EXTENSION: {
            "type": "extension-definition",
            "name": "twinkeep-containment",
            "description": "What a step does, to what, what follows if it fails, whether it can be \
                            undone, and that what is there before is kept with the intent.",
            "created_by": AUTHOR,
            "schema": "docs/formats/playbook.md",
            "version": "1",
        } },
    })
}

/// Reads a playbook out of CACAO 2.0.
pub fn from_cacao(text: &str) -> Result<Playbook, CacaoError> {
    let read: Value = serde_json::from_str(text).map_err(|source| CacaoError::Json { source })?;
    let is = |part: &'static str, expected: &'static str| match read[part] == expected {
        true => Ok(()),
        false => Err(CacaoError::Form { part, expected }),
    };
    is("type", "playbook")?;
    is("spec_version", "cacao-2.0")?;
    if !(read["revoked"].is_null() || read["revoked"] == false) {
        return Err(CacaoError::Form { part: "revoked", expected: "false" });
    }
    for (part, expected) in NOT_HONORED {
        if !read[part].is_null() {
            return Err(CacaoError::Form { part, expected });
        }
    }
    let text = |part: &'static str| {
        let text = read[part].as_str().map(str::to_owned);
        text.ok_or(CacaoError::Form { part, expected: "a text" })
    };
    let ours = &read["playbook_extensions"][EXTENSION];
    known(ours)?;
    let form = |part, expected| move |_| CacaoError::Form { part, expected };
    let playbook = Playbook {
        name: text("name")?,
        id: text("id")?,
        created: text("created")?,
        modified: text("modified")?,
        description: text("description")?,
        detectors: serde_json::from_value(ours["detectors"].clone())
            .map_err(form("detectors", "names of detectors, in the extension of this program"))?,
        severity: serde_json::from_value(ours["severity"].clone())
            .map_err(form("severity", "a name, in the extension of this program"))?,
        irreversible: ours["irreversible"] == true,
        steps: steps(&read)?,
    };
    playbook.check()?;
    Ok(playbook)
}

/// Refuses what our extension says of the whole playbook and is not known here, as in a step.
fn known(ours: &Value) -> Result<(), CacaoError> {
    let form = |expected| Err(CacaoError::Form { part: "playbook_extensions", expected });
    let every = |it: &Map<String, Value>| it.keys().all(|key| SAID.contains(&key.as_str()));
    if !ours.as_object().is_none_or(every) {
        return form("without a word that this program does not know in its own extension");
    }
    match ours["irreversible"].is_null() || ours["irreversible"].is_boolean() {
        true => Ok(()),
        false => form("with `irreversible` as true or false in the extension of this program"),
    }
}

/// Follows the workflow from its start to its end: one step after the other, each once.
fn steps(read: &Value) -> Result<Vec<PlaybookStep>, CacaoError> {
    let workflow = read["workflow"].as_object();
    let workflow = workflow.ok_or(CacaoError::Form { part: "workflow", expected: "an object" })?;
    let start = read["workflow_start"].as_str().and_then(|id| workflow.get(id));
    let start = start.filter(|start| start["type"] == "start");
    let expected = "the id of a start step";
    let start = start.ok_or(CacaoError::Form { part: "workflow_start", expected })?;
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    let mut next = start["on_completion"].as_str();
    loop {
        let number = order.len() + 1;
        let id = next.ok_or(CacaoError::Branch { number: order.len() })?;
        let step = workflow.get(id).filter(|_| seen.insert(id));
        let step = step.ok_or(CacaoError::Branch { number: order.len() })?;
        match step["type"].as_str() {
            Some("end") => break,
            Some("action") => {}
            _ => return Err(CacaoError::Step { number }),
        }
        whole(step, number)?;
        next = step["on_completion"].as_str().or_else(|| step["on_success"].as_str());
        order.push((id, step));
    }
    let mut steps = Vec::new();
    for (index, (_, step)) in order.iter().enumerate() {
        steps.push(step_of(step, index + 1)?);
    }
    for (index, (_, step)) in order.iter().enumerate() {
        let number = index + 1;
        let after = |place: usize| order.get(place).map(|it| it.0);
        let follows = follows(step, after(number), &steps, &order, number)?;
        ends(step, workflow, number)?;
        if let Some(read) = steps.get_mut(index) {
            read.on_failure = agreed(step, follows, number)?;
        }
    }
    Ok(steps)
}

/// Refuses what a step says that is not done here: to pass over it would be another playbook.
fn whole(step: &Value, number: usize) -> Result<(), CacaoError> {
    for part in ["delay", "timeout"] {
        if !(step[part].is_null() || step[part] == 0) {
            return Err(CacaoError::Unknown { part, number });
        }
    }
    for part in ["on_completion", "on_success", "on_failure"] {
        if !(step[part].is_null() || step[part].is_string()) {
            return Err(CacaoError::Branch { number });
        }
    }
    // What other programs would do, and to what.
    let commands = step["commands"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !matches!(commands, [one] if one["type"] == "manual") {
        return Err(CacaoError::Unknown { part: "commands", number });
    }
    if !step["targets"].is_null() {
        return Err(CacaoError::Unknown { part: "targets", number });
    }
    let ours = step["step_extensions"][EXTENSION].as_object();
    match ours.is_some_and(|it| it.keys().any(|key| !EXTENDED.contains(&key.as_str()))) {
        true => Err(CacaoError::Unknown { part: "step_extensions", number }),
        false => Ok(()),
    }
}

/// Refuses to go on after a failure at an end that is not there.
fn ends(step: &Value, workflow: &Map<String, Value>, number: usize) -> Result<(), CacaoError> {
    let there = |id: &str| workflow.contains_key(id);
    match step["on_failure"].as_str().is_none_or(there) {
        true => Ok(()),
        false => Err(CacaoError::Branch { number }),
    }
}

/// What follows a failure by the workflow, and by our extension, which may say besides that all is
/// undone first: CACAO has no word for that. They must not say two things.
fn agreed(step: &Value, follows: OnFailure, number: usize) -> Result<OnFailure, CacaoError> {
    let unknown = CacaoError::Unknown { part: "on_failure", number };
    let said = match &step["step_extensions"][EXTENSION]["on_failure"] {
        Value::Null => return Ok(follows),
        said => serde_json::from_value::<OnFailure>(said.clone()),
    };
    match said {
        Ok(OnFailure::Undo) if follows == OnFailure::Stop => Ok(OnFailure::Undo),
        Ok(said) if said == follows => Ok(follows),
        _ => Err(unknown),
    }
}

/// Returns what follows a step that fails.
fn follows(
    step: &Value,
    next: Option<&str>,
    steps: &[PlaybookStep],
    order: &[(&str, &Value)],
    number: usize,
) -> Result<OnFailure, CacaoError> {
    if step["on_completion"].is_string() {
        return match step["on_failure"].is_null() && step["on_success"].is_null() {
            true => Ok(OnFailure::Continue),
            false => Err(CacaoError::Branch { number }),
        };
    }
    let Some(failure) = step["on_failure"].as_str() else { return Ok(OnFailure::Stop) };
    let tells =
        |place: &usize| steps.get(*place).is_some_and(|step| step.action.phase() == Phase::Notify);
    let told = (number..steps.len()).find(tells).and_then(|place| order.get(place));
    match told {
        Some((id, _)) if *id == failure => Ok(OnFailure::Stop),
        None if failure.starts_with("end--") => Ok(OnFailure::Stop),
        _ if next == Some(failure) => Ok(OnFailure::Continue),
        _ => Err(CacaoError::Branch { number }),
    }
}

fn step_of(step: &Value, number: usize) -> Result<PlaybookStep, CacaoError> {
    let ours = &step["step_extensions"][EXTENSION];
    let action = ours["action"].as_str().and_then(Action::parse);
    Ok(PlaybookStep {
        action: action.ok_or(CacaoError::Step { number })?,
        on: match &ours["on"] {
            Value::Null => None,
            Value::String(on) => Some(on.clone()),
            // To pass over it would do it to something else.
            _ => return Err(CacaoError::Step { number }),
        },
        on_failure: OnFailure::default(),
    })
}

fn extension(step: &PlaybookStep) -> Value {
    let mut written = json!({
        "action": step.action,
        "reversible": step.action.reversible(),
        "on_failure": step.on_failure,
    });
    if let Some(on) = &step.on {
        written["on"] = json!(on);
    }
    written
}

/// What a person would do in the place of the program.
fn sentence(step: &PlaybookStep) -> String {
    let on = step.on.as_deref().unwrap_or("what the detection is about");
    match step.action.takes() {
        super::Takes::Keep => format!("{}: {}", step.action.name(), step.action.expected()),
        _ => format!("{} ({on}): {}", step.action.name(), step.action.expected()),
    }
}

/// Returns the UUID with a number added to its last group: the same playbook has the same steps.
fn numbered(uuid: &str, number: usize) -> String {
    let (head, tail) = uuid.rsplit_once('-').filter(|_| is_uuid(uuid)).unwrap_or((NO_UUID, "0"));
    let tail = u64::from_str_radix(tail, 16).unwrap_or_default();
    format!("{head}-{:012x}", tail.wrapping_add(number as u64) & 0xffff_ffff_ffff)
}

/// CACAO counts from 0, which is not known, to 100.
fn percent(severity: Severity) -> u32 {
    match severity {
        Severity::Informational => 10,
        Severity::Low => 30,
        Severity::Medium => 50,
        Severity::High => 70,
        Severity::Critical => 90,
    }
}

/// What would change what is done, and is not honored: refused rather than passed over.
const NOT_HONORED: [(&str, &str); 3] = [
    ("valid_from", "absent: what is imported holds at once"),
    (
        "valid_until",
        "absent: what is imported holds until it is replaced, also when it has expired",
    ),
    ("workflow_exception", "absent: what follows a failure is said at each step"),
];

/// What our extension says of a playbook.
const SAID: [&str; 3] = ["detectors", "severity", "irreversible"];

/// What our extension says of a step.
const EXTENDED: [&str; 4] = ["action", "on", "on_failure", "reversible"];

/// Names our extension; never changes.
const EXTENSION: &str = "extension-definition--6f1c0d52-83be-4a97-b2e4-5d90c7f8a136";

/// Names whoever made the shipped playbooks.
const AUTHOR: &str = "identity--b07e4f19-2c65-4d38-9fa1-83d6e5c0b724";

/// Names the keep that does the steps.
const AGENT: &str = "organization--4a92e6b7-f0d3-4c15-8e7b-19c5a8f2d360";

const NO_UUID: &str = "00000000-0000-4000-8000";
