//! What a Patient says that names the person, so that de-identification can find it in notes. None
//! of it becomes an event.

use serde::Deserialize;

use super::facts::parse;
use crate::batch::Refusal;
use crate::deidentify::{Kind, Terms};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Identity {
    id: Option<String>,
    name: Vec<HumanName>,
    telecom: Vec<ContactPoint>,
    address: Vec<Address>,
    identifier: Vec<Identifier>,
    contact: Vec<Contact>,
    extension: Vec<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HumanName {
    text: Option<String>,
    family: Option<String>,
    given: Vec<Option<String>>,
}

#[derive(Deserialize)]
struct ContactPoint {
    system: Option<String>,
    value: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Address {
    text: Option<String>,
    line: Vec<Option<String>>,
    city: Option<String>,
    district: Option<String>,
    postal_code: Option<String>,
}

#[derive(Deserialize)]
struct Identifier {
    value: Option<String>,
}

/// A relative, guardian, or employer.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Contact {
    name: Option<HumanName>,
    telecom: Vec<ContactPoint>,
    address: Option<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extension {
    url: Option<String>,
    value_string: Option<String>,
    value_address: Option<Address>,
}

/// Returns what a Patient with this JSON is called, and by what others could know the person.
pub(super) fn identity(json: &[u8]) -> Result<(Option<String>, Terms), Refusal> {
    let identity: Identity = parse(json)?;
    let mut terms = Terms::default();
    identity.name.iter().for_each(|name| add_name(&mut terms, name));
    add_reach(&mut terms, &identity.telecom, &identity.address);
    for identifier in identity.identifier.iter().filter_map(|one| one.value.as_deref()) {
        terms.add(Kind::Record, identifier);
    }
    for contact in &identity.contact {
        contact.name.iter().for_each(|name| add_name(&mut terms, name));
        add_reach(&mut terms, &contact.telecom, contact.address.as_slice());
    }
    for extension in &identity.extension {
        add_reach(&mut terms, &[], extension.value_address.as_slice());
        let is_name = extension.url.as_deref().is_some_and(|url| url.ends_with("MaidenName"));
        if let Some(name) = extension.value_string.as_deref().filter(|_| is_name) {
            add_words(&mut terms, name);
        }
    }
    if let Some(id) = &identity.id {
        terms.add(Kind::Record, id);
    }
    Ok((identity.id, terms))
}

fn add_name(terms: &mut Terms, name: &HumanName) {
    let given = name.given.iter().flatten();
    for part in given.chain(&name.family).chain(&name.text) {
        add_words(terms, part);
    }
}

/// Each word of a name is known on its own.
fn add_words(terms: &mut Terms, name: &str) {
    for word in name.split_whitespace() {
        terms.add(Kind::Name, word);
    }
}

fn add_reach(terms: &mut Terms, telecom: &[ContactPoint], addresses: &[Address]) {
    for point in telecom {
        let kind = match point.system.as_deref() {
            Some("fax") => Kind::Fax,
            Some("email") => Kind::Email,
            Some("url") => Kind::Url,
            _ => Kind::Phone,
        };
        terms.add(kind, point.value.as_deref().unwrap_or_default());
    }
    for address in addresses {
        let lines = address.line.iter().flatten();
        let parts = [&address.text, &address.city, &address.district, &address.postal_code];
        for part in lines.chain(parts.into_iter().flatten()) {
            terms.add(Kind::Place, part);
        }
    }
}
