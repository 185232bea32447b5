//! The words of FHIR: which resources there are, and how a coded concept becomes a code of MEDS.

use super::wire::{Coding, Concept};

/// What becomes of a kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It tells what happened to a patient, and is read.
    Patient,
    Encounter,
    Condition,
    Observation,
    MedicationRequest,
    MedicationAdministration,
    MedicationStatement,
    Procedure,
    Immunization,
    DiagnosticReport,
    DocumentReference,
    AllergyIntolerance,
    /// It names a drug for others.
    Medication,
    Bundle,
    /// It is counted and passed over. The name is one of the standard's.
    Other(&'static str),
}

impl Kind {
    /// Finds the kind by its name in `resourceType`; `None` if the standard has no such resource.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "Patient" => Self::Patient,
            "Encounter" => Self::Encounter,
            "Condition" => Self::Condition,
            "Observation" => Self::Observation,
            "MedicationRequest" => Self::MedicationRequest,
            "MedicationAdministration" => Self::MedicationAdministration,
            "MedicationStatement" => Self::MedicationStatement,
            "Procedure" => Self::Procedure,
            "Immunization" => Self::Immunization,
            "DiagnosticReport" => Self::DiagnosticReport,
            "DocumentReference" => Self::DocumentReference,
            "AllergyIntolerance" => Self::AllergyIntolerance,
            "Medication" => Self::Medication,
            "Bundle" => Self::Bundle,
            _ => Self::Other(OTHERS.iter().find(|other| **other == name)?),
        })
    }

    /// Returns the name that the standard gives it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Patient => "Patient",
            Self::Encounter => "Encounter",
            Self::Condition => "Condition",
            Self::Observation => "Observation",
            Self::MedicationRequest => "MedicationRequest",
            Self::MedicationAdministration => "MedicationAdministration",
            Self::MedicationStatement => "MedicationStatement",
            Self::Procedure => "Procedure",
            Self::Immunization => "Immunization",
            Self::DiagnosticReport => "DiagnosticReport",
            Self::DocumentReference => "DocumentReference",
            Self::AllergyIntolerance => "AllergyIntolerance",
            Self::Medication => "Medication",
            Self::Bundle => "Bundle",
            Self::Other(name) => name,
        }
    }
}

/// Why a concept has no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoCode;

/// Returns the code of a concept, such as `LOINC//8867-4`: the coding of the best known system,
/// the first one among equals. A concept that is only a text has none, because what a person typed
/// is neither stable nor safe to keep as a code.
pub(super) fn code_of(concept: &Concept) -> Result<String, NoCode> {
    let codings = concept.coding.iter().filter_map(|coding| {
        let (rank, prefix) = system_of(coding)?;
        let code = coding.code.as_deref().map(str::trim).filter(|code| !code.is_empty())?;
        Some((rank, prefix, code))
    });
    let best = codings.min_by_key(|(rank, ..)| *rank).ok_or(NoCode)?;
    Ok(format!("{}//{}", best.1, best.2))
}

/// Finds the rank of a coding's system, and what it is called in a code.
fn system_of(coding: &Coding) -> Option<(usize, &str)> {
    let system = coding.system.as_deref()?.trim();
    // An edition of SNOMED CT is stated behind the address of the system.
    let system = if system.starts_with(SNOMED) { SNOMED } else { system };
    let known = SYSTEMS.iter().position(|(uri, _)| *uri == system);
    if let Some(rank) = known {
        return Some((rank, SYSTEMS[rank].1));
    }
    let address = system.split(['?', '#']).next()?.trim_end_matches('/');
    let last = address.rsplit(['/', ':']).next().filter(|last| !last.is_empty())?;
    Some((SYSTEMS.len(), last))
}

const SNOMED: &str = "http://snomed.info/sct";

/// Code systems by address, the most useful first, with the names that OHDSI and MEDS use.
const SYSTEMS: &[(&str, &str)] = &[
    ("http://loinc.org", "LOINC"),
    ("urn:oid:2.16.840.1.113883.6.1", "LOINC"),
    ("http://www.nlm.nih.gov/research/umls/rxnorm", "RxNorm"),
    ("urn:oid:2.16.840.1.113883.6.88", "RxNorm"),
    ("http://hl7.org/fhir/sid/cvx", "CVX"),
    ("urn:oid:2.16.840.1.113883.12.292", "CVX"),
    (SNOMED, "SNOMED"),
    ("urn:oid:2.16.840.1.113883.6.96", "SNOMED"),
    ("http://hl7.org/fhir/sid/icd-10-cm", "ICD10CM"),
    ("urn:oid:2.16.840.1.113883.6.90", "ICD10CM"),
    ("http://hl7.org/fhir/sid/icd-10", "ICD10"),
    ("urn:oid:2.16.840.1.113883.6.3", "ICD10"),
    ("http://hl7.org/fhir/sid/icd-9-cm", "ICD9CM"),
    ("urn:oid:2.16.840.1.113883.6.103", "ICD9CM"),
    ("http://www.cms.gov/Medicare/Coding/ICD10", "ICD10PCS"),
    ("http://hl7.org/fhir/sid/icd-10-pcs", "ICD10PCS"),
    ("urn:oid:2.16.840.1.113883.6.4", "ICD10PCS"),
    ("http://www.ama-assn.org/go/cpt", "CPT4"),
    ("urn:oid:2.16.840.1.113883.6.12", "CPT4"),
    ("https://bluebutton.cms.gov/resources/codesystem/hcpcs", "HCPCS"),
    ("urn:oid:2.16.840.1.113883.6.285", "HCPCS"),
    ("http://hl7.org/fhir/sid/ndc", "NDC"),
    ("urn:oid:2.16.840.1.113883.6.69", "NDC"),
    ("http://www.whocc.no/atc", "ATC"),
    ("http://hl7.org/fhir/ndfrt", "NDFRT"),
    ("http://fdasis.nlm.nih.gov", "UNII"),
    ("http://unitsofmeasure.org", "UCUM"),
    ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "ActCode"),
];

/// The resources of R4 (4.0.1) that hold no events of a patient, or none that is read yet. Their
/// names may be printed; a name that is not here could be anything.
const OTHERS: &[&str] = &[
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Binary",
    "BiologicallyDerivedProduct",
    "BodyStructure",
    "CapabilityStatement",
    "CarePlan",
    "CareTeam",
    "CatalogEntry",
    "ChargeItem",
    "ChargeItemDefinition",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "CompartmentDefinition",
    "Composition",
    "ConceptMap",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DocumentManifest",
    "EffectEvidenceSynthesis",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GraphDefinition",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "ImplementationGuide",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Linkage",
    "List",
    "Location",
    "Measure",
    "MeasureReport",
    "Media",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "MessageDefinition",
    "MessageHeader",
    "MolecularSequence",
    "NamingSystem",
    "NutritionOrder",
    "ObservationDefinition",
    "OperationDefinition",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "RiskEvidenceSynthesis",
    "Schedule",
    "SearchParameter",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "Substance",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
    "VerificationResult",
    "VisionPrescription",
];

#[cfg(test)]
mod tests {
    use super::{Kind, NoCode, OTHERS, code_of};

    fn code(json: &str) -> Result<String, NoCode> {
        code_of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn the_best_known_system_is_taken() {
        let both = r#"{"coding":[{"system":"urn:oid:1.2.3","code":"a"},
            {"system":"http://snomed.info/sct","code":"b"},{"system":"http://loinc.org","code":"c"},
            {"system":"http://loinc.org","code":"d"}]}"#;
        assert_eq!(code(both).unwrap(), "LOINC//c");
    }

    #[test]
    fn an_unknown_system_is_called_by_the_last_part_of_its_address() {
        let named =
            |system: &str| code(&format!(r#"{{"coding":[{{"system":"{system}","code":"x"}}]}}"#));
        assert_eq!(named("http://mimic.mit.edu/fhir/CodeSystem/d-items").unwrap(), "d-items//x");
        assert_eq!(named("urn:oid:1.2.3").unwrap(), "1.2.3//x");
        assert_eq!(named("https://a.example/b/?c=d#e").unwrap(), "b//x");
        assert_eq!(named("http://snomed.info/sct/731000124108").unwrap(), "SNOMED//x");
        assert_eq!(named("/"), Err(NoCode));
        assert_eq!(named(""), Err(NoCode));
    }

    #[test]
    fn what_a_person_typed_is_no_code() {
        assert_eq!(code(r#"{"text":"Jane's cough"}"#), Err(NoCode));
        assert_eq!(code(r#"{"coding":[{"code":"x"}]}"#), Err(NoCode));
        assert_eq!(code(r#"{"coding":[{"system":"http://loinc.org","code":" "}]}"#), Err(NoCode));
        assert_eq!(code("{}"), Err(NoCode));
    }

    #[test]
    fn only_names_of_the_standard_are_kinds() {
        assert_eq!(Kind::of("Claim"), Some(Kind::Other("Claim")));
        assert_eq!(Kind::of("Jane Doe"), None);
        assert!(OTHERS.is_sorted());
        // R4 has 148 resources, of which DomainResource and Resource are abstract.
        assert_eq!(OTHERS.len() + 14, 146);
    }
}
