//! The identifiers that HIPAA Safe Harbor names, 45 CFR 164.514(b)(2)(i).

/// One kind of identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// (A) Names.
    Name,
    /// (B) Places smaller than a state.
    Place,
    /// (C) Dates but for the year. Shifted and not removed, so that intervals stay.
    Date,
    /// (C) Ages over 89.
    Age,
    /// (D) Telephone numbers.
    Phone,
    /// (E) Fax numbers.
    Fax,
    /// (F) E-mail addresses.
    Email,
    /// (G) Social security numbers.
    Ssn,
    /// (H) Medical record numbers.
    Record,
    /// (I) Health plan beneficiary numbers.
    HealthPlan,
    /// (J) Account numbers.
    Account,
    /// (K) Certificate and license numbers.
    License,
    /// (L) Vehicle identifiers, license plates among them.
    Vehicle,
    /// (M) Device identifiers and serial numbers.
    Device,
    /// (N) Web addresses.
    Url,
    /// (O) Internet addresses.
    Ip,
    /// (P) Biometric identifiers.
    Biometric,
    /// (Q) Photographs.
    Photo,
    /// (R) Any other unique number, characteristic, or code.
    Other,
}

impl Kind {
    /// All kinds, in the order of the law.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 19] = [
        Self::Name,
        Self::Place,
        Self::Date,
        Self::Age,
        Self::Phone,
        Self::Fax,
        Self::Email,
        Self::Ssn,
        Self::Record,
        Self::HealthPlan,
        Self::Account,
        Self::License,
        Self::Vehicle,
        Self::Device,
        Self::Url,
        Self::Ip,
        Self::Biometric,
        Self::Photo,
        Self::Other,
    ];

    /// Returns the permanent name of this kind; in a note, it stands in place of what was there.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Place => "place",
            Self::Date => "date",
            Self::Age => "age",
            Self::Phone => "phone",
            Self::Fax => "fax",
            Self::Email => "email",
            Self::Ssn => "ssn",
            Self::Record => "record-number",
            Self::HealthPlan => "health-plan",
            Self::Account => "account",
            Self::License => "license",
            Self::Vehicle => "vehicle",
            Self::Device => "device",
            Self::Url => "url",
            Self::Ip => "ip",
            Self::Biometric => "biometric",
            Self::Photo => "photo",
            Self::Other => "other",
        }
    }
}
