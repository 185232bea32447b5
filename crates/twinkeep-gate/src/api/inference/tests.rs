//! Requests for inference, right and wrong.

use serde_json::{Value, json};

use super::tensors::InferWire;
use crate::json;

fn wire() -> Value {
    json!({
        "id": "42",
        "inputs": [
            {"name": "time", "shape": [2], "datatype": "FP64", "data": [0, 1.5]},
            {"name": "code", "shape": [2], "datatype": "BYTES", "data": ["HR", "HR"]},
            {"name": "value", "shape": [2], "datatype": "FP32", "data": [80, 82.5],
             "parameters": {"binary_data": false}},
        ],
    })
}

fn read(wire: &Value) -> Result<twinkeep_app::PredictRequest, &'static str> {
    let wire = json::parse::<InferWire>(wire.to_string().as_bytes());
    wire.and_then(InferWire::into_request).map_err(|refusal| refusal.code)
}

#[test]
fn columns_become_a_history() {
    let request = read(&wire()).unwrap();
    assert_eq!((request.events.len(), request.events[1].value), (2, Some(82.5)));
    assert!(request.prediction_time.is_none());
    let mut wishes = wire();
    wishes["parameters"] = json!({"binary_data_output": true});
    wishes["outputs"] = json!([{"name": "mean", "parameters": {"binary_data": true}}]);
    assert!(read(&wishes).is_ok());
    let mut more = wire();
    let inputs = more["inputs"].as_array_mut().unwrap();
    inputs.push(json!({"name": "prediction_time", "shape": [1], "datatype": "FP64", "data": [2]}));
    inputs
        .push(json!({"name": "horizons_hours", "shape": [2], "datatype": "FP32", "data": [6, 12]}));
    let request = read(&more).unwrap();
    assert_eq!(request.horizons_hours, [6.0, 12.0]);
    assert!(request.prediction_time.is_some());
    let mut absolute = wire();
    absolute["inputs"][0] = json!({"name": "time", "shape": [2], "datatype": "BYTES",
        "data": ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"]});
    assert!(read(&absolute).unwrap().events[1].time.is_some());
}

#[test]
fn tensors_that_do_not_fit_are_refused_by_what_is_wrong() {
    let cases: &[(&str, Value, &str)] = &[
        ("/inputs/0/shape", json!([3]), "tensor-shape"),
        ("/inputs/0/shape", json!([1, 2]), "tensor-shape"),
        ("/inputs/0/shape", json!([]), "tensor-shape"),
        ("/inputs/0/shape", json!([-1]), "json-shape"),
        ("/inputs/0/shape", json!([18_446_744_073_709_551_615_u64]), "tensor-shape"),
        ("/inputs/0/datatype", json!("INT64"), "tensor-type"),
        ("/inputs/0/datatype", json!("BYTES"), "tensor-type"),
        ("/inputs/0/data", json!([0, "1"]), "tensor-type"),
        ("/inputs/0/data", json!([0, 1e300]), "tensor-type"),
        ("/inputs/0/name", json!("times"), "tensor-unknown"),
        ("/inputs/0/name", json!("code"), "tensor-unknown"),
        ("/inputs/1/data", json!(["HR", 1]), "tensor-type"),
        ("/inputs/1/datatype", json!("FP32"), "tensor-type"),
        ("/inputs/2/data", json!([1, null]), "tensor-type"),
        ("/inputs/2/data", json!([1, [2]]), "tensor-type"),
        ("/inputs/2/parameters/binary_data", json!(true), "tensor-extension"),
        ("/inputs/2/extra", json!(1), "json-shape"),
        ("/parameters", json!({"sequence_id": 1}), "tensor-extension"),
        ("/inputs", json!([]), "tensor-missing"),
        ("/inputs", json!({}), "json-shape"),
    ];
    for (path, value, code) in cases {
        let mut wrong = wire();
        match wrong.pointer_mut(path) {
            Some(place) => *place = value.clone(),
            None => {
                let (parent, name) = path.rsplit_once('/').unwrap();
                wrong.pointer_mut(parent).unwrap()[name] = value.clone();
            }
        }
        assert_eq!(read(&wrong).err(), Some(*code), "{path} {value}");
    }
    let mut shorter = wire();
    shorter["inputs"][2] = json!({"name": "value", "shape": [1], "datatype": "FP32", "data": [1]});
    assert_eq!(read(&shorter).err(), Some("tensor-shape"));
}
