//! The kinds of personal data: the identifiers of 45 CFR 164.514(b)(2)(i), and what tells that a
//! file is about health.

/// How much a kind says about who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Leads to one person by itself.
    Direct,
    /// Leads to one person together with others of its kind.
    Indirect,
    /// Says nothing about who, but that the file is about health.
    Health,
}

/// One kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// (A) Names.
    Name,
    /// (B) Streets and towns.
    Address,
    /// (B) Postal codes.
    PostalCode,
    /// (C) Birth dates.
    BirthDate,
    /// (C) Dates but for the year: of admission, of death.
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
    RecordNumber,
    /// (I) Health plan beneficiary numbers.
    HealthPlan,
    /// (J) Account numbers.
    Account,
    /// (K) Certificate and license numbers.
    License,
    /// (L) Vehicle identifiers.
    Vehicle,
    /// (M) Device identifiers and serial numbers.
    Device,
    /// (N) Web addresses.
    Url,
    /// (O) Internet addresses.
    Ip,
    /// (P) Biometric identifiers.
    Biometric,
    /// (Q) Photographs, images of bodies among them.
    Photo,
    /// (R) Any other unique number or code: pseudonyms of people.
    Other,
    /// A diagnosis: ICD-10-CM.
    Diagnosis,
    /// Who treated: a National Provider Identifier.
    Provider,
    /// Sex or gender.
    Sex,
}

impl Kind {
    /// All kinds, in the order of the law.
    pub const ALL: [Self; 24] = [
        Self::Name,
        Self::Address,
        Self::PostalCode,
        Self::BirthDate,
        Self::Date,
        Self::Age,
        Self::Phone,
        Self::Fax,
        Self::Email,
        Self::Ssn,
        Self::RecordNumber,
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
        Self::Diagnosis,
        Self::Provider,
        Self::Sex,
    ];

    /// Returns the permanent name of this kind, as it is in facts and reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Address => "address",
            Self::PostalCode => "postal-code",
            Self::BirthDate => "birth-date",
            Self::Date => "date",
            Self::Age => "age",
            Self::Phone => "phone",
            Self::Fax => "fax",
            Self::Email => "email",
            Self::Ssn => "ssn",
            Self::RecordNumber => "record-number",
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
            Self::Diagnosis => "diagnosis",
            Self::Provider => "provider",
            Self::Sex => "sex",
        }
    }

    /// Returns the kind of this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Returns the letter of 164.514(b)(2)(i) that names this kind; none for what is no identifier.
    pub fn letter(self) -> Option<char> {
        Some(match self {
            Self::Name => 'A',
            Self::Address | Self::PostalCode => 'B',
            Self::BirthDate | Self::Date | Self::Age => 'C',
            Self::Phone => 'D',
            Self::Fax => 'E',
            Self::Email => 'F',
            Self::Ssn => 'G',
            Self::RecordNumber => 'H',
            Self::HealthPlan => 'I',
            Self::Account => 'J',
            Self::License => 'K',
            Self::Vehicle => 'L',
            Self::Device => 'M',
            Self::Url => 'N',
            Self::Ip => 'O',
            Self::Biometric => 'P',
            Self::Photo => 'Q',
            Self::Other => 'R',
            Self::Diagnosis | Self::Provider | Self::Sex => return None,
        })
    }

    /// Returns how much this kind says about who somebody is.
    pub fn weight(self) -> Weight {
        match self {
            Self::Name
            | Self::Address
            | Self::Phone
            | Self::Fax
            | Self::Email
            | Self::Ssn
            | Self::RecordNumber
            | Self::HealthPlan
            | Self::Account
            | Self::License
            | Self::Vehicle
            | Self::Biometric
            | Self::Photo => Weight::Direct,
            Self::BirthDate
            | Self::PostalCode
            | Self::Date
            | Self::Age
            | Self::Device
            | Self::Url
            | Self::Ip
            | Self::Other
            | Self::Sex => Weight::Indirect,
            Self::Diagnosis | Self::Provider => Weight::Health,
        }
    }
}
