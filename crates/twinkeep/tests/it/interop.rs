//! Clients of others against the real server: KServe's protocol, CDS Hooks, FHIR, and metrics.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Place, write};
use crate::peers::free_port;
use crate::serve::{Server, key, ready};

/// The interpreter with the peers, if they are installed.
fn python(module: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/bin/python3");
    let found = Command::new(&own).args(["-c", &format!("import {module}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(own);
    }
    assert!(std::env::var_os("CI").is_none(), "`{module}` is missing");
    println!("skipped: `{module}` of PyPI is not installed");
    None
}

#[track_caller]
fn script(python: &Path, place: &Place, text: &str, args: &[&str]) -> String {
    write(&place.path("client.py"), text.as_bytes());
    let output = Command::new(python).arg(place.path("client.py")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn first_twin(server: &Server<'_>, header: &str) -> String {
    let list = server.call("/api/v1/twins?limit=1", &["-H", header]).json();
    list["twins"][0]["subject"].as_str().unwrap().to_owned()
}

const TRITON: &str = r#"
import json, ssl, sys
import gevent.ssl
import numpy as np
import tritonclient.http as http

url, ca, key = sys.argv[1:4]
client = http.InferenceServerClient(url, ssl=True, ssl_options={"ca_certs": ca},
    ssl_context_factory=lambda: gevent.ssl.create_default_context(cafile=ca))
headers = {"X-Api-Key": key}
assert client.is_server_live(headers=headers)
assert client.is_server_ready(headers=headers)
assert client.is_model_ready("icu", headers=headers)
about = client.get_model_metadata("icu", headers=headers)
assert [tensor["name"] for tensor in about["inputs"]][:3] == ["time", "code", "value"]

def tensor(name, kind, values):
    made = http.InferInput(name, [len(values)], kind)
    dtype = {"BYTES": object, "FP32": np.float32, "FP64": np.float64}[kind]
    made.set_data_from_numpy(np.array(values, dtype=dtype), binary_data=False)
    return made

inputs = [
    tensor("time", "FP64", [float(hour) for hour in range(12)]),
    tensor("code", "BYTES", ["HR"] * 12),
    tensor("value", "FP32", [80.0 + hour % 3 for hour in range(12)]),
    tensor("horizons_hours", "FP32", [6.0, 12.0]),
]
outputs = [http.InferRequestedOutput(name, binary_data=False) for name in ("target", "median", "q95")]
answer = client.infer("icu", inputs, outputs=outputs, request_id="one", headers=headers)
targets = [name if isinstance(name, str) else name.decode() for name in answer.as_numpy("target")]
median, high = answer.as_numpy("median"), answer.as_numpy("q95")
assert median.shape == (len(targets), 2) and (median <= high).all(), (median, high)
print(json.dumps(float(median[targets.index("HR")][0])))
# A client that wishes for binary answers reads those in JSON.
assert client.infer("icu", inputs, headers=headers).as_numpy("median").shape == median.shape
try:
    client.infer("icu", inputs[:2], headers=headers)
except Exception as error:
    assert "value" in str(error), error
else:
    raise SystemExit("nothing was refused")
"#;

#[test]
fn a_client_of_kserve_gets_the_same_forecast() {
    let Some(python) = python("tritonclient.http") else { return };
    let place = ready();
    let (header, _) = key(&place, &["--scope", "predict"]);
    let server = Server::start(&place);
    let events: Vec<Value> =
        (0..12).map(|hour| json!({ "time": hour, "code": "HR", "value": 80 + hour % 3 })).collect();
    let body = json!({ "events": events, "horizons_hours": [6, 12] }).to_string();
    let json = ["-H", &header, "-H", "Content-Type: application/json", "-d", &body];
    let plain = server.call("/predict", &json).json();
    let heart = plain["targets"].as_array().unwrap().iter().find(|it| it["code"] == "HR").unwrap();
    let address = server.base().strip_prefix("https://").unwrap();
    let key = header.strip_prefix("Authorization: Bearer ").unwrap();
    let ca = place.path("keep/public/ca.pem");
    let said = script(&python, &place, TRITON, &[address, ca.to_str().unwrap(), key]);
    let median: f64 = said.trim().parse().unwrap();
    let expected = heart["points"][0]["q50"].as_f64().unwrap();
    assert!((median - expected).abs() < 1e-3, "{median} {expected}");
}

const FHIR: &str = r"
import json, sys
from fhir.resources.R4B.bundle import Bundle
bundle = Bundle.model_validate_json(open(sys.argv[1]).read())
kinds = [entry.resource.get_resource_type() for entry in bundle.entry]
print(json.dumps({kind: kinds.count(kind) for kind in set(kinds)}))
";

#[test]
fn a_forecast_is_a_bundle_that_others_read() {
    let place = ready();
    let (header, _) = key(&place, &["--scope", "twins:read"]);
    let server = Server::start(&place);
    let twin = first_twin(&server, &header);
    let path = format!("/api/v1/twins/{twin}/forecast?horizons_hours=6,24");
    let accept = "Accept: application/fhir+json";
    let answer = server.call(&path, &["-H", &header, "-H", accept]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let bundle = answer.json();
    assert_eq!(bundle["resourceType"], "Bundle");
    let refused = server.call(&format!("{path}&receipt=true"), &["-H", &header, "-H", accept]);
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("receipt-form")));
    let any = server.call(&path, &["-H", &header, "-H", "Accept: */*"]);
    assert!(any.json()["targets"].is_array());
    let printed = place.run(&["twin", "forecast", &twin, "--fhir"]).done();
    assert_eq!(printed["entry"][0]["resource"], bundle["entry"][0]["resource"], "the same model");

    let Some(python) = python("fhir.resources.R4B.bundle") else { return };
    write(&place.path("bundle.json"), answer.body.as_bytes());
    let file = place.path("bundle.json");
    let kinds = script(&python, &place, FHIR, &[file.to_str().unwrap()]);
    let kinds: Value = serde_json::from_str(&kinds).unwrap();
    assert_eq!(kinds["Device"], 1);
    assert!(2 <= kinds["Observation"].as_u64().unwrap(), "{kinds}");
}

#[test]
fn a_chart_that_is_opened_gets_a_card() {
    let place = ready();
    let (header, _) = key(&place, &["--scope", "twins:read"]);
    let server = Server::start(&place);
    let services = server.call("/cds-services", &[]).json();
    let service = &services["services"][0];
    assert_eq!(
        (&service["hook"], &service["id"]),
        (&json!("patient-view"), &json!("twinkeep-forecast"))
    );
    let path = format!("/cds-services/{}", service["id"].as_str().unwrap());
    let twin = first_twin(&server, &header);
    let ask = |patient: &str, header: &str| {
        let body = json!({
            "hook": "patient-view",
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "fhirServer": "https://ehr.example/fhir",
            "fhirAuthorization": { "access_token": "SECRET", "token_type": "Bearer",
                "expires_in": 300, "scope": "user/Observation.read", "subject": "cds" },
            "context": { "userId": "Practitioner/1", "patientId": patient, "encounterId": "1" },
        });
        let body = body.to_string();
        server.call(&path, &["-H", header, "-H", "Content-Type: application/json", "-d", &body])
    };
    let answer = ask(&twin, &header);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let card = &answer.json()["cards"][0];
    let summary = card["summary"].as_str().unwrap();
    assert!(summary.starts_with("In 24 hours: ") && summary.chars().count() < 140, "{summary}");
    assert_eq!(card["indicator"], "info");
    let link = card["links"][0]["url"].as_str().unwrap();
    assert!(link.starts_with("https://localhost:") && link.ends_with(&twin), "{link}");
    assert_eq!(ask("nobody", &header).json(), json!({ "cards": [] }));
    assert_eq!(ask(&twin, "X-Api-Key: none").status, 401);
    let (other, _) = key(&place, &["--scope", "predict"]);
    assert_eq!(ask(&twin, &other).status, 403);
    let lines = place.run(&["ledger", "show", "--limit", "100"]).stdout;
    assert!(lines.contains("twin.forecast") && !lines.contains("SECRET"));
}

const SCRAPE: &str = r"
import json, sys, urllib.request
from prometheus_client.openmetrics.parser import text_string_to_metric_families
text = urllib.request.urlopen(sys.argv[1], timeout=60).read().decode()
found = {}
for family in text_string_to_metric_families(text):
    for sample in family.samples:
        labels = ' '.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))
        found[f'{sample.name} {labels}'.strip()] = sample.value
print(json.dumps(found))
";

#[test]
fn metrics_say_how_much_was_asked_and_never_by_whom() {
    let Some(python) = python("prometheus_client.openmetrics.parser") else { return };
    let place = ready();
    let free = format!("127.0.0.1:{}", free_port());
    let path = place.path("keep/twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let listen = format!("[gate]\nmetrics_listen = \"{free}\"\ntrace_file = \"traces.jsonl\"\n");
    write(&path, text.replace("[gate]\n", &listen).as_bytes());
    let (header, id) = key(&place, &["--scope", "twins:read"]);
    let server = Server::start(&place);
    let twin = first_twin(&server, &header);
    let forecast = format!("/api/v1/twins/{twin}/forecast");
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for _ in 0..3 {
        assert_eq!(server.call(&forecast, &["-H", &header, "-H", trace]).status, 200);
    }
    assert_eq!(server.call(&forecast, &["-H", "X-Api-Key: none"]).status, 401);
    assert_eq!(server.call("/metrics", &["-H", &header]).status, 404, "not for the network");
    let scraped = script(&python, &place, SCRAPE, &[&format!("http://{free}/metrics")]);
    assert!(!scraped.contains(&twin) && !scraped.contains(&id), "{scraped}");
    let found: Value = serde_json::from_str(&scraped).unwrap();
    let route = "method=GET route=/api/v1/twins/{id}/forecast";
    assert_eq!(found[format!("twinkeep_requests_total {route} status=200")], 3.0, "{found}");
    assert_eq!(found[format!("twinkeep_requests_total {route} status=401")], 1.0);
    assert_eq!(found["twinkeep_refusals_total code=unauthenticated"], 1.0);
    assert!(5.0 < found["twinkeep_ledger_entries"].as_f64().unwrap());
    let names = found.as_object().unwrap();
    assert!(
        names.keys().any(|name| name.starts_with("twinkeep_model_in_service pack=icu version=m-"))
    );
    let status = |path: &str, more: &[&str]| {
        let output = Command::new("curl")
            .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"])
            .args(more)
            .arg(format!("http://{free}{path}"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(status("/api/v1/twins", &[]), "404");
    assert_eq!(status("/metrics", &["--request", "POST"]), "405");
    // Told to end, it writes what waits.
    assert_eq!(server.stop(), Some(0));
    let kept = std::fs::read_to_string(place.path("keep/traces.jsonl")).unwrap();
    assert!(!kept.contains(&twin) && !kept.contains(&id), "{kept}");
    assert_eq!(kept.matches("\"4bf92f3577b34da6a3ce929d0e0e4736\"").count(), 9, "{kept}");
    let line: Value = serde_json::from_str(kept.lines().next().unwrap()).unwrap();
    let attributes = &line["resourceSpans"][0]["resource"]["attributes"];
    assert_eq!(attributes[0]["value"]["stringValue"], "twinkeep");
}
