//! Tensors in JSON: a history out of columns, and a forecast into arrays.

use serde::Deserialize;
use serde_json::{Value, json};
use twinkeep_app::{ForecastAnswer, HistoryEvent, PredictRequest, TargetAnswer, json_number};
use twinkeep_domain::limits;

use crate::api::time::{TimeWire, same_kind};
use crate::refusal::Refusal;

/// The body of a request for inference.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InferWire {
    pub(super) id: Option<String>,
    #[serde(default)]
    parameters: serde_json::Map<String, Value>,
    inputs: Vec<InputWire>,
    #[serde(default)]
    outputs: Vec<OutputWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputWire {
    name: String,
    shape: Vec<u64>,
    datatype: String,
    #[serde(default)]
    parameters: serde_json::Map<String, Value>,
    data: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputWire {
    name: String,
    #[serde(default)]
    parameters: serde_json::Map<String, Value>,
}

/// What a tensor is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bytes,
    Fp32,
    Fp64,
}

impl Kind {
    /// Returns the name in the protocol.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bytes => "BYTES",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
        }
    }
}

/// The inputs: `-1` is any length, the same for the first three. Times are hours, or, as `BYTES`,
/// RFC 3339; what holds at all times may have any.
pub(super) const INPUTS: &[(&str, Kind, &[i64])] = &[
    ("time", Kind::Fp64, &[-1]),
    ("code", Kind::Bytes, &[-1]),
    ("value", Kind::Fp32, &[-1]),
    ("prediction_time", Kind::Fp64, &[1]),
    ("horizons_hours", Kind::Fp32, &[-1]),
];

/// The outputs: targets about a value by horizon, and those about a window.
pub(super) const OUTPUTS: &[(&str, Kind, &[i64])] = &[
    ("target", Kind::Bytes, &[-1]),
    ("horizon_hours", Kind::Fp32, &[-1]),
    ("mean", Kind::Fp32, &[-1, -1]),
    ("median", Kind::Fp32, &[-1, -1]),
    ("q05", Kind::Fp32, &[-1, -1]),
    ("q25", Kind::Fp32, &[-1, -1]),
    ("q75", Kind::Fp32, &[-1, -1]),
    ("q95", Kind::Fp32, &[-1, -1]),
    ("window", Kind::Bytes, &[-1]),
    ("window_hours", Kind::Fp32, &[-1]),
    ("window_mean", Kind::Fp32, &[-1]),
];

impl InferWire {
    /// Returns the outputs that are asked for; all, if there are none.
    pub(super) fn wanted(&self) -> Vec<String> {
        self.outputs.iter().map(|output| output.name.clone()).collect()
    }

    /// Reads the history.
    pub(super) fn into_request(self) -> Result<PredictRequest, Refusal> {
        // A client may wish for binary answers, and reads those in JSON as well; what it sends must
        // be in JSON.
        let extended = |parameters: &serde_json::Map<String, Value>, wish: &str| {
            let known = |(name, value): (&String, &Value)| match name.as_str() {
                "binary_data" => *value == Value::Bool(false) || wish == name && value.is_boolean(),
                name => name == wish && value.is_boolean(),
            };
            !parameters.iter().all(known)
        };
        if extended(&self.parameters, "binary_data_output")
            || self.inputs.iter().any(|input| extended(&input.parameters, ""))
            || self.outputs.iter().any(|output| extended(&output.parameters, "binary_data"))
        {
            let message = "`parameters` asks for an extension that this server does not have";
            return Err(Refusal::unprocessable("tensor-extension", message));
        }
        let mut inputs = self.inputs;
        let mut take = |name: &str| take(&mut inputs, name);
        let (time, code, value) = (take("time")?, take("code")?, take("value")?);
        let (prediction, horizons) = (take("prediction_time")?, take("horizons_hours")?);
        if !inputs.is_empty() {
            let message = "`inputs` has a tensor twice, or one that the model does not take";
            return Err(Refusal::unprocessable("tensor-unknown", message));
        }
        let code = texts(code.ok_or_else(|| missing("code"))?)?;
        let time = times(time.ok_or_else(|| missing("time"))?)?;
        let value = numbers(value.ok_or_else(|| missing("value"))?)?;
        if code.len() != time.len() || code.len() != value.len() {
            let message = "`time`, `code`, and `value` have different lengths";
            return Err(Refusal::unprocessable("tensor-shape", message));
        }
        if limits::REQUEST_EVENT_COUNT_MAX < code.len() {
            let message = format!("at most {} events", limits::REQUEST_EVENT_COUNT_MAX);
            return Err(Refusal::unprocessable("history-too-long", &message));
        }
        let prediction = prediction.map(times).transpose()?.unwrap_or_default();
        if 1 < prediction.len() {
            return Err(Refusal::unprocessable(
                "tensor-shape",
                "`prediction_time` has the shape [1]",
            ));
        }
        same_kind(time.iter().copied().chain(prediction.iter().copied()))?;
        let rows = code.into_iter().zip(time).zip(value);
        let events = rows.map(|((code, time), value)| HistoryEvent {
            time: Some(time.timestamp()),
            code,
            value: Some(value),
        });
        Ok(PredictRequest {
            events: events.collect(),
            prediction_time: prediction.first().map(|time| time.timestamp()),
            horizons_hours: horizons.map(numbers).transpose()?.unwrap_or_default(),
            receipt: false,
        })
    }
}

/// Takes a tensor out, if it is there, flat and of the length that it says.
fn take(inputs: &mut Vec<InputWire>, name: &str) -> Result<Option<InputWire>, Refusal> {
    let Some(at) = inputs.iter().position(|input| input.name == name) else { return Ok(None) };
    let input = inputs.remove(at);
    if input.shape != [input.data.len() as u64] {
        let message = "a tensor has another shape than its data, or more than one dimension";
        return Err(Refusal::unprocessable("tensor-shape", message));
    }
    Ok(Some(input))
}

fn missing(name: &str) -> Refusal {
    Refusal::unprocessable("tensor-missing", &format!("`inputs` lacks the tensor `{name}`"))
}

fn mistyped() -> Refusal {
    let message = "a tensor has another datatype than the model takes, or data of another type";
    Refusal::unprocessable("tensor-type", message)
}

fn texts(input: InputWire) -> Result<Vec<String>, Refusal> {
    if input.datatype != Kind::Bytes.name() {
        return Err(mistyped());
    }
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        _ => Err(mistyped()),
    };
    input.data.into_iter().map(text).collect()
}

fn numbers(input: InputWire) -> Result<Vec<f32>, Refusal> {
    if ![Kind::Fp32.name(), Kind::Fp64.name()].contains(&input.datatype.as_str()) {
        return Err(mistyped());
    }
    input.data.iter().map(|value| Ok(value.as_f64().ok_or_else(mistyped)? as f32)).collect()
}

fn times(input: InputWire) -> Result<Vec<TimeWire>, Refusal> {
    let text = input.datatype == Kind::Bytes.name();
    if !text && ![Kind::Fp32.name(), Kind::Fp64.name()].contains(&input.datatype.as_str()) {
        return Err(mistyped());
    }
    let read = |value: Value| match value.is_string() == text {
        true => TimeWire::deserialize(value).map_err(|_| mistyped()),
        false => Err(mistyped()),
    };
    input.data.into_iter().map(read).collect()
}

/// Writes a forecast; targets of which there is none are left out, and so are quantiles that the
/// caller may not have.
pub(super) fn outputs(given: &ForecastAnswer) -> Vec<Value> {
    let forecast = |target: &&TargetAnswer| target.kind == "value" && !target.points.is_empty();
    let values: Vec<&TargetAnswer> = given.targets.iter().filter(forecast).collect();
    let horizons: Vec<Value> = values
        .first()
        .map(|target| target.points.iter().map(|point| json_number(point.horizon_hours)).collect())
        .unwrap_or_default();
    let shape = [values.len(), horizons.len()];
    let mut told = vec![
        tensor("target", &[values.len()], values.iter().map(|it| it.code.clone().into()).collect()),
        tensor("horizon_hours", &[horizons.len()], horizons),
    ];
    let points = || values.iter().flat_map(|target| &target.points);
    let full = |name, column: Vec<f32>| {
        (column.len() == shape[0] * shape[1])
            .then(|| tensor(name, &shape, column.into_iter().map(json_number).collect()))
    };
    told.extend(full("mean", points().map(|point| point.mean).collect()));
    told.extend(full("median", points().map(|point| point.q50).collect()));
    told.extend(full("q05", points().filter_map(|point| point.q05).collect()));
    told.extend(full("q25", points().filter_map(|point| point.q25).collect()));
    told.extend(full("q75", points().filter_map(|point| point.q75).collect()));
    told.extend(full("q95", points().filter_map(|point| point.q95).collect()));
    told.extend(windows(given));
    told
}

/// Of a sum or a count its mean, of an event its probability, by the end of the window.
fn windows(given: &ForecastAnswer) -> Vec<Value> {
    let mut columns: [Vec<Value>; 3] = Default::default();
    for target in given.targets.iter().filter(|target| target.kind != "value") {
        let total = target.points.last().map(|point| (point.horizon_hours, point.mean));
        let event = target.probabilities.last();
        let event = event.map(|point| (point.horizon_hours, point.probability));
        if let Some((hours, value)) = total.or(event) {
            let [codes, windows, means] = &mut columns;
            codes.push(target.code.clone().into());
            windows.push(json_number(hours));
            means.push(json_number(value));
        }
    }
    if columns[0].is_empty() {
        return Vec::new();
    }
    let names = ["window", "window_hours", "window_mean"];
    let tensors = names.iter().zip(columns);
    tensors.map(|(name, column)| tensor(name, &[column.len()], column)).collect()
}

fn tensor(name: &str, shape: &[usize], data: Vec<Value>) -> Value {
    let known = OUTPUTS.iter().find(|(known, ..)| *known == name);
    let kind = known.map_or(Kind::Fp32, |&(_, kind, _)| kind);
    json!({ "name": name, "datatype": kind.name(), "shape": shape, "data": data })
}
