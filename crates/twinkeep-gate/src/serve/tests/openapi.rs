//! The committed description against the routes that exist and the answers that they give.

use serde_json::Value;

use super::{Answer, Served, TestKeep, api, settings};
use crate::api::openapi::DOCUMENT;
use crate::guard::Access;
use crate::routes::API;

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

/// Checks `value` against a schema: the part of JSON Schema that the document uses.
pub(super) fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        let found = &document["components"]["schemas"][name];
        assert!(found.is_object(), "no schema {name}");
        return check(document, found, value, at);
    }
    let kind_right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        // Whatever has no one type says so.
        None if schema["type"].is_array() => true,
        Some("integer") => value.is_u64() || value.is_i64(),
        other => panic!("{at}: the checker does not know {other:?}"),
    };
    assert!(kind_right, "{at}: {value} is not {}", schema["type"]);
    if let Some(known) = schema["enum"].as_array() {
        assert!(known.contains(value), "{at}: {value}");
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{at}[{index}]"));
    }
    let Some(fields) = value.as_object() else { return };
    if let Some(properties) = schema["properties"].as_object() {
        for (name, field) in fields {
            assert!(properties.contains_key(name), "{at}: {name} is not described");
            check(document, &properties[name], field, &format!("{at}.{name}"));
        }
        for name in schema["required"].as_array().unwrap() {
            assert!(fields.contains_key(name.as_str().unwrap()), "{at}: {name} is missing");
        }
    }
}

#[test]
fn the_document_describes_exactly_the_routes_and_who_may_use_them() {
    let document = document();
    let mut described: Vec<(String, String, bool)> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let secured = !operation["security"].as_array().unwrap().is_empty();
            described.push((path.clone(), method.clone(), secured));
        }
    }
    let mut real: Vec<_> = API
        .iter()
        .map(|route| {
            (
                route.path.replace("{*", "{"),
                route.method.to_owned(),
                matches!(route.access, Access::Key(_)),
            )
        })
        .collect();
    described.sort();
    real.sort();
    assert_eq!(described, real);
}

/// What is asked about a twin, and which description it is answered by.
const OF_A_TWIN: &[(&str, &str)] = &[
    ("/api/v1/twins/{id}", ""),
    ("/api/v1/twins/{id}", "?at_hours=24"),
    ("/api/v1/twins/{id}/forecast", "/forecast"),
    ("/api/v1/twins/{id}/forecast", "/forecast?at_hours=24"),
    ("/api/v1/twins/{id}/forecast", "/forecast?receipt=true"),
    ("/api/v1/twins/{id}/trajectories", "/trajectories?show=2&paths=50&when=HR%3C80"),
    ("/api/v1/twins/{id}/what-if", "/what-if?set=Temp%3D37&at_hours=24"),
    ("/api/v1/twins/{id}/similar", "/similar?at_hours=24"),
    ("/api/v1/twins/{id}/drivers", "/drivers?target=HR&at_hours=24"),
    ("/api/v1/twins/{id}/drivers", "/drivers?target=HR&receipt=true"),
    ("/api/v1/twins/{id}/history", "/history?limit=5"),
];

#[tokio::test]
async fn real_answers_are_as_described() {
    let served = Served::open(TestKeep::shared(), settings());
    let document = document();
    let list = served.get("/api/v1/twins?limit=2").await;
    let subject = list.json()["twins"][0]["subject"].as_str().unwrap().to_owned();
    let of = format!("/api/v1/twins/{subject}");
    for (path, asked) in OF_A_TWIN {
        as_described(&document, path, "get", &served.get(&format!("{of}{asked}")).await);
    }
    let models = served.get("/api/v1/models").await;
    let version = models.json()["models"][0]["version"].as_str().unwrap().to_owned();
    let model = served.get(&format!("/api/v1/models/{version}")).await;
    assert_eq!((model.status, &model.json()["version"]), (200, &Value::from(version)));
    let answers = [
        ("/api/v1/models", "get", models),
        ("/api/v1/models/{version}", "get", model),
        ("/api/v1/models/{version}", "get", served.get("/api/v1/models/none").await),
        ("/api/v1/twins", "get", list),
        ("/api/v1/feeds", "get", served.get("/api/v1/feeds").await),
        ("/api/v1/feeds/{id}", "get", served.get("/api/v1/feeds/feed-1").await),
        ("/api/v1/feeds/{id}", "get", served.get("/api/v1/feeds/feed-9").await),
        (
            "/api/v1/subjects/{id}/export",
            "get",
            served.get(&format!("/api/v1/subjects/{subject}/export")).await,
        ),
        ("/api/v1/changes", "get", served.get("/api/v1/changes?after=x").await),
        ("/predict", "post", served.predict(&api::history(24).to_string()).await),
        ("/healthz", "get", served.get("/healthz").await),
        ("/readyz", "get", served.get("/readyz").await),
        ("/openapi.json", "get", served.get("/openapi.json").await),
        ("/api/v1/twins", "get", served.send("GET", "/api/v1/twins", "", "").await),
        ("/predict", "post", served.predict("{").await),
        ("/predict", "post", served.predict("{}").await),
        ("/api/v1/twins/{id}", "get", served.get("/api/v1/twins/nobody").await),
        ("/api/v1/twins", "get", served.get("/api/v1/twins?limit=x").await),
    ];
    for (path, method, answer) in &answers {
        as_described(&document, path, method, answer);
    }
}

#[tokio::test]
async fn answers_in_the_languages_of_others_are_as_described() {
    let served = Served::open(TestKeep::shared(), settings());
    let document = document();
    let list = served.get("/api/v1/twins?limit=1").await.json();
    let subject = list["twins"][0]["subject"].as_str().unwrap().to_owned();
    let pack = TestKeep::shared().app.pack().name().to_owned();
    let history = api::history(24).to_string();
    let answers = [
        ("/v2", "get", served.get("/v2").await),
        ("/v2/health/live", "get", served.get("/v2/health/live").await),
        ("/v2/health/ready", "get", served.get("/v2/health/ready").await),
        ("/v2/models/{name}", "get", served.get(&format!("/v2/models/{pack}")).await),
        ("/v2/models/{name}", "get", served.get("/v2/models/none").await),
        ("/v2/models/{name}/ready", "get", served.get(&format!("/v2/models/{pack}/ready")).await),
        (
            "/v2/models/{name}/infer",
            "post",
            served.post(&format!("/v2/models/{pack}/infer"), &tensors().to_string(), "").await,
        ),
        ("/v2/models/{name}/infer", "post", served.post("/v2/models/none/infer", "{}", "").await),
        ("/cds-services", "get", served.get("/cds-services").await),
        ("/cds-services/{id}", "post", served.post(CDS, &hook(&subject), "").await),
        ("/cds-services/{id}", "post", served.post(CDS, &hook("nobody"), "").await),
        ("/cds-services/{id}", "post", served.post("/cds-services/x", &hook(""), "").await),
        ("/cds-services/{id}", "post", served.post(CDS, "{}", "").await),
        ("/api/v1/predict", "post", served.post("/api/v1/predict", &history, FHIR).await),
    ];
    for (path, method, answer) in &answers {
        as_described(&document, path, method, answer);
    }
}

const CDS: &str = "/cds-services/twinkeep-forecast";

const FHIR: &str = "Accept: application/fhir+json\r\n";

fn hook(patient: &str) -> String {
    let context = serde_json::json!({ "patientId": patient, "userId": "Practitioner/1" });
    serde_json::json!({
        "hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context, "fhirServer": "https://ehr.example/fhir",
    })
    .to_string()
}

fn tensors() -> Value {
    let hours: Vec<u32> = (0..24).collect();
    let tensor = |name: &str, kind: &str, data: Value| serde_json::json!({ "name": name, "datatype": kind, "shape": [24], "data": data });
    serde_json::json!({ "id": "7", "inputs": [
        tensor("time", "FP64", hours.clone().into()),
        tensor("code", "BYTES", vec!["HR"; 24].into()),
        tensor("value", "FP32", hours.iter().map(|hour| 80 + hour % 5).collect::<Vec<_>>().into()),
    ] })
}

#[tokio::test]
async fn an_inference_is_the_same_forecast_in_tensors() {
    let served = Served::open(TestKeep::shared(), settings());
    let pack = TestKeep::shared().app.pack().name().to_owned();
    let path = format!("/v2/models/{pack}/infer");
    let answer = served.post(&path, &tensors().to_string(), "").await.json();
    let plain = served.predict(&api::history(24).to_string()).await.json();
    let of = |name: &str| {
        let outputs = answer["outputs"].as_array().unwrap().iter();
        outputs.clone().find(|tensor| tensor["name"] == name).unwrap().clone()
    };
    let (targets, horizons) = (of("target")["data"].clone(), of("horizon_hours")["data"].clone());
    let width = horizons.as_array().unwrap().len();
    assert_eq!(
        of("median")["shape"],
        serde_json::json!([targets.as_array().unwrap().len(), width])
    );
    for (row, code) in targets.as_array().unwrap().iter().enumerate() {
        let target = plain["targets"].as_array().unwrap().iter().find(|it| it["code"] == *code);
        for (column, point) in target.unwrap()["points"].as_array().unwrap().iter().enumerate() {
            assert_eq!(of("median")["data"][row * width + column], point["q50"]);
            assert_eq!(of("q95")["data"][row * width + column], point["q95"]);
        }
    }
    assert_eq!((&answer["id"], &answer["model_version"]), (&"7".into(), &plain["model"]));
    let mut one = tensors();
    one["outputs"] = serde_json::json!([{ "name": "median" }]);
    let few = served.post(&path, &one.to_string(), "").await.json();
    assert_eq!(few["outputs"].as_array().unwrap().len(), 1);
    one["outputs"] = serde_json::json!([{ "name": "logits" }]);
    let refused = served.post(&path, &one.to_string(), "").await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "tensor-unknown"));
    assert_eq!(refused.json()["error"], refused.json()["detail"]);
    let versioned = format!("/v2/models/{pack}/versions/m-none/infer");
    assert_eq!(served.post(&versioned, &tensors().to_string(), "").await.status, 404);
}

fn as_described(document: &Value, path: &str, method: &str, answer: &Answer) {
    let responses = &document["paths"][path][method]["responses"];
    let response = &responses[answer.status.to_string()];
    assert!(response.is_object(), "{method} {path}: {} is not described", answer.status);
    let kind = answer.header("content-type").unwrap();
    let schema = &response["content"][kind]["schema"];
    assert!(schema.is_object(), "{method} {path}: {kind} is not described");
    check(document, schema, &answer.json(), path);
}
