//! Who asks: an operator at the command line, or whoever shows an API key or an access token.

use std::fmt;

use crate::AppError;
use crate::obligation::Obligations;

/// Who asks, as the ledger names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `operator`, or the id of an API key, or an issuer and a digest of whom its token is about.
    pub id: String,
    /// What the operator called it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// What it is to others, as the issuer of its token says.
    pub roles: Vec<String>,
    /// The one person whom it may ask about, as `SITE/IDENTIFIER`; anybody, if there is none.
    pub about: Option<String>,
    /// Why it asks, in the words of HL7 (`TREAT`), if it says so.
    pub purpose: Option<String>,
    /// The reason that it gives to break the glass, if it would.
    pub glass: Option<String>,
    /// In what form it may have answers, once the policy was asked.
    pub obligations: Obligations,
    /// From where it asks, if it does over the network.
    pub from: Option<CallerAddress>,
}

/// The address of a caller, or the network of one, in whatever bits the gate counts addresses by: it
/// can identify a person, and only tells whether two callers ask from the same place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CallerAddress(pub u128);

impl CallerAddress {
    /// Returns what a keyed digest is made of.
    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Debug for CallerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerAddress(hidden)")
    }
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Ask for forecasts from a history in the request.
    Predict,
    /// List twins, and read their state and forecasts.
    ReadTwins,
    /// Record live events.
    WriteEvents,
    /// Deliver sealed feeds.
    WriteFeeds,
    /// List feeds, and look at them in numbers.
    ReadFeeds,
    /// Release or reject feeds that are held.
    DecideFeeds,
    /// Read who did what, in the ledger.
    ReadLedger,
    /// Read what was found wrong, and what was done about it.
    ReadIncidents,
    /// Hand out everything that is kept about a person.
    ExportSubjects,
    /// Erase a person.
    EraseSubjects,
    /// Use model servers behind the gate.
    UseUpstreams,
    /// Do what an operator does, at the listener for operators.
    Administer,
}

impl Scope {
    /// What others than holders of a certificate of the keep's own authority may have. A key can be
    /// read out of a log, and what another authority or an issuer says is theirs to say.
    pub const WITHOUT_CERTIFICATE: [Self; 11] = [
        Self::Predict,
        Self::ReadTwins,
        Self::WriteEvents,
        Self::WriteFeeds,
        Self::ReadFeeds,
        Self::DecideFeeds,
        Self::ReadLedger,
        Self::ReadIncidents,
        Self::ExportSubjects,
        Self::EraseSubjects,
        Self::UseUpstreams,
    ];

    /// All scopes.
    pub const ALL: [Self; Self::WITHOUT_CERTIFICATE.len() + 1] = {
        let mut all = [Self::Administer; Self::WITHOUT_CERTIFICATE.len() + 1];
        let mut at = 0;
        while at < Self::WITHOUT_CERTIFICATE.len() {
            all[at] = Self::WITHOUT_CERTIFICATE[at];
            at += 1;
        }
        all
    };

    /// What a key may do if nobody says: ask, and change nothing.
    pub const DEFAULT: [Self; 2] = [Self::Predict, Self::ReadTwins];

    /// Returns the name on the command line and in the catalog.
    pub fn name(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::ReadTwins => "twins:read",
            Self::WriteEvents => "events:write",
            Self::WriteFeeds => "feeds:write",
            Self::ReadFeeds => "feeds:read",
            Self::DecideFeeds => "feeds:decide",
            Self::ReadLedger => "ledger:read",
            Self::ReadIncidents => "incidents:read",
            Self::ExportSubjects => "subjects:export",
            Self::EraseSubjects => "subjects:erase",
            Self::UseUpstreams => "upstreams:use",
            Self::Administer => "admin",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Reads the name of one that needs no certificate of the keep.
    pub(crate) fn parse_without_certificate(name: &str) -> Option<Self> {
        Self::WITHOUT_CERTIFICATE.into_iter().find(|scope| scope.name() == name)
    }
}

impl Caller {
    /// The person at the command line, who holds the keep's secret and may do everything.
    pub fn operator() -> Self {
        Self { scopes: Scope::ALL.to_vec(), ..Self::named(OPERATOR) }
    }

    /// Returns whether this is the person at the command line.
    pub(crate) fn is_operator(&self) -> bool {
        self.id == OPERATOR
    }

    /// The program itself, acting on what it found.
    pub fn system() -> Self {
        Self::named("system")
    }

    /// Somebody who may do nothing.
    pub fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            scopes: Vec::new(),
            roles: Vec::new(),
            about: None,
            purpose: None,
            glass: None,
            obligations: Obligations::default(),
            from: None,
        }
    }

    /// Refuses whoever may ask about one person only.
    pub(crate) fn require_everybody(&self) -> Result<(), AppError> {
        if self.about.is_none() { Ok(()) } else { Err(foreign_subject()) }
    }

    /// Refuses unless the caller has `scope`.
    pub fn require(&self, scope: Scope) -> Result<(), AppError> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let attempt = format!("the key `{}` lacks the scope `{}`", self.name, scope.name());
        Err(AppError::refused("scope-missing", attempt)
            .hint(format!("make one with `twinkeep key new NAME --scope {}`", scope.name())))
    }
}

const OPERATOR: &str = "operator";

/// Never says whether the other person is here.
pub(crate) fn foreign_subject() -> AppError {
    AppError::refused("subject-foreign", "the access token is about one person, and not this one")
}

/// Returns whether this is a code of a purpose: `TREAT`, `HRESCH`.
pub fn is_purpose(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=PURPOSE_LEN_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// The longest of HL7 has ten.
const PURPOSE_LEN_MAX: usize = 32;
