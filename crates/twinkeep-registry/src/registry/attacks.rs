//! Reports of attacks on versions: signed, sealed, and bound to the state.
//!
//! A report comes after its version, so it lies beside the folder that was signed. The state names
//! its digest: a report that is missing, older, of another version, or changed is noticed, and not
//! taken for "never attacked".

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use twinkeep_domain::Timestamp;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, read_bounded, write_atomic};
use twinkeep_vault::{Purpose, open, seal};

use super::Registry;
use crate::oms::{disclose, enclose};
use crate::state::AttackNote;
use crate::{RegistryError, VersionId};

impl Registry {
    /// Signs and seals the report of an attack, and records it in place of the last one of its
    /// kind. `kind` is made of lower-case letters.
    ///
    /// A crash leaves the last report in place.
    pub fn record_attack(
        &self,
        id: &VersionId,
        kind: &str,
        report: &[u8],
        by: &str,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        if !kind_valid(kind) || REPORT_SIZE_MAX < report.len() {
            return Err(RegistryError::Submission { problem: "the report of the attack" });
        }
        super::step(crate::Status::Candidate, by, "attacked", now)?;
        self.usable(id, "attacked")?;
        let envelope = enclose(&payload_type(kind), report, &self.signer)
            .map_err(|problem| refused(id, kind, problem))?;
        let sealed = seal(&self.report_key, Purpose::AttackReport, &context(id, kind), &envelope);
        let note = AttackNote {
            kind: kind.to_owned(),
            at: now,
            by: by.to_owned(),
            sha256: sha256(&sealed),
        };
        let old = self.change(|state| {
            let old = state.record(id)?.attacks.iter().find(|known| known.kind == kind).cloned();
            write_atomic(&self.report_file(id, &note), &sealed, PRIVATE_FILE)
                .map_err(RegistryError::io("write the report of an attack"))?;
            state.note_attack(id, note.clone());
            Ok(old)
        })?;
        if let Some(old) = old.filter(|old| old.sha256 != note.sha256) {
            match fs::remove_file(self.report_file(id, &old)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(RegistryError::io("remove an old report of an attack")(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the newest report of each attack on a version, as it was recorded, by kind.
    pub fn attack_reports(
        &self,
        id: &VersionId,
    ) -> Result<BTreeMap<String, Vec<u8>>, RegistryError> {
        let record = self.show(id)?;
        let read = |note: &AttackNote| Ok((note.kind.clone(), self.read_report(id, note)?));
        record.attacks.iter().map(read).collect()
    }

    fn read_report(&self, id: &VersionId, note: &AttackNote) -> Result<Vec<u8>, RegistryError> {
        let refuse = |problem| refused(id, &note.kind, problem);
        if !kind_valid(&note.kind) {
            return Err(refuse("there is no such attack"));
        }
        let read = read_bounded(&self.report_file(id, note), SEALED_SIZE_MAX);
        let sealed = match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(refuse("it is missing"));
            }
            read => read.map_err(RegistryError::io("read the report of an attack"))?,
        };
        if sha256(&sealed) != note.sha256 {
            return Err(refuse("it was changed"));
        }
        let context = context(id, &note.kind);
        let envelope = open(&self.report_key, Purpose::AttackReport, &context, &sealed)
            .map_err(|_| refuse("it does not open"))?;
        disclose(&payload_type(&note.kind), envelope.expose(), &self.public_pem).map_err(refuse)
    }

    fn report_file(&self, id: &VersionId, note: &AttackNote) -> PathBuf {
        let digest = to_hex(&note.sha256[..6]);
        self.dir.join(format!("{id}.{}.{digest}{REPORT_SUFFIX}", note.kind))
    }
}

fn kind_valid(kind: &str) -> bool {
    (1..=KIND_LEN_MAX).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn refused(id: &VersionId, kind: &str, problem: &'static str) -> RegistryError {
    RegistryError::Report { id: id.clone(), kind: kind.to_owned(), problem }
}

/// A report of one version or attack does not open as that of another.
fn context(id: &VersionId, kind: &str) -> Vec<u8> {
    format!("{id}/{kind}").into_bytes()
}

fn payload_type(kind: &str) -> String {
    format!("application/vnd.twinkeep.attack.{kind}.v1+json")
}

/// Beside `<id>` and `<id>.key`.
const REPORT_SUFFIX: &str = ".attack";

/// Longest name of an attack, in bytes.
const KIND_LEN_MAX: usize = 32;

/// Largest report, in bytes: a search over ten levels has some kilobytes.
const REPORT_SIZE_MAX: usize = 1 << 20;

/// A report in base64 in an envelope, sealed.
const SEALED_SIZE_MAX: u64 = 2 << 20;
