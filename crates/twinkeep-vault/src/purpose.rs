//! What a key is for. A key derived or wrapped for one purpose is useless for another.

/// The purposes of keys in a keep. The text of each is part of every format and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Wraps private keys in `keys/`.
    PrivateKey,
    /// Makes the data keys of event shards.
    ShardKey,
    /// Makes the data keys of quarantined feeds.
    QuarantineKey,
    /// Seals what the catalog keeps about one subject.
    SubjectKey,
    /// Seals the keyring.
    Keyring,
    /// Wraps data keys of model weights.
    ModelKey,
    /// Seals what attacks on a model version found.
    AttackReport,
    /// Encrypts model weights.
    ModelWeights,
    /// Encrypts models from elsewhere.
    ImportedModel,
    /// Seals sensitive columns of the catalog.
    CatalogColumn,
    /// Makes pseudonyms of subjects.
    Pseudonym,
    /// Assigns subjects to splits.
    Split,
    /// Shifts the dates of subjects.
    DateShift,
    /// Makes references to subjects in the ledger.
    LedgerReference,
    /// Authenticates how far the catalog and the registry have come.
    Watermark,
    /// Seals what the poisoning panel knows of clean data and of senders.
    Screening,
    /// Seals what an unfinished training has learned.
    Training,
    /// Seals how far a database was read.
    SourceMark,
    /// Makes the key with which a keep cosigns the ledgers of others.
    Witness,
    /// Seals what callers give as reasons, and what they have asked.
    Access,
    /// Authenticates what a verification of the ledger has established.
    Verification,
    /// Seals alerts that wait to be delivered.
    Alert,
    /// Seals what was found on the host before something was done to it.
    Evidence,
    /// Wraps the content key of a sealed feed.
    FeedContent,
}

impl Purpose {
    /// Returns the label that goes into key derivation and authenticated data.
    pub fn label(self) -> &'static str {
        match self {
            Self::PrivateKey => "twinkeep/v1/private-key",
            Self::ShardKey => "twinkeep/v1/shard-key",
            Self::QuarantineKey => "twinkeep/v1/quarantine-key",
            Self::SubjectKey => "twinkeep/v1/subject-key",
            Self::Keyring => "twinkeep/v1/keyring",
            Self::ModelKey => "twinkeep/v1/model-key",
            Self::AttackReport => "twinkeep/v1/attack-report",
            Self::ModelWeights => "twinkeep/v1/model-weights",
            Self::ImportedModel => "twinkeep/v1/imported-model",
            Self::CatalogColumn => "twinkeep/v1/catalog-column",
            Self::Pseudonym => "twinkeep/v1/pseudonym",
            Self::Split => "twinkeep/v1/split",
            Self::DateShift => "twinkeep/v1/date-shift",
            Self::LedgerReference => "twinkeep/v1/ledger-reference",
            Self::Watermark => "twinkeep/v1/watermark",
            Self::Screening => "twinkeep/v1/screening",
            Self::Training => "twinkeep/v1/training",
            Self::SourceMark => "twinkeep/v1/source-mark",
            Self::Witness => "twinkeep/v1/witness",
            Self::Access => "twinkeep/v1/access",
            Self::Verification => "twinkeep/v1/verification",
            Self::Alert => "twinkeep/v1/alert",
            Self::Evidence => "twinkeep/v1/evidence",
            Self::FeedContent => "twinkeep/v1/feed-content",
        }
    }
}
