//! Writes notes with identifiers planted in them, and remembers where.
//!
//! The templates and the names are of this file alone: they were written before the rules were
//! run on them, and most of the names are in no list that the rules have. A part in `{kind:…}` is
//! planted; what a correct answer must leave is marked with `<…>`.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::super::Kind;

/// A note, and what is where in it.
pub(super) struct Note {
    pub text: String,
    /// What must go, as it stands in the text.
    pub planted: Vec<(Kind, String)>,
    /// What must stay.
    pub clinical: Vec<String>,
    /// What the record itself says of the patient.
    pub known: Vec<String>,
}

/// Makes notes, the same ones for the same seed.
pub(super) struct Generator(ChaCha8Rng);

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Fills 6 to 12 sentences.
    pub(super) fn note(&mut self, sentences: &[&str]) -> Note {
        let patient = self.person();
        let mut note = Note {
            text: String::new(),
            planted: Vec::new(),
            clinical: Vec::new(),
            known: patient.split(' ').map(str::to_owned).collect(),
        };
        for _ in 0..6 + self.below(7) {
            let template = self.pick(sentences);
            self.fill(template, &patient, &mut note);
            note.text.push_str(self.pick(&[" ", "\n", "\n\n"]));
        }
        note
    }

    fn fill(&mut self, template: &str, patient: &str, note: &mut Note) {
        let mut rest = template;
        while let Some(at) = rest.find(['{', '<']) {
            note.text.push_str(&rest[..at]);
            let is_planted = rest[at..].starts_with('{');
            let end = rest.find(if is_planted { '}' } else { '>' }).unwrap();
            let name = &rest[at + 1..end];
            if is_planted {
                let (kind, text) = self.identifier(name, patient);
                note.text.push_str(&text);
                note.planted.push((kind, text));
            } else {
                note.text.push_str(name);
                note.clinical.push(name.to_owned());
            }
            rest = &rest[end + 1..];
        }
        note.text.push_str(rest);
    }

    #[expect(clippy::too_many_lines, reason = "a table: one arm a kind")]
    fn identifier(&mut self, name: &str, patient: &str) -> (Kind, String) {
        let mut own = patient.split(' ');
        match name {
            "patient" => (Kind::Name, patient.to_owned()),
            "first" => (Kind::Name, own.next().unwrap_or_default().to_owned()),
            "last" => (Kind::Name, own.nth(1).unwrap_or_default().to_owned()),
            "other" => (Kind::Name, self.person()),
            "surname" => (Kind::Name, self.pick(LAST).to_owned()),
            "given" => (Kind::Name, self.pick(FIRST).to_owned()),
            "street" => {
                let number = 1 + self.below(9800);
                let kind = self.pick(&["Street", "Ave", "Lane", "Blvd.", "Court", "Rd"]);
                (Kind::Place, format!("{number} {} {kind}", self.pick(TOWNS)))
            }
            "town" => (Kind::Place, self.pick(TOWNS).to_owned()),
            "zip" => (Kind::Place, self.digits("#####")),
            "date" => {
                let (y, m, d) = (1950 + self.below(75), 1 + self.below(12), 1 + self.below(28));
                let month = MONTHS[m as usize - 1];
                let text = match self.below(6) {
                    0 => format!("{m}/{d}/{y}"),
                    1 => format!("{m:02}-{d:02}-{y}"),
                    2 => format!("{y}-{m:02}-{d:02}"),
                    3 => format!("{month} {d}, {y}"),
                    4 => format!("{d} {month} {y}"),
                    _ => format!("{m}/{d}/{:02}", y % 100),
                };
                (Kind::Date, text)
            }
            "day" => {
                let (m, d) = (1 + self.below(12), 1 + self.below(28));
                (Kind::Date, format!("{} {d}", MONTHS[m as usize - 1]))
            }
            "phone" => {
                let form = ["(###) ###-####", "###-###-####", "###.###.####", "+1 ### ### ####"];
                let form = self.pick(&form);
                (Kind::Phone, self.digits(form))
            }
            "fax" => (Kind::Fax, self.digits("###-###-####")),
            "email" => {
                let (first, last) =
                    (self.pick(FIRST).to_lowercase(), self.pick(LAST).to_lowercase());
                (Kind::Email, format!("{first}.{last}{}@mailbox.example", self.below(90)))
            }
            "ssn" => (Kind::Ssn, self.digits("###-##-####")),
            "mrn" => {
                let form = self.pick(&["########", "M######", "##-##-##", "A-#######"]);
                (Kind::Record, self.digits(form))
            }
            "plan" => {
                let form = self.pick(&["XQR#########", "###-##-####A", "W#########"]);
                (Kind::HealthPlan, self.digits(form))
            }
            "account" => {
                let form = self.pick(&["##########", "AC-######", "####-####-####"]);
                (Kind::Account, self.digits(form))
            }
            "license" => {
                let form = self.pick(&["S########", "D###-####-####", "BK#######"]);
                (Kind::License, self.digits(form))
            }
            "plate" => {
                let form = self.pick(&["7KLM###", "XYZ-####", "1HGCM82633A######"]);
                (Kind::Vehicle, self.digits(form))
            }
            "device" => {
                let form = self.pick(&["PM-######", "SN#########", "AXN######H"]);
                (Kind::Device, self.digits(form))
            }
            "url" => (Kind::Url, format!("https://portal.clinic.example/p/{}", self.below(9999))),
            "ip" => (
                Kind::Ip,
                format!("10.{}.{}.{}", self.below(255), self.below(255), self.below(255)),
            ),
            "biometric" => (Kind::Biometric, self.digits("FP-#######")),
            "photo" => (Kind::Photo, format!("wound_{}.jpg", self.below(9999))),
            "case" => {
                let form = self.pick(&["S##-#####", "########", "TR-####-##"]);
                (Kind::Other, self.digits(form))
            }
            "age" => (Kind::Age, (90 + self.below(15)).to_string()),
            other => panic!("no identifier is called {other}"),
        }
    }

    fn person(&mut self) -> String {
        format!("{} {}", self.pick(FIRST), self.pick(LAST))
    }

    fn digits(&mut self, form: &str) -> String {
        let digit = |this: &mut Self| char::from(b'1' + this.below(9) as u8);
        form.chars().map(|char| if char == '#' { digit(self) } else { char }).collect()
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len() as u64) as usize]
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A quarter of these are common in the United States; the others are not in the rules' list.
const FIRST: &[&str] = &[
    "Jennifer",
    "Robert",
    "Linda",
    "Kevin",
    "Thandiwe",
    "Xiomara",
    "Bartholomew",
    "Siobhan",
    "Quillon",
    "Ileana",
    "Oyelaran",
    "Zbigniew",
    "Ngozi",
    "Perpetua",
    "Anneliese",
    "Torvald",
];

const LAST: &[&str] = &[
    "Johnson",
    "Garcia",
    "Miller",
    "Davis",
    "Okonkwo",
    "Vandersloot",
    "Przybylski",
    "Achterberg",
    "Mbeki-Ross",
    "O'Shaughnessy",
    "Delacroix",
    "Tsukamoto",
    "Weatherbee",
    "Lindqvist",
    "Abernathy",
    "Quispe",
];

const TOWNS: &[&str] = &[
    "Maple Grove",
    "Ashford",
    "Kettering",
    "Port Ellis",
    "Willowbrook",
    "Tamworth",
    "Oak Hollow",
    "Brackenridge",
];

/// Identifiers where they usually stand.
pub(super) const USUAL: &[&str] = &[
    "{patient} was seen in clinic today for <diabetes mellitus> and <hypertension>.",
    "Mr. {last} reports that his <chest pain> has resolved since {date}.",
    "I had the pleasure of seeing Ms. {last}, whose <hemoglobin A1c was 7.2>.",
    "She lives at {street} in {town} with her daughter {given}.",
    "Her husband, {other}, can be reached at {phone}.",
    "DOB {date}, MRN {mrn}.",
    "Record number: {mrn}. <Allergies: penicillin>.",
    "<Blood pressure 142/88>, <heart rate 76>, <temperature 36.9 C>, <SpO2 88% on room air>.",
    "<Metformin 1000 mg twice daily> was continued; <lisinopril 20 mg> started on {date}.",
    "The patient is a {age}-year-old <woman with a history of atrial fibrillation>.",
    "At age {age} he remains <independent in activities of daily living>.",
    "Dictated by: {other}, MD",
    "Electronically signed by {other} on {date} at 14:32.",
    "cc: Dr. {surname}, fax {fax}",
    "Insurance: member ID {plan}, <no prior authorization needed>.",
    "SSN {ssn} on file. Billing account {account}.",
    "Driver's license {license} was checked at the desk.",
    "Brought in after a collision; license plate {plate}.",
    "Pacemaker serial number {device}, <paced rhythm at 60 bpm>.",
    "Results were sent to {email} and are at {url}.",
    "Telemedicine visit from IP address {ip}, <lungs not examined>.",
    "Fingerprint ID {biometric} was used to release the controlled substance.",
    "Photo saved as {photo}; <ulcer measures 3.2 x 1.8 cm>.",
    "Surgical pathology case {case}: <adenocarcinoma, margins negative>.",
    "Follow up on {day} with {other}.",
    "Mailing address {street}, {town}, MA {zip}.",
    "{first} says the <pain is 4/10 and worse at night>.",
    "<Strength 5/5 in all extremities>, <reflexes 2+>. Discussed with {other}, RN.",
    "<Chest X-ray shows no infiltrate>. <White blood cell count 11.2>, <creatinine 1.04>.",
    "Transferred from {town} on {date}; <GCS 15>, <lactate 2.1>.",
    "Son {given} called from {phone} asking about <warfarin dosing>.",
    "The <Foley catheter> and the <Glasgow Coma Scale> were documented by nurse {surname}.",
    "<Parkinson disease> and <Crohn disease> are stable. Next visit {date}.",
    "Patient name: {patient}. Referring physician: {other}.",
    "He was born on {date} in {town} and worked as a <welder>.",
];

/// Identifiers where no rule would look for them, or written as no form would take them.
pub(super) const UNUSUAL: &[&str] = &[
    "{other} thinks that <the swelling has gone down>.",
    "Talked it over; {given} will bring the <glucometer> next time.",
    "dr {surname} increased <furosemide to 40 mg>.",
    "The {surname} family is aware of the <poor prognosis>.",
    "{first}'s <incision is clean and dry>.",
    "Pt's mom ({given}) worried about <febrile seizures>.",
    "{other} / {other} at bedside, <code status discussed>.",
    "Moved here after the flood in {town}, <no new complaints>.",
    "{town} native, <retired electrician>.",
    "Shops on {street} and <walks two miles a day>.",
    "Chart copied from {mrn}, <no acute distress>.",
    "Her number is {phone}, <prefers mornings>.",
    "Last <colonoscopy> was {date}, before that {date}.",
    "{day} and again in the fall he had <syncope>.",
    "Turned {age} last week, <still drives>.",
    "He is {age} now and <fell twice>.",
    "Stent card shows {device}, <no in-stent restenosis>.",
    "Write to {email} or {url} with the <pathology result>.",
    "Employer requires form {case} for <return to work>.",
    "Paid with {account}. <Copay waived>.",
    "Left a message for {other} about <potassium 5.9>.",
    "Truck with {plate} hit the guard rail, <airbags deployed>.",
    "<Hashimoto thyroiditis>, <Foley in place>, <Babinski negative>, <Romberg positive>.",
    "<Apgar 8 and 9>. <Bell palsy> on the left, <Hodgkin lymphoma> in remission.",
    "<Tylenol 650 mg> and <Lasix 20 mg> given, <Ringer lactate 500 mL>.",
];
