//! Use case: tell a person everything that was done with their data, with proofs (the accounting of
//! disclosures: 45 CFR 164.528; GDPR, article 15), and without telling of anybody else.
//!
//! # What is in it
//!
//! - Every entry about the person.
//! - Entries about a feed that the person's events came from.
//! - Entries about what was done with everybody's data at once, since the person is known.
//!
//! Each has a proof under one signed checkpoint, and the list is a signed statement: that each entry
//! is in the ledger is proven; that the list is complete is what the keep vouches for, and whoever
//! may read the whole ledger can check. An entry that names another person is never in it. The
//! lineage of the data (`lineage.rs`) points at entries of the list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use twinkeep_ledger::{Activity, Class as EventClass, Detail, Entry, Proof, Query, View, search};
use twinkeep_store::FeedId;
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::files::{PRIVATE_FILE, write_atomic};

use crate::envelope::Envelope;
use crate::feeds::feed_name;
use crate::ledger_key::LedgerKey;
use crate::lineage::{Lineage, holds as lineage_holds, lineage};
use crate::receipt::{Digest, Output, PAYLOAD_TYPE, STATEMENT_TYPE};
use crate::search_ledger::refused;
use crate::time_text::rfc3339;
use crate::verify_ledger::{LedgerLine, line};
use crate::{App, AppError, Caller, Scope};

/// The document: a signed list, and a proof for each entry of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounting {
    /// The version of the format.
    pub version: u32,
    /// The signed list: DSSE around an in-toto statement.
    pub statement: Envelope,
    /// The entries with their proofs, in the order of the list: C2SP tlog-proof@v1.
    pub proofs: Vec<String>,
}

/// Why an entry is in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// It is about the person.
    Person,
    /// It is about a feed that the person's events came from.
    Feed,
    /// It is about everybody's data at once.
    Everybody,
}

/// What a list says, all of which holds.
#[derive(Debug, Serialize)]
pub struct AccountingReport {
    /// The keep, by the name of its ledger.
    pub keep: String,
    /// The keyed reference of the person.
    pub person: String,
    /// When it was made (RFC 3339).
    pub time: String,
    /// How many entries the ledger had.
    pub ledger_size: u64,
    /// Where the data came from, and what it went into; absent in a list of the first version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// The entries, oldest first.
    pub entries: Vec<AccountedEntry>,
}

/// One entry of the list.
#[derive(Debug, Serialize)]
pub struct AccountedEntry {
    /// Why it is there.
    pub about: About,
    /// The entry.
    #[serde(flatten)]
    pub entry: LedgerLine,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// The ledger, by its root hash.
    subject: [Output; 1],
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    keep: String,
    person: String,
    time: String,
    ledger_size: u64,
    /// Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lineage: Option<Lineage>,
    entries: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    index: u64,
    about: About,
}

/// Makes the list about a person; it is on record before it is made, and in itself.
pub fn account_subject(
    app: &App,
    caller: &Caller,
    subject: &str,
) -> Result<(Accounting, AccountingReport), AppError> {
    let class = EventClass::DatastoreActivity;
    let entry = app.entry(caller, class, Activity::Read, "subject.accounted");
    let wanted = caller.require(Scope::ExportSubjects).and_then(|()| app.find_person(subject));
    let person = match wanted {
        Ok(person) => person,
        Err(error) => return app.conclude(entry, Err(error)),
    };
    let reference = app.reference(person.subject);
    app.record(&entry.about(&reference))?;
    let feeds: BTreeSet<FeedId> =
        app.store.feeds_of(person.subject).unwrap_or_default().into_iter().collect();
    let view = app.ledger_view()?;
    let listed = list(app, &view, &reference, &feeds)?;
    let entries = listed.iter().map(|(index, (_, entry))| (*index, entry.clone())).collect();
    let lineage = lineage(app, person.subject, &reference, &feeds, &entries)?;
    let accounting = sign(app, &view, reference, lineage, listed)?;
    let origin = Some(app.ledger_origin().to_owned());
    let key = LedgerKey { origin, key: app.prover.verifying_key() };
    // What goes out is what its reader will find to hold.
    let report = check(&accounting, &key).ok_or_else(|| {
        AppError::refused("accounting-invalid", "the ledger does not hold what the list says")
    })?;
    Ok((accounting, report))
}

/// Writes a list to a file of its owner's: it tells of a person.
pub fn write_accounting(path: &Path, accounting: &Accounting) -> Result<(), AppError> {
    let failed =
        || AppError::environment("accounting-write", format!("cannot write `{}`", path.display()));
    let text = serde_json::to_vec_pretty(accounting).map_err(|error| failed().because(error))?;
    write_atomic(path, &text, PRIVATE_FILE).map_err(|error| failed().because(error))
}

fn list(
    app: &App,
    view: &View,
    reference: &str,
    feeds: &BTreeSet<FeedId>,
) -> Result<BTreeMap<u64, (About, Entry)>, AppError> {
    let index = app.layout.ledger_index();
    let find = |query: &Query| search(view, Some(&index), query, ENTRY_COUNT_MAX).map_err(refused);
    let mut listed = BTreeMap::new();
    let about = Query { subject: Some(reference.to_owned()), ..Query::default() };
    listed.extend(find(&about)?.into_iter().map(|it| (it.index, (About::Person, it.entry))));
    for feed in feeds {
        let detail = Some(("feed".to_owned(), feed_name(*feed)));
        let query = Query { detail, ..Query::default() };
        let found = find(&query)?.into_iter().filter(|found| found.entry.subject.is_none());
        listed.extend(found.map(|it| (it.index, (About::Feed, it.entry))));
    }
    // Nothing was done with the person's data before it was there.
    let first = listed.keys().next().copied().unwrap_or(u64::MAX);
    for action in WITH_EVERYBODY {
        let query = Query { action: Some((*action).to_owned()), ..Query::default() };
        let found = find(&query)?.into_iter();
        let found = found.filter(|found| first < found.index && found.entry.subject.is_none());
        listed.extend(found.map(|it| (it.index, (About::Everybody, it.entry))));
    }
    if ENTRY_COUNT_MAX <= listed.len() {
        let attempt = format!("there are {ENTRY_COUNT_MAX} entries or more");
        return Err(AppError::refused("accounting-size", attempt)
            .hint("`twinkeep ledger search --subject SUBJECT` lists them"));
    }
    Ok(listed)
}

fn sign(
    app: &App,
    view: &View,
    person: String,
    lineage: Lineage,
    listed: BTreeMap<u64, (About, Entry)>,
) -> Result<Accounting, AppError> {
    let prove = |index: &u64| Ok(view.prove(*index)?.encode());
    let proofs = listed.keys().map(prove).collect::<Result<_, AppError>>()?;
    let state = view.checkpoint().checkpoint;
    let statement = Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject: [Output {
            name: LEDGER_NAME.to_owned(),
            digest: Digest { sha256: to_hex(&state.root) },
        }],
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: Predicate {
            keep: app.ledger_origin().to_owned(),
            person,
            time: rfc3339(app.now()),
            ledger_size: state.size,
            lineage: Some(lineage),
            entries: listed
                .into_iter()
                .map(|(index, (about, _))| Listed { index, about })
                .collect(),
        },
    };
    let payload = serde_json::to_vec(&statement)
        .map_err(|error| AppError::environment("json", "cannot write the list").because(error))?;
    let statement = Envelope::sign(&app.prover, PAYLOAD_TYPE, &payload);
    Ok(Accounting { version: VERSION, statement, proofs })
}

/// Checks a list; `None` if anything in it does not hold.
pub(crate) fn check(accounting: &Accounting, key: &LedgerKey) -> Option<AccountingReport> {
    let payload = accounting.statement.open(&key.key, PAYLOAD_TYPE)?;
    let statement: Statement = serde_json::from_slice(&payload).ok()?;
    let Statement { kind, subject: [ledger], predicate_type, predicate } = statement;
    // What a list of the first version had is what this one has without a lineage.
    let version = if predicate.lineage.is_some() { VERSION } else { 1 };
    let ours = accounting.version == version
        && kind == STATEMENT_TYPE
        && predicate_type == PREDICATE_TYPE
        && ledger.name == LEDGER_NAME
        && key.origin.as_ref().is_none_or(|origin| *origin == predicate.keep)
        && predicate.entries.len() == accounting.proofs.len();
    if !ours {
        return None;
    }
    let (mut entries, mut decoded) = (Vec::new(), BTreeMap::new());
    let mut next = 0;
    for (listed, proof) in predicate.entries.iter().zip(&accounting.proofs) {
        let proof = Proof::parse(proof.as_bytes()).ok()?;
        let signed = proof.verify(Some(&predicate.keep), &key.key).ok()?.checkpoint;
        let entry = Entry::decode(&proof.entry).ok()?;
        let holds = signed.size == predicate.ledger_size
            && to_hex(&signed.root) == ledger.digest.sha256
            && proof.index == listed.index
            && next <= listed.index
            && belongs(listed.about, &entry, &predicate.person);
        if !holds {
            return None;
        }
        next = listed.index + 1;
        decoded.insert(listed.index, entry.clone());
        entries.push(AccountedEntry { about: listed.about, entry: line(proof.index, entry) });
    }
    let lineage = predicate.lineage;
    if !lineage.as_ref().is_none_or(|it| lineage_holds(it, &decoded, &predicate.person)) {
        return None;
    }
    Some(AccountingReport {
        keep: predicate.keep,
        person: predicate.person,
        time: predicate.time,
        ledger_size: predicate.ledger_size,
        lineage,
        entries,
    })
}

fn belongs(about: About, entry: &Entry, person: &str) -> bool {
    match about {
        About::Person => entry.subject.as_deref() == Some(person),
        About::Feed => {
            entry.subject.is_none() && matches!(entry.details.get("feed"), Some(Detail::Text(_)))
        }
        About::Everybody => {
            entry.subject.is_none() && WITH_EVERYBODY.contains(&entry.action.as_str())
        }
    }
}

/// What is done with everybody's data at once: learning, measuring, attacking, copying, handing out.
const WITH_EVERYBODY: &[&str] = &[
    "changes.told",
    "keep.snapshotted",
    "keep.snapshotting",
    "model.attacked",
    "model.evaluated",
    "model.trained",
    "reference.learned",
    "store.exported",
    "store.exporting",
];

/// Version 2 has the lineage.
const VERSION: u32 = 2;

const PREDICATE_TYPE: &str = "https://twinkeep.local/accounting/v1";

const LEDGER_NAME: &str = "ledger";

/// A person who is asked about every hour for five years; each entry has a proof of 2 KiB, and
/// `receipt verify` reads files of up to 256 MiB.
const ENTRY_COUNT_MAX: usize = 50_000;
