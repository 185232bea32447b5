//! Places in notes: streets, towns, counties, and postal codes. States and countries may stay.

use regex::Regex;

use super::patterns::compile;
use super::{Found, Kind};

/// The forms of places.
pub(super) struct Places {
    whole: Vec<Regex>,
    zips: Vec<Regex>,
}

impl Places {
    pub(super) fn new() -> Self {
        let cap = "[\\p{Lu}][\\p{L}'’.-]*\\p{L}";
        let caps = format!("{cap}(?:[ \\t]+{cap}){{0,2}}");
        let states = format!("(?:{}|{})", STATE_CODES.join("|"), STATES.join("|"));
        let street = "(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|\
                      Way|Terrace|Ter|Circle|Cir|Highway|Hwy|Parkway|Pkwy|Square|Sq|Row|Alley|Trail|\
                      Trl|Route|Rte|Run|Loop|Crescent|Mews|Ridge|Walk|Path|Plaza|Pike|Camp|Forge|\
                      Gate|Glen|Grove|Heights|Knoll|Landing|Manor|Meadow|Mill|Mission|Orchard|Park|\
                      Passage|Pass|Promenade|Rapid|Stravenue|Track|Union|Vale|Viaduct|View|Well|Wharf)";
        let room = "(?:,?[ \\t]*(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Rm|Room)\\.?[ \\t]*#?[ \\t]*\\w+|,?[ \\t]*#[ \\t]?\\w+)?";
        let cue = "(?i:\\b(?:(?:lives?|living|lived|resid(?:es?|ing|ed)|born|raised|grew up|moved|relocated|\
                   travel+(?:ed|ing|s)?|vacation(?:ed|ing)?|hometown|native|resident|works?|worked|\
                   transferred|transported|airlifted|came|comes|visiting|visited|incarcerated|found|\
                   commutes?|commuting)(?:[ \\t]+(?:alone|here|back|down|up|over|recently|originally|\
                   currently))?[ \\t]+(?:in|at|to|from|of|near|outside|around)|originally from|city of|\
                   town of|village of|city:|town:|address:|county:|birthplace:|hometown:|in))[ \\t]+";
        let site = "(?:Hospital|Medical Center|Nursing Home|Rehabilitation Center|University|College|\
                    High School|Middle School|Elementary School|County|Parish|Township|Borough|\
                    Reservation|Correctional Facility|Precinct|Airport|Air Force Base)";
        let whole = [
            format!(
                "(?P<x>\\b[0-9]{{1,6}}[A-Z]?(?:-[0-9]+)?[ \\t]+(?:[NSEW]{{1,2}}\\.?[ \\t]+)?(?:{cap}[ \\t]+){{1,4}}{street}\\b\\.?{room})"
            ),
            "(?P<x>(?i:\\bp\\.?[ \\t]?o\\.?[ \\t]?box[ \\t]+)[0-9]+)".to_owned(),
            format!("\\b(?P<x>{caps}),[ \\t]*{states}\\b"),
            format!("\\b(?P<x>{caps})[ \\t]+{site}\\b"),
            format!("{cue}(?P<x>{caps})"),
        ];
        let zips = [
            format!("\\b{states}\\.?,?[ \\t]+(?P<x>[0-9]{{5}}(?:-[0-9]{{4}})?)\\b"),
            "(?i:\\b(?:zip(?:[ -]?code)?|postal code|postcode))[ \\t]*[:#]?[ \\t]*(?P<x>[0-9]{5}(?:-[0-9]{4})?)\\b".to_owned(),
        ];
        Self {
            whole: whole.iter().map(|pattern| compile(pattern)).collect(),
            zips: zips.iter().map(|pattern| compile(pattern)).collect(),
        }
    }

    /// Finds places. `stop` says which capitalized words are none.
    pub(super) fn find(&self, text: &str, stop: &dyn Fn(&str) -> bool, found: &mut Vec<Found>) {
        let push = |found: &mut Vec<Found>, start, end, put: String| {
            found.push(Found { start, end, kind: Kind::Place, put });
        };
        for pattern in &self.zips {
            for zip in pattern.captures_iter(text).filter_map(|all| all.name("x")) {
                push(found, zip.start(), zip.end(), zip_area(zip.as_str()));
            }
        }
        for (at, pattern) in self.whole.iter().enumerate() {
            for place in pattern.captures_iter(text).filter_map(|all| all.name("x")) {
                let words = place.as_str().split([' ', '\t']);
                let is_free = 2 <= at;
                let kept =
                    if is_free { words.take_while(|word| !stop(word)).count() } else { usize::MAX };
                let length = end_of_words(place.as_str(), kept);
                let name = &place.as_str()[..length];
                if 0 < length && !is_large(name) {
                    push(found, place.start(), place.start() + length, TAG.to_owned());
                }
            }
        }
    }
}

/// A postal code as Safe Harbor allows it: the first three digits, where at least 20,000 live.
pub(super) fn zip_area(zip: &str) -> String {
    match zip.get(..3) {
        Some(area) if !SPARSE_ZIPS.contains(&area) => format!("{area}**"),
        _ => "000**".to_owned(),
    }
}

/// Returns where the first words of a text end.
pub(super) fn end_of_words(text: &str, count: usize) -> usize {
    let mut end = 0;
    let mut at = 0;
    for word in text.split_inclusive([' ', '\t']).take(count) {
        end = at + word.trim_end().len();
        at += word.len();
    }
    end
}

/// A state or a country may stay.
fn is_large(name: &str) -> bool {
    STATES.contains(&name) || STATE_CODES.contains(&name) || COUNTRIES.contains(&name)
}

const TAG: &str = "[place]";

/// The areas with fewer than 20,000 people, by the census of 2000 as the guidance of the
/// Department of Health and Human Services lists them.
const SPARSE_ZIPS: [&str; 17] = [
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878",
    "879", "884", "890", "893",
];

const STATE_CODES: [&str; 51] = [
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA",
    "KS", "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM",
    "NY", "NC", "ND", "OH", "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA",
    "WV", "WI", "WY",
];

const STATES: [&str; 50] = [
    "Alabama",
    "Alaska",
    "Arizona",
    "Arkansas",
    "California",
    "Colorado",
    "Connecticut",
    "Delaware",
    "Florida",
    "Georgia",
    "Hawaii",
    "Idaho",
    "Illinois",
    "Indiana",
    "Iowa",
    "Kansas",
    "Kentucky",
    "Louisiana",
    "Maine",
    "Maryland",
    "Massachusetts",
    "Michigan",
    "Minnesota",
    "Mississippi",
    "Missouri",
    "Montana",
    "Nebraska",
    "Nevada",
    "New Hampshire",
    "New Jersey",
    "New Mexico",
    "New York",
    "North Carolina",
    "North Dakota",
    "Ohio",
    "Oklahoma",
    "Oregon",
    "Pennsylvania",
    "Rhode Island",
    "South Carolina",
    "South Dakota",
    "Tennessee",
    "Texas",
    "Utah",
    "Vermont",
    "Virginia",
    "Washington",
    "West Virginia",
    "Wisconsin",
    "Wyoming",
];

const COUNTRIES: [&str; 40] = [
    "Afghanistan",
    "Argentina",
    "Australia",
    "Bangladesh",
    "Brazil",
    "Canada",
    "Chile",
    "China",
    "Colombia",
    "Cuba",
    "Dominican Republic",
    "Egypt",
    "El Salvador",
    "England",
    "Ethiopia",
    "France",
    "Germany",
    "Ghana",
    "Guatemala",
    "Haiti",
    "Honduras",
    "India",
    "Iran",
    "Iraq",
    "Ireland",
    "Italy",
    "Jamaica",
    "Japan",
    "Korea",
    "Mexico",
    "Nigeria",
    "Pakistan",
    "Peru",
    "Philippines",
    "Poland",
    "Russia",
    "Spain",
    "United States",
    "USA",
    "Vietnam",
];
