//! Use case: say which cryptography the keep stands on: algorithms, keys, their ages, and what a
//! quantum computer would undo.
//!
//! The list of algorithms is what this program uses, no more: there is no choice among them, so
//! nothing weaker can be agreed on. Keys and certificates are those that the keep has.

use std::fs;

use serde::Serialize;
use serde_json::{Value, json};
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_vault::certificate::{CertificateFacts, certificate_facts};
use twinkeep_vault::identity::PublicIdentity;
use twinkeep_vault::sign::VerifyingKey;

use crate::keep::{AUTHORITY_PUBLIC, SERVER_PUBLIC};
use crate::posture_facts::last;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Keep};

/// What the keep stands on.
#[derive(Debug, Serialize)]
pub struct CryptoInventory {
    /// The algorithms.
    pub algorithms: Vec<AlgorithmLine>,
    /// The keys that lie in the keep, or that it trusts.
    pub keys: Vec<KeyLine>,
    /// The certificates of the gate.
    pub certificates: Vec<CertificateLine>,
    /// What should be done.
    pub findings: Vec<String>,
    /// The same as a bill of materials: CycloneDX 1.6.
    pub bom: Value,
}

/// One algorithm.
#[derive(Clone, Debug, Serialize)]
pub struct AlgorithmLine {
    /// Its name.
    pub name: &'static str,
    /// What it does here.
    pub used_for: &'static str,
    /// Whether a quantum computer leaves it standing.
    pub quantum_safe: bool,
    #[serde(skip)]
    primitive: &'static str,
    #[serde(skip)]
    functions: &'static [&'static str],
    #[serde(skip)]
    quantum_level: u8,
}

/// One key; never its value.
#[derive(Debug, Serialize)]
pub struct KeyLine {
    /// What it is called.
    pub name: String,
    /// Names the key, where it has a public half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Its algorithm.
    pub algorithm: &'static str,
    /// Since when it is used (RFC 3339).
    pub since: String,
    /// Its age in days.
    pub age_days: i64,
    /// `private`, `secret`, or `public`.
    pub kind: &'static str,
    /// What keeps it.
    pub secured_by: String,
}

/// One certificate.
#[derive(Debug, Serialize)]
pub struct CertificateLine {
    /// Whose it is.
    pub subject: String,
    /// From when (RFC 3339).
    pub not_before: String,
    /// Until when (RFC 3339).
    pub not_after: String,
    /// Days until then; negative once it is over.
    pub days_left: i64,
}

/// Takes the inventory.
pub fn take_crypto_inventory(app: &App, caller: &Caller) -> Result<CryptoInventory, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "crypto.listed");
    app.conclude(entry, take(app))
}

fn take(app: &App) -> Result<CryptoInventory, AppError> {
    let keep = Keep::find(app.layout().root())?;
    let now = app.now();
    let keys = keys(app, &keep, now)?;
    let certificates = certificates(app, now)?;
    let findings = findings(&keys, &certificates);
    let algorithms: Vec<AlgorithmLine> = algorithms().to_vec();
    let bom = bill_of_materials(&algorithms, &keys, &certificates);
    Ok(CryptoInventory { algorithms, keys, certificates, findings, bom })
}

pub(crate) fn keys(app: &App, keep: &Keep, now: Timestamp) -> Result<Vec<KeyLine>, AppError> {
    let made = crate::parse_rfc3339(&keep.descriptor.created).unwrap_or(now);
    let kek = &keep.descriptor.kek.method;
    // What is put in place of another is as old as the ledger says; all else is as old as the keep.
    let renewed = |actions: &[&str]| -> Result<Timestamp, AppError> {
        let mut newest = made;
        for action in actions {
            newest = last(app, action)?.map_or(newest, |at| at.max(newest));
        }
        Ok(newest)
    };
    let kek_since = renewed(&["kek.rotated", "kek.recovered"])?;
    let data_since = renewed(&["data-keys.rotated"])?;
    let days = |since: Timestamp| (now.hours_since(since) / 24.0).floor() as i64;
    let line = |name: &str, key_id, algorithm, since, kind, secured_by: &str| KeyLine {
        name: name.to_owned(),
        key_id,
        algorithm,
        since: rfc3339(since),
        age_days: days(since),
        kind,
        secured_by: secured_by.to_owned(),
    };
    let wrapped = format!("the key-encryption key ({kek})");
    let ledger = keep.ledger_key()?.key_id();
    let mut found = vec![
        line("key-encryption key", None, "AES-256-GCM", kek_since, "secret", kek),
        line("root", None, "HKDF-SHA-256", made, "secret", &wrapped),
        line("data keys", None, "AES-256-GCM", data_since, "secret", "the root"),
        line("ledger", Some(ledger), "Ed25519", made, "private", &wrapped),
        line("models", None, "ECDSA P-256", made, "private", &wrapped),
        line("identity, signing", None, "Ed25519", made, "private", &wrapped),
        line("identity, receiving", None, "X-Wing", made, "private", &wrapped),
        line("identity, receiving from older senders", None, "X25519", made, "private", &wrapped),
        line("certificate authority", None, "ECDSA P-256", made, "private", &wrapped),
        line("server", None, "ECDSA P-256", made, "private", &wrapped),
    ];
    for sender in app.store.senders()? {
        if sender.revoked_at.is_some() {
            continue;
        }
        let identity = PublicIdentity::from_text(&sender.identity).ok();
        let name = identity.map(|one| one.name().to_owned()).unwrap_or_default();
        let (name, id) = (format!("sender {name}"), Some(sender.key_id.clone()));
        found.push(line(&name, id, "Ed25519", sender.added_at, "public", "the catalog"));
    }
    let (approvers, _) = app.registry.approvers()?;
    for (name, known) in approvers {
        let id = Some(VerifyingKey::from_bytes(known.key).key_id());
        let name = format!("approver {name}");
        found.push(line(&name, id, "Ed25519", known.since, "public", "the registry's state"));
    }
    Ok(found)
}

pub(crate) fn certificates(app: &App, now: Timestamp) -> Result<Vec<CertificateLine>, AppError> {
    let mut found = Vec::new();
    for name in [AUTHORITY_PUBLIC, SERVER_PUBLIC] {
        let path = app.layout().public().join(name);
        let text = fs::read_to_string(&path).map_err(|error| {
            AppError::environment("keep-read", format!("cannot read `{}`", path.display()))
                .because(error)
        })?;
        // A chain has the authority behind the leaf; that one was told by itself.
        let Some(CertificateFacts { subject, not_before, not_after }) = certificate_facts(&text)
        else {
            let attempt = format!("`{}` holds no certificate", path.display());
            return Err(AppError::refused("certificate-read", attempt));
        };
        found.push(CertificateLine {
            subject,
            not_before: rfc3339(not_before),
            not_after: rfc3339(not_after),
            days_left: (not_after.hours_since(now) / 24.0).floor() as i64,
        });
    }
    Ok(found)
}

fn findings(keys: &[KeyLine], certificates: &[CertificateLine]) -> Vec<String> {
    let mut found = Vec::new();
    for certificate in certificates.iter().filter(|one| one.days_left < CERTIFICATE_DAYS_MIN) {
        found.push(format!(
            "the certificate of {} ends in {} days",
            certificate.subject, certificate.days_left
        ));
    }
    let old = keys.iter().filter(|key| key.kind != "public" && KEY_AGE_DAYS_MAX < key.age_days);
    for key in old {
        found.push(format!("the key `{}` is {} days old", key.name, key.age_days));
    }
    found
}

fn bill_of_materials(
    algorithms: &[AlgorithmLine],
    keys: &[KeyLine],
    certificates: &[CertificateLine],
) -> Value {
    let components: Vec<Value> = algorithms
        .iter()
        .map(algorithm_asset)
        .chain([tls_asset()])
        .chain(keys.iter().enumerate().map(key_asset))
        .chain(certificates.iter().enumerate().map(certificate_asset))
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": { "type": "application", "name": "twinkeep", "version": version },
        },
        "components": components,
    })
}

/// How other parts of the document name an algorithm.
fn reference(name: &str) -> String {
    format!("algorithm/{}", name.replace(' ', "-"))
}

fn algorithm_asset(one: &AlgorithmLine) -> Value {
    json!({
        "type": "cryptographic-asset",
        "bom-ref": reference(one.name),
        "name": one.name,
        "description": one.used_for,
        "cryptoProperties": {
            "assetType": "algorithm",
            "algorithmProperties": {
                "primitive": one.primitive,
                "cryptoFunctions": one.functions,
                "nistQuantumSecurityLevel": one.quantum_level,
            },
        },
    })
}

fn tls_asset() -> Value {
    json!({
        "type": "cryptographic-asset",
        "bom-ref": "protocol/tls",
        "name": "TLS 1.3",
        "cryptoProperties": {
            "assetType": "protocol",
            "protocolProperties": {
                "type": "tls",
                "version": "1.3",
                "cryptoRefArray": [reference("X25519MLKEM768"), reference("ECDSA P-256")],
            },
        },
    })
}

fn key_asset((at, one): (usize, &KeyLine)) -> Value {
    let kind = match one.kind {
        "secret" => "secret-key",
        "private" => "private-key",
        _ => "public-key",
    };
    let mut material = json!({
        "type": kind,
        "state": "active",
        "algorithmRef": reference(one.algorithm),
        "creationDate": one.since,
    });
    if let Some(id) = &one.key_id {
        material["id"] = json!(id);
    }
    json!({
        "type": "cryptographic-asset",
        "bom-ref": format!("key/{at}"),
        "name": one.name,
        "cryptoProperties": {
            "assetType": "related-crypto-material",
            "relatedCryptoMaterialProperties": material,
        },
    })
}

fn certificate_asset((at, one): (usize, &CertificateLine)) -> Value {
    json!({
        "type": "cryptographic-asset",
        "bom-ref": format!("certificate/{at}"),
        "name": one.subject,
        "cryptoProperties": {
            "assetType": "certificate",
            "certificateProperties": {
                "subjectName": one.subject,
                "notValidBefore": one.not_before,
                "notValidAfter": one.not_after,
                "signatureAlgorithmRef": reference("ECDSA P-256"),
                "certificateFormat": "X.509",
            },
        },
    })
}

/// Everything that this program computes with.
fn algorithms() -> &'static [AlgorithmLine] {
    const fn line(
        name: &'static str,
        used_for: &'static str,
        primitive: &'static str,
        functions: &'static [&'static str],
        quantum_level: u8,
    ) -> AlgorithmLine {
        // NIST's levels: 0 falls to a quantum computer.
        let quantum_safe = quantum_level != 0;
        AlgorithmLine { name, used_for, quantum_safe, primitive, functions, quantum_level }
    }
    const SIGN: &[&str] = &["sign", "verify"];
    const SEAL: &[&str] = &["encrypt", "decrypt", "tag"];
    const WRAP: &[&str] = &["encapsulate", "decapsulate"];
    const ALL: &[AlgorithmLine] = &[
        line("AES-256-GCM", "everything at rest, and the records of TLS", "ae", SEAL, 5),
        line(
            "Cobblestone-256",
            "the content of sealed feeds (C2SP chunked encryption)",
            "ae",
            SEAL,
            5,
        ),
        line("HKDF-SHA-256", "keys for one purpose each", "kdf", &["keyderive"], 5),
        line("HMAC-SHA-256", "pseudonyms, check values, watermarks", "mac", &["tag"], 5),
        line("SHA-256", "digests, the tree of the ledger", "hash", &["digest"], 2),
        line("BLAKE3", "digests of segments of sealed feeds", "hash", &["digest"], 2),
        line("Argon2id", "the key out of a passphrase", "kdf", &["keyderive"], 5),
        line(
            "X-Wing",
            "wraps the content key of a feed (ML-KEM-768 and X25519)",
            "combiner",
            WRAP,
            3,
        ),
        line("X25519", "the same, for recipients without X-Wing", "key-agree", WRAP, 0),
        line("X25519MLKEM768", "key exchange of TLS, preferred", "combiner", &["keygen"], 3),
        line("Ed25519", "feeds, checkpoints, receipts, approvals", "signature", SIGN, 0),
        line("ECDSA P-256", "model versions (OpenSSF), certificates", "signature", SIGN, 0),
        line("Shamir's secret sharing", "recovery shares", "other", &["other"], 5),
    ];
    ALL
}

/// The gate renews its own when 20 days are left: one with fewer than this was not served.
const CERTIFICATE_DAYS_MIN: i64 = 14;

/// NIST SP 800-57, part 1: private keys that sign and wrap are used for one to three years.
const KEY_AGE_DAYS_MAX: i64 = 730;
