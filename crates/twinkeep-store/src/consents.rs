//! What people decided about being asked about. Sealed: that somebody withdrew is nobody's to know.

use rusqlite::OptionalExtension as _;
use twinkeep_domain::Subject;

use crate::error::catalog;
use crate::rows::CONSENTS;
use crate::{Store, StoreError};

/// A decision in the catalog.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsentRecord {
    /// About whom.
    pub subject: Subject,
    /// What was decided, in the words of the caller.
    pub decision: String,
}

impl Store {
    /// Records a decision, in the place of an earlier one.
    pub fn set_consent(&self, record: &ConsentRecord) -> Result<(), StoreError> {
        let subject = record.subject.reveal();
        let sealed = self.columns.seal("consents", "decision", subject, record.decision.as_bytes());
        self.change(&[&CONSENTS], |transaction| {
            transaction
                .execute(
                    "INSERT INTO consents (subject, decision) VALUES (?1, ?2)
                    ON CONFLICT (subject) DO UPDATE SET decision = excluded.decision",
                    (subject, sealed),
                )
                .map_err(catalog("write a consent"))?;
            self.rows.seal(transaction, &CONSENTS, &subject)
        })
    }

    /// Forgets the decision about somebody, if there is one.
    pub fn forget_consent(&self, subject: Subject) -> Result<(), StoreError> {
        let subject = subject.reveal();
        self.change_if(&mut self.connection(), &[&CONSENTS], |transaction| {
            let cannot = catalog("forget a consent");
            let known: Option<i64> = transaction
                .query_row("SELECT subject FROM consents WHERE subject = ?1", [subject], |row| {
                    row.get(0)
                })
                .optional()
                .map_err(&cannot)?;
            if known.is_some() {
                transaction
                    .execute("DELETE FROM consents WHERE subject = ?1", [subject])
                    .map_err(cannot)?;
            }
            Ok(known.is_some())
        })
    }

    /// Returns all decisions, by subject.
    pub fn consents(&self) -> Result<Vec<ConsentRecord>, StoreError> {
        let mut sealed: Vec<(i64, Vec<u8>)> = Vec::new();
        self.read(|connection| {
            self.rows.scan(connection, &CONSENTS, &mut |row| {
                sealed.push((row.get(1)?, row.get(2)?));
                Ok(())
            })
        })?;
        let open = |(number, sealed): (i64, Vec<u8>)| {
            let decision = self.columns.open_text("consents", "decision", number, &sealed)?;
            let subject = Subject::from_pseudonym(number);
            let changed = StoreError::RowChanged { table: "consents" };
            Ok(ConsentRecord { subject: subject.ok_or(changed)?, decision })
        };
        sealed.into_iter().map(open).collect()
    }
}

impl std::fmt::Debug for ConsentRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConsentRecord(hidden)")
    }
}
