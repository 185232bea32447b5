//! What each kind of resource says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::{Expect, expect};

use super::{bundle, said};

/// Compares what a resource says. `'` stands for `"`, and `@p` for a reference to the patient.
#[track_caller]
fn check(resource: &str, expected: Expect) {
    let json = resource.replace('\'', "\"").replace("@p", r#"{"reference":"Patient/p"}"#);
    expected.assert_eq(&said(&json.replace('\n', " ")));
}

#[test]
fn a_patient_is_born_and_dies() {
    check(
        "{'resourceType':'Patient','id':'p','birthDate':'1970-01-02','gender':'female',
          'deceasedDateTime':'1970-01-03T00:00:00Z','extension':[
          {'url':'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race','extension':[
          {'url':'ombCategory','valueCoding':{'code':'2106-3'}},{'url':'text'}]}]}",
        expect![[r#"
            Patient
              1: p MEDS_BIRTH at 86400
              1: p LOINC//80904-6 always = 1970
              1: p LOINC//46098-0 always = 0
              1: p RACE//2106-3 always
              1: p MEDS_DEATH at 172800
        "#]],
    );
    check(
        "{'resourceType':'Patient','id':'p','birthDate':'1970','gender':'other',
          'deceasedBoolean':false}",
        expect![[r#"
            Patient
              1: p MEDS_BIRTH at 0
              1: p LOINC//80904-6 always = 1970
              1: p LOINC//46098-0 always missing
        "#]],
    );
    check(
        "{'resourceType':'Patient','id':'p','birthDate':'1970-01-02T00:00:00Z','gender':'M',
          'deceasedBoolean':true}",
        expect![[r#"
            Patient
              1: p bad-time birthDate
              1: p unknown-code gender
              1: p bad-time deceased
        "#]],
    );
    check(
        "{'resourceType':'Patient','id':'p'}",
        expect![[r#"
        Patient
    "#]],
    );
    check(
        "{'resourceType':'Patient','gender':'male'}",
        expect![[r#"
        Patient
          1: subject-missing id
    "#]],
    );
}

#[test]
fn an_encounter_begins_and_ends() {
    check(
        "{'resourceType':'Encounter','status':'finished','class':{'code':'AMB'},'subject':@p,
          'type':[{'coding':[{'system':'http://snomed.info/sct','code':'185349003'}]}],
          'period':{'start':'1970-01-02','end':'1970-01-03'}}",
        expect![[r#"
            Encounter
              1: p ENCOUNTER//AMB at 86400 "SNOMED//185349003"
              1: p ENCOUNTER//AMB//END at 172800
        "#]],
    );
    check(
        "{'resourceType':'Encounter','class':{'code':'IMP'},'subject':@p,
          'period':{'start':'1970-01-03','end':'1970-01-02'}}",
        expect![[r#"
            Encounter
              1: p ENCOUNTER//IMP at 172800
              1: p bad-time period.end
        "#]],
    );
    check(
        "{'resourceType':'Encounter','status':'planned','subject':@p}",
        expect![[r#"
        Encounter
          1: not-done status
    "#]],
    );
    check(
        "{'resourceType':'Encounter','subject':@p}",
        expect![[r#"
        Encounter
          1: unknown-code class
    "#]],
    );
    check(
        "{'resourceType':'Encounter','class':{'code':'IMP'},'subject':@p}",
        expect![[r#"
        Encounter
          1: bad-time period.start
    "#]],
    );
}

#[test]
fn a_condition_begins_and_may_end() {
    let condition = |rest: &str| {
        format!(
            "{{'resourceType':'Condition','subject':@p,'code':{{'coding':[
              {{'system':'http://hl7.org/fhir/sid/icd-10-cm','code':'J18.9'}}]}},{rest}}}"
        )
    };
    check(
        &condition("'onsetDateTime':'1970-01-02','abatementDateTime':'1970-01-03'"),
        expect![[r#"
            Condition
              1: p ICD10CM//J18.9 at 86400
              1: p ICD10CM//J18.9//END at 172800
        "#]],
    );
    check(
        &condition("'onsetAge':{'value':3},'recordedDate':'1970-01-02'"),
        expect![[r#"
        Condition
          1: p ICD10CM//J18.9 at 86400
    "#]],
    );
    check(
        &condition("'onsetString':'as a child'"),
        expect![[r#"
        Condition
          1: bad-time onset
    "#]],
    );
    check(
        &condition("'verificationStatus':{'coding':[{'code':'refuted'}]}"),
        expect![[r#"
        Condition
          1: not-done verificationStatus
    "#]],
    );
    check(
        &condition("'verificationStatus':{'coding':[{'code':'entered-in-error'}]}"),
        expect![[r#"
            Condition
              1: entered-in-error verificationStatus
        "#]],
    );
}

/// An observation with what is given.
fn observation(rest: &str) -> String {
    format!(
        "{{'resourceType':'Observation','subject':@p,'effectiveDateTime':'1970-01-01T00:00:01Z',
          'code':{{'coding':[{{'system':'http://loinc.org','code':'1'}}]}},{rest}}}"
    )
}

/// What the only row of a resource says.
fn only(resource: &str) -> String {
    let json = resource.replace('\'', "\"").replace("@p", r#"{"reference":"Patient/p"}"#);
    let said = said(&json.replace('\n', " "));
    let (_, row) = said.trim_end().split_once("  1: ").unwrap();
    row.to_owned()
}

#[test]
fn each_kind_of_value_is_read() {
    let value = |rest: &str| {
        let row = only(&observation(rest));
        row.strip_prefix("p ").map(|row| row.replace("LOINC//1 at 1", "")).unwrap_or(row)
    };
    assert_eq!(value("'valueQuantity':{'value':5.5,'unit':'mmol/l'}"), " = 5.5 mmol/l");
    let below = "'valueQuantity':{'value':0.01,'comparator':'<','code':'ng/mL'}";
    assert_eq!(value(below), " = 0.01 ng/mL \"<\"");
    assert_eq!(value("'valueQuantity':{'unit':'kg'}"), " missing kg");
    let coded =
        "'valueCodeableConcept':{'coding':[{'system':'http://snomed.info/sct','code':'2'}]}";
    assert_eq!(value(coded), " \"SNOMED//2\"");
    assert_eq!(value("'valueCodeableConcept':{'text':'amber'}"), " \"amber\"");
    assert_eq!(value("'valueString':'amber'"), " \"amber\"");
    assert_eq!(value("'valueString':' '"), " missing");
    assert_eq!(value("'valueBoolean':true"), " = 1");
    assert_eq!(value("'valueInteger':-3"), " = -3");
    assert_eq!(value("'valueInteger':3.5"), "malformed-row -");
    assert_eq!(value("'valueRange':{'low':{'value':1,'unit':'mg'}}"), " \"1 mg..\"");
    let ratio = "'valueRatio':{'numerator':{'value':1},'denominator':{'value':128}}";
    assert_eq!(value(ratio), " \"1:128\"");
    let wave = "'valueSampledData':{'data':'1 2 3'}";
    assert_eq!(value(wave), "unsupported-content valueSampledData");
    assert_eq!(value("'valueTime':'12:30:00'"), " \"12:30:00\"");
    assert_eq!(value("'valuePeriod':{'start':'1970'}"), " \"1970/\"");
    assert_eq!(value("'dataAbsentReason':{'text':'x'}"), " missing");
}

#[test]
fn each_component_is_a_row() {
    check(
        &observation(
            "'component':[
             {'code':{'coding':[{'system':'http://loinc.org','code':'8480-6'}]},
              'valueQuantity':{'value':120,'code':'mm[Hg]'}},
             {'code':{'coding':[{'system':'http://loinc.org','code':'8462-4'}]}},
             {'code':{'text':'other'},'valueQuantity':{'value':1}}]",
        ),
        expect![[r#"
            Observation
              1: p LOINC//8480-6 at 1 = 120 mm[Hg]
              1: p LOINC//8462-4 at 1 missing
              1: p unknown-code code
        "#]],
    );
    check(
        &observation("'valueInteger':9,'component':[{'code':{},'valueInteger':4}]"),
        expect![[r#"
            Observation
              1: p LOINC//1 at 1 = 9
              1: p unknown-code code
        "#]],
    );
}

#[test]
fn an_observation_without_a_usable_time_or_status_is_refused() {
    let at = |time: &str| {
        observation("'valueInteger':1").replace("'effectiveDateTime':'1970-01-01T00:00:01Z'", time)
    };
    check(
        &at("'effectivePeriod':{'start':'1970-01-02'}"),
        expect![[r#"
        Observation
          1: p LOINC//1 at 86400 = 1
    "#]],
    );
    check(
        &at("'effectiveInstant':'1970-01-02T00:00:00Z'"),
        expect![[r#"
        Observation
          1: p LOINC//1 at 86400 = 1
    "#]],
    );
    check(
        &at("'issued':'1970-01-02T00:00:00Z'"),
        expect![[r#"
        Observation
          1: p LOINC//1 at 86400 = 1
    "#]],
    );
    check(
        &at("'effectiveTiming':{},'issued':'1970-01-02T00:00:00Z'"),
        expect![[r#"
        Observation
          1: bad-time effective
    "#]],
    );
    check(
        &at("'effectiveDateTime':'1970-01-02T00:00'"),
        expect![[r#"
        Observation
          1: bad-time effective
    "#]],
    );
    check(
        &at("'effectivePeriod':{'end':'1970-01-02'}"),
        expect![[r#"
        Observation
          1: bad-time effective
    "#]],
    );
    check(
        &observation("'status':'entered-in-error'"),
        expect![[r#"
        Observation
          1: entered-in-error status
    "#]],
    );
    check(
        &observation("'status':'cancelled'"),
        expect![[r#"
        Observation
          1: not-done status
    "#]],
    );
}

const ASPIRIN: &str =
    "{'coding':[{'system':'http://www.nlm.nih.gov/research/umls/rxnorm','code':'1191'}]}";

#[test]
fn a_drug_is_ordered_given_or_stated() {
    check(
        &format!(
            "{{'resourceType':'MedicationRequest','status':'active','subject':@p,
              'authoredOn':'1970-01-02','medicationCodeableConcept':{ASPIRIN}}}"
        ),
        expect![[r#"
            MedicationRequest
              1: p RxNorm//1191 at 86400 "ordered"
        "#]],
    );
    check(
        &format!(
            "{{'resourceType':'MedicationAdministration','status':'completed','subject':@p,
              'effectivePeriod':{{'start':'1970-01-02','end':'1970-01-03'}},
              'dosage':{{'dose':{{'value':100,'code':'mg'}}}},
              'medicationCodeableConcept':{ASPIRIN}}}"
        ),
        expect![[r#"
            MedicationAdministration
              1: p RxNorm//1191 at 86400 = 100 mg "given"
              1: p RxNorm//1191//END at 172800
        "#]],
    );
    check(
        &format!(
            "{{'resourceType':'MedicationStatement','status':'active','subject':@p,'dosage':[{{}}],
              'effectiveDateTime':'1970-01-02','contained':[{{'resourceType':'Practitioner',
              'id':'a','code':'x'}},{{'resourceType':'Medication','id':'m','code':{ASPIRIN}}}],
              'medicationReference':{{'reference':'#m'}}}}"
        ),
        expect![[r#"
            MedicationStatement
              1: p RxNorm//1191 at 86400 "stated"
        "#]],
    );
    check(
        &format!(
            "{{'resourceType':'MedicationRequest','subject':@p,'authoredOn':'1970-01-02',
              'doNotPerform':true,'medicationCodeableConcept':{ASPIRIN}}}"
        ),
        expect![[r#"
            MedicationRequest
              1: not-done doNotPerform
        "#]],
    );
    check(
        "{'resourceType':'MedicationRequest','subject':@p,'authoredOn':'1970-01-02',
          'medicationReference':{'reference':'#m'}}",
        expect![[r#"
            MedicationRequest
              1: unresolved-reference medication
        "#]],
    );
    check(
        "{'resourceType':'MedicationRequest','subject':@p,'authoredOn':'1970-01-02'}",
        expect![[r#"
            MedicationRequest
              1: unknown-code medication
        "#]],
    );
}

#[test]
fn a_drug_may_be_described_by_another_resource() {
    let request = |reference: &str| {
        format!(
            "{{'resourceType':'MedicationRequest','subject':@p,'authoredOn':'1970-01-02',
              'medicationReference':{{'reference':'{reference}'}}}}"
        )
        .replace('\n', " ")
    };
    let drug = format!("{{'resourceType':'Medication','id':'m','code':{ASPIRIN}}}");
    let json = |text: &str| text.replace('\'', "\"").replace("@p", r#"{"reference":"Patient/p"}"#);
    let lines = [request("Medication/m"), drug.clone(), request("https://a/Medication/m")];
    expect![[r#"
        MedicationRequest
        Medication, passed over
        MedicationRequest
          3: p RxNorm//1191 at 86400 "ordered"
          1: p RxNorm//1191 at 86400 "ordered"
    "#]]
    .assert_eq(&said(&json(&lines.join("\n"))));
    let both = bundle(&[&json(&request("urn:uuid:1")), &json(&drug)]);
    expect![[r#"
        MedicationRequest
        Medication, passed over
          1: p RxNorm//1191 at 86400 "ordered"
    "#]]
    .assert_eq(&said(&both));
    expect![[r#"
        MedicationRequest
          1: unresolved-reference medication
    "#]]
    .assert_eq(&said(&json(&request("Medication/other"))));
}

#[test]
fn procedures_vaccines_and_allergies_have_a_code_and_a_time() {
    let snomed = "{'coding':[{'system':'http://snomed.info/sct','code':'1'}]}";
    check(
        &format!(
            "{{'resourceType':'Procedure','status':'completed','subject':@p,'code':{snomed},
              'performedPeriod':{{'start':'1970-01-02','end':'1970-01-03'}}}}"
        ),
        expect![[r#"
            Procedure
              1: p SNOMED//1 at 86400
        "#]],
    );
    check(
        &format!("{{'resourceType':'Procedure','status':'not-done','subject':@p,'code':{snomed}}}"),
        expect![[r#"
            Procedure
              1: not-done status
        "#]],
    );
    check(
        "{'resourceType':'Immunization','status':'completed','patient':@p,
          'occurrenceDateTime':'1970-01-02',
          'vaccineCode':{'coding':[{'system':'http://hl7.org/fhir/sid/cvx','code':'140'}]}}",
        expect![[r#"
            Immunization
              1: p CVX//140 at 86400
        "#]],
    );
    check(
        &format!(
            "{{'resourceType':'AllergyIntolerance','patient':@p,'recordedDate':'1970-01-02',
              'code':{ASPIRIN}}}"
        ),
        expect![[r#"
            AllergyIntolerance
              1: p ALLERGY//RxNorm//1191 at 86400
        "#]],
    );
}

#[test]
fn notes_are_text_that_lies_in_the_resource() {
    let document = |attachment: &str| {
        let row = only(&format!(
            "{{'resourceType':'DocumentReference','status':'current','subject':@p,
              'date':'1970-01-02T00:00:00Z','content':[{{'attachment':{attachment}}}],
              'type':{{'coding':[{{'system':'http://loinc.org','code':'34117-2'}}]}}}}"
        ));
        row.replace("p LOINC//34117-2 at 86400 ", "").replace("p ", "")
    };
    let of = |kind: &str, bytes: &[u8]| {
        let data = STANDARD.encode(bytes);
        document(&format!("{{'contentType':'{kind}','data':'{data}'}}"))
    };
    let text = "Föhn\nand more";
    assert_eq!(of("text/plain; charset=utf-8", text.as_bytes()), format!("{text:?}"));
    assert_eq!(of("Text/HTML", b"<p>BP &lt; 120</p>"), "\"BP < 120\"");
    assert_eq!(of("text/plain;charset=ISO-8859-1", b"F\xf6hn"), "\"Föhn\"");
    assert_eq!(of("text/plain", b"F\xf6hn"), "malformed-row attachment.data");
    assert_eq!(of("text/plain;charset=utf-16", b"Fohn"), "unsupported-content contentType");
    assert_eq!(of("application/pdf", b"%PDF"), "unsupported-content contentType");
    assert_eq!(of("text/plain", b" \n"), "unsupported-content attachment.data");
    let elsewhere = "{'contentType':'text/plain','url':'https://a.example/1'}";
    assert_eq!(document(elsewhere), "unsupported-content attachment.url");
    let empty = "{'contentType':'text/plain'}";
    assert_eq!(document(empty), "unsupported-content attachment.data");
    let broken = "{'contentType':'text/plain','data':'a!'}";
    assert_eq!(document(broken), "malformed-row attachment.data");
    assert_eq!(document("{'contentType':'text/plain','data':'YSBi Yw=='}"), "\"a bc\"");
}

#[test]
fn a_report_has_notes_and_a_conclusion_or_neither() {
    let report = |rest: &str| {
        format!(
            "{{'resourceType':'DiagnosticReport','status':'final','subject':@p,
              'effectiveDateTime':'1970-01-02'{rest},
              'code':{{'coding':[{{'system':'http://loinc.org','code':'57698-3'}}]}}}}"
        )
    };
    check(
        &report(""),
        expect![[r#"
        DiagnosticReport
          1: p LOINC//57698-3 at 86400
    "#]],
    );
    check(
        &report(",'conclusion':'normal'"),
        expect![[r#"
        DiagnosticReport
          1: p LOINC//57698-3 at 86400 "normal"
    "#]],
    );
    check(
        &report(
            ",'conclusion':'normal','presentedForm':[{'contentType':'text/plain','data':'YQ=='},
             {'contentType':'image/png','data':'YQ=='}]",
        ),
        expect![[r#"
            DiagnosticReport
              1: p LOINC//57698-3 at 86400 "a"
              1: p unsupported-content contentType
              1: p LOINC//57698-3 at 86400 "normal"
        "#]],
    );
}
