//! What is signed together with a version about where it comes from: its provenance and its bill of
//! materials.
//!
//! Neither depends on the clock or names anybody: digests, counts, and configuration only.

use serde_json::{Value, json};
use twinkeep_domain::{Pack, VariableKind};
use twinkeep_forecast::Evaluation;

/// What both documents are made from.
pub(crate) struct Origin<'a> {
    /// The domain.
    pub(crate) pack: &'a Pack,
    /// The training record.
    pub(crate) record: &'a Value,
    /// How good the model is.
    pub(crate) evaluation: &'a Evaluation,
    /// The commit of the program, and whether it was signed; `None` if it was built without.
    pub(crate) commit: Option<&'a str>,
}

/// Returns the provenance: an in-toto statement with SLSA's predicate, version 1
/// (<https://slsa.dev/spec/v1.0/provenance>).
pub(crate) fn provenance(origin: &Origin<'_>) -> Value {
    let record = origin.record;
    let digest =
        |name: &str, sha256: &Value| json!({ "name": name, "digest": { "sha256": sha256 } });
    let mut materials = vec![
        digest("pack.toml", &record["pack_sha256"]),
        digest("events of the train and tuning splits", &record["data_sha256"]),
    ];
    let shards = record["shards_sha256"].as_array().into_iter().flatten();
    materials.extend(shards.map(|sha256| digest("event shard", sha256)));
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": "weights, before encryption",
            "digest": { "sha256": record["weights_sha256"] },
        }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://twinkeep.local/train/v1",
                "externalParameters": {
                    "configuration": record["configuration"],
                    "splits": record["splits"],
                    "pack": record["pack"],
                },
                "internalParameters": { "subjects": record["subjects"] },
                "resolvedDependencies": materials,
            },
            "runDetails": {
                "builder": {
                    "id": "https://twinkeep.local/program",
                    "version": { "twinkeep": record["program"]["version"] },
                    "builderDependencies": [{
                        "name": "twinkeep",
                        "digest": { "sha256": record["program"]["sha256"] },
                        "annotations": { "commit": origin.commit },
                    }],
                },
            },
        },
    })
}

/// Returns the bill of materials: CycloneDX 1.6 (<https://cyclonedx.org/docs/1.6/json/>).
pub(crate) fn bill_of_materials(origin: &Origin<'_>) -> Value {
    let (pack, record, evaluation) = (origin.pack, origin.record, origin.evaluation);
    let hashes = |sha256: &Value| match sha256.as_str() {
        Some(content) => json!([{ "alg": "SHA-256", "content": content }]),
        None => json!([]),
    };
    let data = json!({
        "type": "data",
        "bom-ref": "data",
        "name": "events of the train and tuning splits",
        "hashes": hashes(&record["data_sha256"]),
        "data": [{ "type": "dataset", "classification": "restricted, about persons" }],
    });
    let program = json!({
        "type": "application",
        "bom-ref": "program",
        "name": "twinkeep",
        "version": record["program"]["version"],
        "hashes": hashes(&record["program"]["sha256"]),
    });
    let pack_file = json!({
        "type": "file",
        "bom-ref": "pack",
        "name": "pack.toml",
        "version": record["pack"],
        "hashes": hashes(&record["pack_sha256"]),
    });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "machine-learning-model",
                "bom-ref": "model",
                "name": format!("twinkeep {}", pack.name()),
                "version": record["weights_sha256"].as_str().map(|it| &it[..12.min(it.len())]),
                "hashes": hashes(&record["weights_sha256"]),
                "modelCard": model_card(pack, evaluation),
            },
        },
        "components": [data, program, pack_file],
        "dependencies": [
            { "ref": "model", "dependsOn": ["data", "pack", "program"] },
            { "ref": "data" }, { "ref": "pack" }, { "ref": "program" },
        ],
    })
}

fn model_card(pack: &Pack, evaluation: &Evaluation) -> Value {
    let inputs = pack.variables().iter().map(|variable| {
        let kind = if variable.kind == VariableKind::Static { "static" } else { "time series" };
        json!({ "format": format!("{} ({kind})", variable.code.as_str()) })
    });
    let outputs = pack.targets().map(|(_, variable)| variable.code.as_str());
    let outputs = outputs.chain(pack.windows().iter().map(|window| window.code.as_str()));
    let metric = |kind: &str, slice: Option<String>, value: Option<f64>| {
        let mut metric = json!({ "type": kind, "value": value?.to_string() });
        if let Some(slice) = slice {
            metric["slice"] = json!(slice);
        }
        Some(metric)
    };
    let mut metrics = vec![
        metric("median MASE", None, evaluation.mase_median),
        metric("coverage of 90 % intervals", None, evaluation.coverage_90_mean),
    ];
    for one in &evaluation.subgroups {
        let slice = || Some(format!("{} {}", one.by, one.group));
        metrics.push(metric("median MASE", slice(), one.mase_median));
        metrics.push(metric("coverage of 90 % intervals", slice(), one.coverage_90_mean));
    }
    json!({
        "modelParameters": {
            "approach": { "type": "supervised" },
            "task": "forecasting",
            "architectureFamily": "gradient boosted decision trees",
            "modelArchitecture": "vector-leaf histogram trees with split conformal calibration",
            "datasets": [{ "ref": "data" }],
            "inputs": inputs.collect::<Vec<_>>(),
            "outputs": outputs.map(|code| json!({ "format": code })).collect::<Vec<_>>(),
        },
        "quantitativeAnalysis": {
            "performanceMetrics": metrics.into_iter().flatten().collect::<Vec<_>>(),
        },
        "considerations": {
            "useCases": ["research and planning support by people who know the domain"],
            "technicalLimitations": [
                "measured on held-out people of the same sources; other sources may differ",
                "associational: it says what follows, not what causes",
                "intervals are calibrated over people, not for each person",
            ],
            "performanceTradeoffs": ["rare targets have wide and less certain intervals"],
        },
    })
}
