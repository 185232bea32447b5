//! A forecast as FHIR R4: a Bundle that a record system can file beside what was observed.
//!
//! What is to be expected of a value is an Observation in the future, with the quantiles as
//! components; of a sum or a count, an Observation of the window; of an event, a RiskAssessment with
//! one prediction a horizon. All are `preliminary`, say by a tag that they are forecasts, and name
//! the model version as the Device that made them.
//!
//! Source: HL7 FHIR R4 (4.0.1), Bundle, Observation, RiskAssessment, Device.

use serde_json::{Map, Value, json};
use twinkeep_domain::{Pack, Timestamp};
use twinkeep_vault::digest::sha256;

use crate::answer::{ForecastAnswer, PointAnswer, TargetAnswer};
use crate::time_text::{parse_rfc3339, rfc3339};

#[cfg(test)]
mod tests;

/// Writes a forecast as a Bundle of the type `collection`.
pub fn fhir_bundle(pack: &Pack, answer: &ForecastAnswer) -> Value {
    let now = parse_rfc3339(&answer.prediction_time).unwrap_or(Timestamp::RELATIVE_ORIGIN);
    let writer = Writer { pack, answer, now, device: urn(&["device", &answer.model]) };
    let mut entries = vec![entry(&writer.device, writer.device())];
    for target in &answer.targets {
        match target.kind {
            "value" => {
                let points = target.points.iter();
                entries.extend(points.map(|point| writer.observation(target, point)));
            }
            "event" if !target.probabilities.is_empty() => entries.push(writer.risk(target)),
            "event" => {}
            _ => entries.extend(target.points.iter().map(|point| writer.total(target, point))),
        }
    }
    json!({ "resourceType": "Bundle", "type": "collection", "entry": entries })
}

struct Writer<'a> {
    pack: &'a Pack,
    answer: &'a ForecastAnswer,
    now: Timestamp,
    /// The address of the model in the Bundle.
    device: String,
}

impl Writer<'_> {
    fn device(&self) -> Value {
        json!({
            "resourceType": "Device",
            "status": "active",
            "identifier": [{ "system": "urn:twinkeep:model", "value": self.answer.model }],
            "deviceName": [{ "name": format!("Twinkeep {}", self.answer.pack), "type": "model-name" }],
            "version": [{ "value": self.answer.model }],
            "note": [{ "text": self.answer.notice }],
        })
    }

    /// What is to be expected of a value at one moment.
    fn observation(&self, target: &TargetAnswer, point: &PointAnswer) -> Value {
        let at = rfc3339(self.now.plus_hours(f64::from(point.horizon_hours)));
        let mut resource = self.resource("Observation", target);
        resource.insert("effectiveDateTime".to_owned(), at.into());
        self.fill(resource, target, point)
    }

    /// What is to be expected of a window.
    fn total(&self, target: &TargetAnswer, point: &PointAnswer) -> Value {
        let mut resource = self.resource("Observation", target);
        resource.insert("effectivePeriod".to_owned(), self.period(point.horizon_hours));
        self.fill(resource, target, point)
    }

    fn fill(
        &self,
        mut resource: Map<String, Value>,
        target: &TargetAnswer,
        point: &PointAnswer,
    ) -> Value {
        let quantity = |value: f32| {
            json!({
                "value": number(value), "unit": target.unit,
                "system": "http://unitsofmeasure.org", "code": target.unit,
            })
        };
        let quantiles = [
            ("mean", Some(point.mean)),
            ("2.5 % quantile", point.q025),
            ("5 % quantile", point.q05),
            ("10 % quantile", point.q10),
            ("25 % quantile", point.q25),
            ("75 % quantile", point.q75),
            ("90 % quantile", point.q90),
            ("95 % quantile", point.q95),
            ("97.5 % quantile", point.q975),
        ];
        let components = quantiles.into_iter().filter_map(|(name, value)| {
            Some(json!({ "code": { "text": name }, "valueQuantity": quantity(value?) }))
        });
        resource.insert("code".to_owned(), self.concept(target));
        resource.insert("valueQuantity".to_owned(), quantity(point.q50));
        resource.insert("component".to_owned(), components.collect());
        resource.insert("device".to_owned(), json!({ "reference": self.device }));
        let horizon = point.horizon_hours.to_string();
        entry(&self.urn(target, &horizon), Value::Object(resource))
    }

    /// How likely an event is.
    fn risk(&self, target: &TargetAnswer) -> Value {
        let mut predictions = Vec::new();
        for point in &target.probabilities {
            let period = self.period(point.horizon_hours);
            predictions.push(json!({
                "outcome": self.concept(target),
                "probabilityDecimal": number(point.probability),
                "whenPeriod": period,
            }));
            predictions.extend(point.competing.iter().map(|other| {
                json!({
                    "outcome": { "text": format!("{} comes first", other.code) },
                    "probabilityDecimal": number(other.probability),
                    "whenPeriod": period,
                })
            }));
        }
        let mut resource = self.resource("RiskAssessment", target);
        // A RiskAssessment is about somebody, even if nobody said about whom.
        resource
            .entry("subject")
            .or_insert_with(|| json!({ "display": "the history in the request" }));
        resource.insert("code".to_owned(), self.concept(target));
        resource.insert("occurrenceDateTime".to_owned(), rfc3339(self.now).into());
        resource.insert("performer".to_owned(), json!({ "reference": self.device }));
        resource.insert("prediction".to_owned(), predictions.into());
        entry(&self.urn(target, ""), Value::Object(resource))
    }

    /// What every resource about the subject has.
    fn resource(&self, kind: &str, target: &TargetAnswer) -> Map<String, Value> {
        let mut resource = Map::new();
        let mut insert = |name: &str, value: Value| resource.insert(name.to_owned(), value);
        insert("resourceType", kind.into());
        let tag = json!({
            "system": "urn:twinkeep:tag", "code": "forecast", "display": self.answer.notice,
        });
        insert("meta", json!({ "tag": [tag] }));
        insert("status", "preliminary".into());
        insert("method", json!({ "text": format!("statistical forecast ({})", target.basis) }));
        if let Some(subject) = &self.answer.subject {
            let identifier = json!({ "system": "urn:twinkeep:subject", "value": subject });
            insert("subject", json!({ "identifier": identifier }));
        }
        insert("note", json!([{ "text": self.answer.notice }]));
        resource
    }

    /// The target by its LOINC code, where it has one, and by ours.
    fn concept(&self, target: &TargetAnswer) -> Value {
        let index = self.pack.find(&target.code);
        let variable = index.and_then(|index| self.pack.variables().get(index));
        let mut codings = Vec::new();
        if let Some(loinc) = variable.and_then(|variable| variable.loinc.as_ref()) {
            codings.push(json!({ "system": "http://loinc.org", "code": loinc }));
        }
        let ours = format!("urn:twinkeep:pack:{}", self.pack.name());
        codings.push(json!({ "system": ours, "code": target.code, "display": target.title }));
        json!({ "coding": codings, "text": target.title })
    }

    fn period(&self, hours: f32) -> Value {
        let end = rfc3339(self.now.plus_hours(f64::from(hours)));
        json!({ "start": rfc3339(self.now), "end": end })
    }

    fn urn(&self, target: &TargetAnswer, horizon: &str) -> String {
        let subject = self.answer.subject.as_deref().unwrap_or_default();
        let ForecastAnswer { model, prediction_time, .. } = self.answer;
        urn(&[model, subject, prediction_time, &target.code, horizon])
    }
}

fn entry(address: &str, resource: Value) -> Value {
    json!({ "fullUrl": address, "resource": resource })
}

/// An address that the same parts always get: a UUID of version 8 (RFC 9562 §5.8).
fn urn(parts: &[&str]) -> String {
    let digest = sha256(parts.join("\0").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex[range].concat();
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        part(0..4),
        part(4..6),
        part(6..8),
        part(8..10),
        part(10..16)
    )
}

/// A decimal with the digits that the answer has: 36.9, not 36.900001.
pub fn number(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, |value| json!(value))
}
