//! Who asks: an operator at the command line, or an application with an API key.

use crate::AppError;

/// Who asks, as the ledger names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `operator` or the id of an API key.
    pub id: String,
    /// What the operator called it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
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
    /// Hand out everything that is kept about a person.
    ExportSubjects,
    /// Erase a person.
    EraseSubjects,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 9] = [
        Self::Predict,
        Self::ReadTwins,
        Self::WriteEvents,
        Self::WriteFeeds,
        Self::ReadFeeds,
        Self::DecideFeeds,
        Self::ReadLedger,
        Self::ExportSubjects,
        Self::EraseSubjects,
    ];

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
            Self::ExportSubjects => "subjects:export",
            Self::EraseSubjects => "subjects:erase",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl Caller {
    /// The person at the command line, who holds the keep's secret and may do everything.
    pub fn operator() -> Self {
        Self { id: "operator".to_owned(), name: "operator".to_owned(), scopes: Scope::ALL.to_vec() }
    }

    /// The program itself, acting on what it found.
    pub fn system() -> Self {
        Self { id: "system".to_owned(), name: "system".to_owned(), scopes: Vec::new() }
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
