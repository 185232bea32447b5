//! Use cases: split the key that opens the keep into recovery shares, and open the keep with them.
//!
//! A passphrase is forgotten, a token breaks, a person leaves. Then as many custodians as were
//! chosen put the keep under a new secret together, and none of them alone could have.

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::escrow::{self, EscrowError, Share};
use twinkeep_vault::{KekSource, SecretBytes};

use crate::keep::kek_error;
use crate::rotate_kek::rotate_kek;
use crate::{App, AppError, Caller, Keep, RotateKekReport, Surroundings};

/// The shares of a key, to be given away one by one.
pub struct RecoveryShares {
    /// The texts of the shares.
    pub texts: Vec<SecretBytes>,
    /// How many of them open the keep.
    pub threshold: u8,
}

impl std::fmt::Debug for RecoveryShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecoveryShares({} of {}, hidden)", self.threshold, self.texts.len())
    }
}

/// What opens the keep after a recovery.
#[derive(Debug, Serialize)]
pub struct RecoveryReport {
    /// How many shares were used.
    pub shares: usize,
    /// What was changed.
    #[serde(flatten)]
    pub rotated: RotateKekReport,
}

/// Splits the key that opens the keep; `current` opens it. What is returned is nowhere else.
pub fn split_kek(
    app: &App,
    caller: &Caller,
    current: &KekSource,
    (threshold, count): (u8, u8),
) -> Result<RecoveryShares, AppError> {
    let entry = app
        .entry(caller, EventClass::EntityManagement, Activity::Read, "kek.split")
        .severity(Severity::High)
        .with("threshold", i64::from(threshold))
        .with("shares", i64::from(count));
    let split = || {
        let keep = Keep::find(app.layout().root())?;
        let kek = current.open(&keep.descriptor.kek).map_err(kek_error)?;
        let shares = escrow::split(&kek, &keep.descriptor.keep_id, threshold, count);
        let shares = shares.map_err(|error| refuse(error, "cannot split the keep's key"))?;
        Ok(RecoveryShares { texts: shares.iter().map(Share::to_text).collect(), threshold })
    };
    // On record before anybody sees a share.
    app.conclude(entry, split())
}

/// Opens a keep with recovery shares and puts it under another secret: the shares, and what opened
/// it before, open it no more.
pub fn recover_keep(
    root: &std::path::Path,
    surroundings: &Surroundings,
    texts: &[SecretBytes],
    next: &KekSource,
) -> Result<RecoveryReport, AppError> {
    let combine = "cannot put the keep's key together";
    let read = |text: &SecretBytes| Share::from_text(text.expose());
    let shares: Result<Vec<Share>, EscrowError> = texts.iter().map(read).collect();
    let shares = shares.map_err(|error| refuse(error, combine))?;
    let keep = Keep::find(root)?;
    if shares.iter().any(|share| share.keep() != keep.descriptor.keep_id) {
        let attempt = "the shares are of another keep";
        return Err(AppError::refused("escrow-keep", attempt).hint("name the keep with `--keep`"));
    }
    let kek = escrow::combine(&shares).map_err(|error| refuse(error, combine))?;
    let recovered = KekSource::Recovered(kek);
    let app = App::open(root, &recovered, surroundings)?;
    let caller = Caller::operator();
    let entry = app
        .entry(&caller, EventClass::EntityManagement, Activity::Update, "kek.recovered")
        .severity(Severity::High);
    app.record(&entry)?;
    let rotated = rotate_kek(&app, &caller, &recovered, next)?;
    Ok(RecoveryReport { shares: shares.len(), rotated })
}

fn refuse(error: EscrowError, attempt: &str) -> AppError {
    let refusal = match error {
        EscrowError::Count => AppError::usage(error.code(), attempt),
        _ => AppError::refused(error.code(), attempt),
    };
    let hint = match error {
        EscrowError::Checksum { .. } => "type or scan that share again",
        EscrowError::Mixed => "`keep` and `key` must be the same on all of them",
        _ => "`twinkeep key escrow split` makes shares",
    };
    refusal.because(error).hint(hint)
}
