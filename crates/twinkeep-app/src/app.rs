//! An open keep: what every use case works on.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use twinkeep_domain::{Pack, Subject, Timestamp};
use twinkeep_ledger::{
    Activity, Appended, Checkpoint, Class, Entry, EntryError, Ledger, LedgerError, Severity, View,
};
use twinkeep_registry::{Registry, RegistryKeys};
use twinkeep_store::Store;
use twinkeep_vault::digest::{hmac_sha256, to_hex};
use twinkeep_vault::identity::Identity;
use twinkeep_vault::sign::SigningKey;
use twinkeep_vault::{
    DateShift, KekSource, Pseudonymizer, Purpose, SecretBytes, SecretKey, SplitHasher,
};

use crate::act_on_host::HostHand;
use crate::anchor::Anchor;
use crate::answer_tiers::Tiers;
use crate::api_keys::{KeyFacts, NotedUses};
use crate::budget::Budgets;
use crate::client_certificates::ClientCertificates;
use crate::consent::Consents;
use crate::contained::Contained;
use crate::feeder::Feeder;
use crate::file_modes::check_modes;
use crate::issuers::Issuers;
use crate::permit::Policies;
use crate::served::Served;
use crate::use_upstream::Logins;
use crate::watch_queries::Questions;
use crate::watermark::{Marks, Watermark};
use crate::{AppError, Caller, Deidentify, FeederState, Keep, Layout, Settings};

/// What a use case may know of the world outside the keep.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// Where this user's programs keep state; remembers the ledger's newest checkpoint.
    pub state_dir: Option<PathBuf>,
}

/// An open keep.
pub struct App {
    pub(crate) layout: Layout,
    pub(crate) settings: Settings,
    pub(crate) pack: Pack,
    pub(crate) pack_sha256: [u8; 32],
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) identity: Identity,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) splits: SplitHasher,
    pub(crate) date_shift: DateShift,
    pub(crate) served: Mutex<Option<Arc<Served>>>,
    ledger: Ledger,
    anchor: Anchor,
    watermark: Watermark,
    references: SecretKey,
    pub(crate) screening_key: SecretKey,
    pub(crate) source_marks: SecretKey,
    pub(crate) training_key: SecretKey,
    pub(crate) alert_key: SecretKey,
    pub(crate) evidence_key: SecretKey,
    server_key: SecretBytes,
    authority_key: SecretBytes,
    pub(crate) prover: SigningKey,
    pub(crate) witness: SigningKey,
    /// What is known of API keys besides what they may do.
    pub(crate) key_facts: Mutex<KeyFacts>,
    /// Who issues access tokens.
    pub(crate) issuers: Issuers,
    /// Whose client certificates are believed.
    pub(crate) client_certificates: ClientCertificates,
    /// Who may do what.
    pub(crate) policies: Policies,
    /// Who may be asked about.
    pub(crate) consents: Consents,
    /// What incidents have contained.
    pub(crate) contained: Contained,
    /// How much callers may learn.
    pub(crate) budgets: Budgets,
    /// In what form callers who probed get answers.
    pub(crate) tiers: Tiers,
    /// What was asked and not looked at yet.
    pub(crate) questions: Questions,
    /// What the gate logs in to upstreams with.
    pub(crate) upstream_logins: Logins,
    access_key: SecretKey,
    /// When this process last noted that an API key was used, by the key's id.
    pub(crate) noted_uses: Mutex<NotedUses>,
    /// How the drop folder stands, while there is one.
    pub(crate) drop_folder: Feeder,
    /// How the message stream stands, while there is one.
    pub(crate) stream: Feeder,
    /// How the watch of the files stands, while `serve` keeps one.
    pub(crate) file_watch: Mutex<Option<FeederState>>,
    /// Who acts on the host for this process.
    pub(crate) host: HostHand,
    clock: fn() -> Timestamp,
}

impl App {
    /// Opens the keep at `root` with its secret.
    ///
    /// The ledger must continue every checkpoint that is remembered: a ledger or a keep that was
    /// rolled back does not open.
    pub fn open(
        root: &Path,
        secret: &KekSource,
        surroundings: &Surroundings,
    ) -> Result<Self, AppError> {
        let keep = Keep::find(root)?;
        let keys = keep.unlock(secret)?;
        check_modes(&keep.layout)?;
        let (pack, pack_sha256) = keep.pack(&keys.pack_sha256)?;
        let origin = keep.ledger_origin();
        let prover = keys.ledger_again()?;
        let anchor = Anchor::new(anchor_paths(&keep, surroundings.state_dir.as_deref()));
        let remembered = anchor.remembered(&origin, &keys.ledger.verifying_key())?;
        let newest = newest(&remembered);
        let ledger = Ledger::open(&keep.layout.ledger(), &origin, keys.ledger, newest)
            .map_err(AppError::from)?;
        let plan = pack.forecast().splits;
        let references = keys.root.derive(Purpose::LedgerReference, b"");
        let screening_key = keys.root.derive(Purpose::Screening, b"");
        let source_marks = keys.root.derive(Purpose::SourceMark, b"");
        let training_key = keys.root.derive(Purpose::Training, b"");
        let alert_key = keys.root.derive(Purpose::Alert, b"");
        let evidence_key = keys.root.derive(Purpose::Evidence, b"");
        let witness = witness_key(&keys.root)?;
        let paths = watermark_paths(&keep, surroundings.state_dir.as_deref());
        let watermark = Watermark::read(paths, &keys.root)?;
        let store = Store::open(&keep.layout.store(), &keys.root)?;
        refuse_older_catalog(&store, &watermark)?;
        refuse_older_keyring(&store, &watermark)?;
        let registry_keys = RegistryKeys { signer: keys.model, root: keys.root.clone() };
        let registry = Registry::open(&keep.layout.models(), registry_keys)?;
        registry.refuse_older_than(watermark.highest().registry)?;
        Ok(Self {
            store,
            registry,
            identity: keys.identity,
            pseudonyms: Pseudonymizer::new(&keys.root),
            splits: SplitHasher::new(&keys.root, plan),
            date_shift: DateShift::new(&keys.root),
            served: Mutex::new(None),
            ledger,
            anchor,
            watermark,
            references,
            screening_key,
            source_marks,
            training_key,
            alert_key,
            evidence_key,
            server_key: keys.server,
            authority_key: keys.authority,
            prover,
            witness,
            key_facts: Mutex::default(),
            issuers: Issuers::default(),
            client_certificates: ClientCertificates::default(),
            policies: Policies::default(),
            consents: Consents::default(),
            contained: Contained::default(),
            budgets: Budgets::default(),
            tiers: Tiers::default(),
            questions: Questions::default(),
            upstream_logins: Logins::default(),
            access_key: keys.root.derive(Purpose::Access, b""),
            noted_uses: Mutex::default(),
            drop_folder: Feeder::new("folder.watched"),
            stream: Feeder::new("stream.watched"),
            file_watch: Mutex::default(),
            host: HostHand::default(),
            clock: surroundings.clock,
            layout: keep.layout,
            settings: keep.settings,
            pack,
            pack_sha256,
        })
    }

    /// Returns whether keys lie in memory that the system never swaps out.
    pub fn keys_locked(&self) -> bool {
        self.references.memory_locked()
    }

    /// Returns how many entries the ledger has.
    pub fn ledger_entries(&self) -> Result<u64, AppError> {
        Ok(self.ledger_view()?.checkpoint().checkpoint.size)
    }

    /// Returns the pack.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// Returns what the operator chose.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns by what dates are shifted, if rows are to be de-identified: because it is asked for,
    /// or because it is the rule of this keep.
    pub(crate) fn date_shift_by(&self, asked: Option<Deidentify>) -> Option<&DateShift> {
        let rule = asked.or(self.settings.intake.deidentify);
        rule.map(|Deidentify::SafeHarbor| &self.date_shift)
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Returns the private key of the server certificate (PKCS#8).
    pub fn server_key(&self) -> &SecretBytes {
        &self.server_key
    }

    /// Returns the private key of the keep's certificate authority (PKCS#8).
    pub(crate) fn authority_key(&self) -> &SecretBytes {
        &self.authority_key
    }

    /// Returns where things are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Starts an audit entry about what `caller` does now.
    pub fn entry(&self, caller: &Caller, class: Class, activity: Activity, action: &str) -> Entry {
        let now = self.now().micros().div_euclid(1000);
        let entry = Entry::new(now, class, activity, action, &caller.id);
        match &caller.purpose {
            Some(purpose) => entry.with("purpose", purpose.as_str()),
            None => entry,
        }
    }

    /// Returns how the ledger names a subject: a keyed digest.
    pub fn reference(&self, subject: Subject) -> String {
        let digest = hmac_sha256(&self.references, &subject.reveal().to_be_bytes());
        to_hex(&digest[..16])
    }

    /// Writes an audit entry; when this returns, the entry is durable. Within
    /// [`App::record_later`] it is when that calls back.
    pub fn record(&self, entry: &Entry) -> Result<(), AppError> {
        let collected = LATER.with_borrow_mut(|later| {
            let later = later.as_mut()?;
            Some(entry.encode().map(|bytes| later.push(bytes)))
        });
        match collected {
            Some(encoded) => encoded.map_err(unrecordable),
            None => self.record_at(entry).map(drop),
        }
    }

    /// Writes an audit entry; when this returns, the entry is durable, and is at this index.
    pub(crate) fn record_at(&self, entry: &Entry) -> Result<u64, AppError> {
        let bytes = entry.encode().map_err(unrecordable)?;
        let appended = self.ledger.append(&[bytes]).map_err(unwritten)?;
        self.anchor.remember(&appended.checkpoint);
        self.remember_catalog()?;
        Ok(appended.first_index)
    }

    /// Does what only reads, without waiting for the entries that it records, and calls `then` with
    /// what it returned once they are durable, or cannot be written.
    ///
    /// `then` runs in the ledger's thread and must not wait; it is not called if the ledger has
    /// stopped. Nothing that `work` returned may be told to anybody before.
    pub fn record_later<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T,
        then: impl FnOnce(T, Result<(), AppError>) + Send + 'static,
    ) {
        let later = Later::begin();
        let result = work(self);
        let entries = later.end();
        if entries.is_empty() {
            return then(result, Ok(()));
        }
        // What this did to the catalog, it has done: it goes on record even if this fails.
        let remembered = self.remember_catalog();
        let app = Arc::clone(self);
        let reply = move |appended: Result<Appended, LedgerError>| {
            let written = appended.map(|appended| _ = app.anchor.note(&appended.checkpoint));
            let written = written.map_err(unwritten);
            then(result, written.and(remembered));
        };
        self.ledger.append_then(entries, Box::new(reply));
    }

    /// Remembers the newest checkpoint outside the ledger, unless that has just been done: what
    /// [`App::record_later`] leaves to somebody who may wait for a disk.
    pub fn write_anchor(&self) {
        self.anchor.write_newest();
    }

    /// Returns whether it is time for that.
    pub fn anchor_is_due(&self) -> bool {
        self.anchor.is_due()
    }

    /// Remembers how far the catalog has come, where what was done is on record already.
    pub(crate) fn remember_catalog(&self) -> Result<(), AppError> {
        self.watermark.raise(&|| self.marks(self.watermark.highest().registry))
    }

    /// Remembers the number of the registry's state, so that `models/` restored from an older
    /// copy is noticed.
    pub(crate) fn remember_registry(&self) -> Result<(), AppError> {
        self.watermark.raise(&|| self.marks(self.registry.counter()?))
    }

    fn marks(&self, registry: u64) -> Result<Marks, AppError> {
        let (catalog, keyring) = (self.store.epoch_lately()?, self.store.keyring_generation()?);
        Ok(Marks { catalog, registry, keyring })
    }

    /// Returns the key of references that the ledger shows.
    pub(crate) fn reference_key(&self) -> &SecretKey {
        &self.references
    }

    /// Returns the key that seals what callers give as reasons and what they have asked.
    pub(crate) fn access_key(&self) -> &SecretKey {
        &self.access_key
    }

    /// Returns the name of the ledger.
    pub(crate) fn ledger_origin(&self) -> &str {
        self.ledger.origin()
    }

    /// Returns the ledger as it is now.
    pub(crate) fn ledger_view(&self) -> Result<View, AppError> {
        Ok(self.ledger.view()?)
    }

    /// Records how something ended: the report if it was done, or the code of the refusal.
    pub(crate) fn conclude<T>(
        &self,
        entry: Entry,
        result: Result<T, AppError>,
    ) -> Result<T, AppError> {
        match result {
            Ok(report) => {
                self.record(&entry)?;
                Ok(report)
            }
            Err(error) => {
                let severity = match error.class() {
                    crate::Class::Refused => Severity::Medium,
                    _ => Severity::Low,
                };
                self.record(&entry.severity(severity).failed(error.code()))?;
                Err(error)
            }
        }
    }
}

/// Says that an entry has not the form of one: no disk is to blame, and no other try helps.
fn unrecordable(error: EntryError) -> AppError {
    AppError::environment("ledger-write", "cannot record this in the ledger").because(error).hint(
        "if what you gave is in this field, give it shorter and without control characters; \
         otherwise this is a fault of the program: report it",
    )
}

/// Says why the ledger took no entry, and what to do about that.
fn unwritten(error: LedgerError) -> AppError {
    let hint = match &error {
        LedgerError::Io { .. } => {
            "see that the disk has space and that the keep's owner may write to `ledger/` of the \
             keep, then run the same command again"
        }
        LedgerError::Stopped => "start the program again; what it said before tells why",
        LedgerError::EntrySize { .. } => {
            "this is a fault of the program, and not of the disk: report it"
        }
        _ => "`twinkeep ledger verify` says what is wrong with the ledger",
    };
    AppError::environment("ledger-write", "cannot record this in the ledger")
        .because(error)
        .hint(hint)
}

thread_local! {
    /// The entries of this thread that nobody waits for one by one, while there are such.
    static LATER: RefCell<Option<Vec<Vec<u8>>>> = const { RefCell::new(None) };
}

/// Collects entries until it is dropped: a panic leaves nothing to the next use case.
struct Later;

impl Later {
    fn begin() -> Self {
        LATER.set(Some(Vec::new()));
        Self
    }

    fn end(self) -> Vec<Vec<u8>> {
        LATER.take().unwrap_or_default()
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        LATER.set(None);
    }
}

/// A witness has a key of its own: what it cosigns is never taken for what its ledger states.
fn witness_key(root: &SecretKey) -> Result<SigningKey, AppError> {
    let broken = || AppError::refused("key-damaged", "the key of the witness cannot be made");
    SigningKey::from_seed(root.derive(Purpose::Witness, b"").expose()).ok_or_else(broken)
}

fn refuse_older_catalog(store: &Store, watermark: &Watermark) -> Result<(), AppError> {
    let (found, seen) = (store.epoch()?, watermark.highest().catalog);
    if seen <= found {
        return Ok(());
    }
    let attempt = format!("the catalog was rolled back: it is at {found}, and {seen} was seen");
    Err(AppError::refused("catalog-rolled-back", attempt)
        .hint("restore the newest backup of the whole keep; revoked keys may live in this one"))
}

fn refuse_older_keyring(store: &Store, watermark: &Watermark) -> Result<(), AppError> {
    let (found, seen) = (store.keyring_generation()?, watermark.highest().keyring);
    if seen <= found {
        return Ok(());
    }
    let attempt = format!("the keyring was rolled back: it is at {found}, and {seen} was seen");
    Err(AppError::refused("keyring-rolled-back", attempt)
        .hint("restore its newest backup; an older one opens what was erased since"))
}

/// Returns the files that remember how far the catalog and the registry have come.
pub(crate) fn watermark_paths(keep: &Keep, state_dir: Option<&Path>) -> Vec<PathBuf> {
    let mut paths = vec![keep.layout.watermark()];
    if let Some(dir) = state_dir {
        paths.push(dir.join("twinkeep").join(format!("{}.watermark", keep.descriptor.keep_id)));
    }
    paths
}

/// Returns the files that remember the newest checkpoint.
pub(crate) fn anchor_paths(keep: &Keep, state_dir: Option<&Path>) -> Vec<PathBuf> {
    let mut paths = vec![keep.layout.anchor()];
    if let Some(dir) = state_dir {
        paths.push(dir.join("twinkeep").join(format!("{}.anchor", keep.descriptor.keep_id)));
    }
    paths
}

/// Returns the largest: the ledger keeps its own history consistent with it, and so with the rest.
pub(crate) fn newest(remembered: &[Checkpoint]) -> Option<Checkpoint> {
    remembered.iter().copied().max_by_key(|checkpoint| checkpoint.size)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_hint_of_what_is_not_recorded_fits_the_cause() {
        let hint = |error: AppError| error.next_step().unwrap().to_owned();
        let field = unrecordable(EntryError::Field { field: "actor" });
        assert_eq!(field.code(), "ledger-write");
        assert!(!hint(field).contains("disk"));
        let full = io::Error::from(io::ErrorKind::StorageFull).into();
        let full = LedgerError::Io { action: "write `ledger/checkpoint`".to_owned(), source: full };
        assert!(hint(unwritten(full)).contains("disk has space"));
        assert!(!hint(unwritten(LedgerError::Stopped)).contains("disk"));
        assert!(hint(unwritten(LedgerError::RootChanged { size: 7 })).contains("ledger verify"));
    }
}
