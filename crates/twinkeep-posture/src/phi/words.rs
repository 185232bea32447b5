//! What the headers of columns say, in the languages that hospitals write them in.
//!
//! A header is taken apart into words first (`PatDOB`, `pat_dob`, and `PAT DOB` are one), so that
//! the table needs each phrase once.

use super::Kind;

/// How sure a header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It can hardly mean anything else: its values only have to be of the form.
    Sure(Kind),
    /// It has other meanings too (`name` may be a drug's): its values must agree.
    Maybe(Kind),
}

impl Meaning {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Sure(kind) | Self::Maybe(kind) => kind,
        }
    }
}

/// Returns what a header says, if the table knows it.
pub(super) fn meaning(header: &str) -> Option<Meaning> {
    if header.len() > HEADER_LEN_MAX {
        return None;
    }
    let words = normalized(header);
    let padded = format!(" {words} ");
    let has = |phrase: &str| padded.contains(&format!(" {phrase} "));
    if NOT_PEOPLE.iter().any(|word| has(word)) {
        return None;
    }
    SURE.iter().find(|(phrase, _)| has(phrase)).map(|(_, kind)| Meaning::Sure(*kind)).or_else(
        || MAYBE.iter().find(|(phrase, _)| has(phrase)).map(|(_, kind)| Meaning::Maybe(*kind)),
    )
}

/// Returns the words of a header in small letters, one space apart, and without accents.
fn normalized(header: &str) -> String {
    let mut words = String::with_capacity(header.len() + 8);
    let mut before = ' ';
    for char in header.chars() {
        let joins = char.is_alphanumeric();
        let new_word = char.is_uppercase() && before.is_lowercase();
        if (!joins || new_word) && !words.ends_with(' ') && !words.is_empty() {
            words.push(' ');
        }
        if joins {
            words.extend(char.to_lowercase().map(plain));
        }
        before = char;
    }
    words.trim_end().to_owned()
}

/// The letter without its accent.
fn plain(char: char) -> char {
    match char {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        other => other,
    }
}

/// A longer header is prose.
const HEADER_LEN_MAX: usize = 80;

/// Words after which a name or number is none of a person.
const NOT_PEOPLE: &[&str] = &[
    "file",
    "drug",
    "medication",
    "product",
    "test",
    "lab",
    "item",
    "column",
    "table",
    "model",
    "hospital",
    "facility",
    "organization",
    "department",
    "ward",
    "device name",
    "code system",
    "display",
    "feature",
    "city code",
    "country",
    "unit name",
    "payer name",
    "study",
    "variable",
    "host",
    "server",
    "package",
    "procedure",
    "class",
    "brand",
    "company",
];

/// Phrases that hardly mean anything else. The first that fits counts.
const SURE: &[(&str, Kind)] = &[
    // (G)
    ("ssn", Kind::Ssn),
    ("social security", Kind::Ssn),
    ("social security number", Kind::Ssn),
    ("sozialversicherungsnummer", Kind::Ssn),
    ("numero de securite sociale", Kind::Ssn),
    ("numero seguridad social", Kind::Ssn),
    ("codice fiscale", Kind::Ssn),
    ("cpf", Kind::Ssn),
    ("bsn", Kind::Ssn),
    ("national id", Kind::Ssn),
    ("dni", Kind::Ssn),
    // (H)
    ("mrn", Kind::RecordNumber),
    ("medical record number", Kind::RecordNumber),
    ("medical record", Kind::RecordNumber),
    ("medrec", Kind::RecordNumber),
    ("chart number", Kind::RecordNumber),
    ("hospital number", Kind::RecordNumber),
    ("patientennummer", Kind::RecordNumber),
    ("fallnummer", Kind::RecordNumber),
    ("numero de dossier", Kind::RecordNumber),
    ("historia clinica", Kind::RecordNumber),
    ("cartella clinica", Kind::RecordNumber),
    ("prontuario", Kind::RecordNumber),
    ("patientnummer", Kind::RecordNumber),
    // (I)
    ("mbi", Kind::HealthPlan),
    ("hicn", Kind::HealthPlan),
    ("medicare", Kind::HealthPlan),
    ("medicaid", Kind::HealthPlan),
    ("member id", Kind::HealthPlan),
    ("subscriber id", Kind::HealthPlan),
    ("beneficiary id", Kind::HealthPlan),
    ("policy number", Kind::HealthPlan),
    ("insurance number", Kind::HealthPlan),
    ("nhs number", Kind::HealthPlan),
    ("krankenversichertennummer", Kind::HealthPlan),
    ("versichertennummer", Kind::HealthPlan),
    ("kvnr", Kind::HealthPlan),
    ("tarjeta sanitaria", Kind::HealthPlan),
    // (C)
    ("dob", Kind::BirthDate),
    ("birth date", Kind::BirthDate),
    ("date of birth", Kind::BirthDate),
    ("birthdate", Kind::BirthDate),
    ("birthday", Kind::BirthDate),
    ("born", Kind::BirthDate),
    ("geburtsdatum", Kind::BirthDate),
    ("geburtstag", Kind::BirthDate),
    ("gebdat", Kind::BirthDate),
    ("date de naissance", Kind::BirthDate),
    ("date naissance", Kind::BirthDate),
    ("fecha de nacimiento", Kind::BirthDate),
    ("fecha nacimiento", Kind::BirthDate),
    ("data di nascita", Kind::BirthDate),
    ("data nascita", Kind::BirthDate),
    ("data de nascimento", Kind::BirthDate),
    ("data nascimento", Kind::BirthDate),
    ("geboortedatum", Kind::BirthDate),
    ("birth datetime", Kind::BirthDate),
    // (A)
    ("first name", Kind::Name),
    ("firstname", Kind::Name),
    ("last name", Kind::Name),
    ("lastname", Kind::Name),
    ("surname", Kind::Name),
    ("family name", Kind::Name),
    ("given name", Kind::Name),
    ("middle name", Kind::Name),
    ("maiden name", Kind::Name),
    ("full name", Kind::Name),
    ("patient name", Kind::Name),
    ("person name", Kind::Name),
    ("fname", Kind::Name),
    ("lname", Kind::Name),
    ("maiden", Kind::Name),
    ("next of kin", Kind::Name),
    ("emergency contact", Kind::Name),
    ("nachname", Kind::Name),
    ("familienname", Kind::Name),
    ("vorname", Kind::Name),
    ("nom de famille", Kind::Name),
    ("prenom", Kind::Name),
    ("apellido", Kind::Name),
    ("apellidos", Kind::Name),
    ("nombres", Kind::Name),
    ("cognome", Kind::Name),
    ("sobrenome", Kind::Name),
    ("nome completo", Kind::Name),
    ("achternaam", Kind::Name),
    ("voornaam", Kind::Name),
    // (B)
    ("street address", Kind::Address),
    ("home address", Kind::Address),
    ("mailing address", Kind::Address),
    ("patient address", Kind::Address),
    ("address line", Kind::Address),
    ("birthplace", Kind::Address),
    ("strasse", Kind::Address),
    ("anschrift", Kind::Address),
    ("wohnort", Kind::Address),
    ("indirizzo", Kind::Address),
    ("direccion", Kind::Address),
    ("domicilio", Kind::Address),
    ("endereco", Kind::Address),
    ("postal code", Kind::PostalCode),
    ("postalcode", Kind::PostalCode),
    ("postcode", Kind::PostalCode),
    ("zip", Kind::PostalCode),
    ("zipcode", Kind::PostalCode),
    ("zip code", Kind::PostalCode),
    ("postleitzahl", Kind::PostalCode),
    ("plz", Kind::PostalCode),
    ("code postal", Kind::PostalCode),
    ("codigo postal", Kind::PostalCode),
    // (D) to (F)
    ("fax", Kind::Fax),
    ("telefax", Kind::Fax),
    ("phone", Kind::Phone),
    ("phone number", Kind::Phone),
    ("telephone", Kind::Phone),
    ("telefon", Kind::Phone),
    ("telefono", Kind::Phone),
    ("telefone", Kind::Phone),
    ("mobile", Kind::Phone),
    ("cellphone", Kind::Phone),
    ("handynummer", Kind::Phone),
    ("e mail", Kind::Email),
    ("email", Kind::Email),
    ("mail address", Kind::Email),
    ("courriel", Kind::Email),
    ("correo", Kind::Email),
    // (J) to (R)
    ("iban", Kind::Account),
    ("account number", Kind::Account),
    ("credit card", Kind::Account),
    ("card number", Kind::Account),
    ("kontonummer", Kind::Account),
    ("drivers", Kind::License),
    ("driver license", Kind::License),
    ("driver s license", Kind::License),
    ("driving license", Kind::License),
    ("license number", Kind::License),
    ("passport", Kind::License),
    ("passport number", Kind::License),
    ("reisepass", Kind::License),
    ("vin", Kind::Vehicle),
    ("license plate", Kind::Vehicle),
    ("kennzeichen", Kind::Vehicle),
    ("serial number", Kind::Device),
    ("device id", Kind::Device),
    ("udi", Kind::Device),
    ("mac address", Kind::Device),
    ("ip address", Kind::Ip),
    ("ip", Kind::Ip),
    ("fingerprint", Kind::Biometric),
    ("retina", Kind::Biometric),
    ("iris scan", Kind::Biometric),
    ("voiceprint", Kind::Biometric),
    ("npi", Kind::Provider),
    ("icd10", Kind::Diagnosis),
    ("icd 10", Kind::Diagnosis),
    ("icd code", Kind::Diagnosis),
    ("diagnosis code", Kind::Diagnosis),
    ("diagnose", Kind::Diagnosis),
    ("diagnosis", Kind::Diagnosis),
    ("sex", Kind::Sex),
    ("gender", Kind::Sex),
    ("geschlecht", Kind::Sex),
    ("sexe", Kind::Sex),
    ("sexo", Kind::Sex),
    ("sesso", Kind::Sex),
    ("geslacht", Kind::Sex),
    ("admission date", Kind::Date),
    ("admit date", Kind::Date),
    ("discharge date", Kind::Date),
    ("death date", Kind::Date),
    ("deathdate", Kind::Date),
    ("date of death", Kind::Date),
    ("dod", Kind::Date),
    ("admittime", Kind::Date),
    ("dischtime", Kind::Date),
    ("service date", Kind::Date),
    ("aufnahmedatum", Kind::Date),
    ("entlassungsdatum", Kind::Date),
    ("patient id", Kind::Other),
    ("patientid", Kind::Other),
    ("subject id", Kind::Other),
    ("person id", Kind::Other),
    ("encounter id", Kind::Other),
    ("account id", Kind::Other),
];

/// Phrases that have other meanings too.
const MAYBE: &[(&str, Kind)] = &[
    ("name", Kind::Name),
    ("patient", Kind::Name),
    ("nom", Kind::Name),
    ("nombre", Kind::Name),
    ("nome", Kind::Name),
    ("naam", Kind::Name),
    ("last", Kind::Name),
    ("first", Kind::Name),
    ("middle", Kind::Name),
    ("family", Kind::Name),
    ("given", Kind::Name),
    ("contact", Kind::Name),
    ("provider", Kind::Name),
    ("address", Kind::Address),
    ("adresse", Kind::Address),
    ("adres", Kind::Address),
    ("via", Kind::Address),
    ("street", Kind::Address),
    ("line", Kind::Address),
    ("tel", Kind::Phone),
    ("cell", Kind::Phone),
    ("number", Kind::Phone),
    ("value", Kind::Phone),
    ("contact number", Kind::Phone),
    ("age", Kind::Age),
    ("alter", Kind::Age),
    ("edad", Kind::Age),
    ("account", Kind::Account),
    ("license", Kind::License),
];
