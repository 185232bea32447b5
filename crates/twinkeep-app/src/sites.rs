//! Sites: whose record numbers a source speaks in.
//!
//! Record 10001 of one hospital and record 10001 of another are two people, so a pseudonym is made
//! from the site and the identifier. The operator says which site a sender speaks for; a sender
//! cannot choose another's, and so cannot write into another's patients.

use twinkeep_domain::{SourceSubject, Subject};
use twinkeep_vault::Pseudonymizer;

use crate::caller::foreign_subject;
use crate::{App, AppError, Caller};

/// Refuses a name that cannot be typed, shown, or told apart from an identifier.
pub(crate) fn check_site(name: &str) -> Result<(), AppError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=SITE_LEN_MAX).contains(&name.len()) && name.chars().all(valid) {
        return Ok(());
    }
    let attempt =
        format!("a site is named by 1 to {SITE_LEN_MAX} letters, digits, `-`, `_`, and `.`");
    Err(AppError::usage("site-name", attempt))
}

impl App {
    /// Returns what makes pseudonyms for a site.
    pub(crate) fn site_pseudonyms(&self, site: &str) -> Pseudonymizer {
        self.pseudonyms.for_site(site)
    }

    /// Returns every site that a feed or a sender has named.
    pub(crate) fn sites(&self) -> Result<Vec<String>, AppError> {
        let text = self.store.setting(SITES)?.unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Remembers a site, so that its identifiers are found without naming it.
    pub(crate) fn remember_site(&self, site: &str) -> Result<(), AppError> {
        if self.sites()?.iter().any(|known| known == site) {
            return Ok(());
        }
        Ok(self.store.add_to_setting(SITES, site)?)
    }

    /// Returns the site that a sender speaks for.
    pub(crate) fn sender_site(&self, key_id: &str) -> Result<Option<String>, AppError> {
        Ok(self.store.setting(&sender_site_key(key_id))?)
    }

    /// Takes a pseudonym, `SITE/IDENTIFIER`, or an identifier that only one site uses.
    pub(crate) fn find_subject(&self, text: &str) -> Result<Subject, AppError> {
        if let Some(subject) = Subject::parse(text) {
            return Ok(subject);
        }
        let sites = self.sites()?;
        let named =
            text.split_once('/').filter(|(site, _)| sites.iter().any(|known| known == site));
        if let Some((site, identifier)) = named {
            return self.pseudonym_at(site, identifier).ok_or_else(unknown_subject);
        }
        let mut found = Vec::new();
        for site in &sites {
            if let Some(subject) = self.pseudonym_at(site, text)
                && self.store.subject(subject)?.is_some()
            {
                found.push(subject);
            }
        }
        match found[..] {
            [subject] => Ok(subject),
            [] => Err(unknown_subject()),
            _ => Err(AppError::refused("subject-ambiguous", "several sites use this identifier")
                .hint(format!("name the site: SITE/IDENTIFIER; sites are {}", sites.join(", ")))),
        }
    }

    /// As [`App::find_subject`], for who may perhaps ask about one person only.
    pub(crate) fn find_for(&self, caller: &Caller, text: &str) -> Result<Subject, AppError> {
        let Some((site, own)) = caller.about.as_ref().and_then(|about| about.split_once('/'))
        else {
            return self.find_subject(text);
        };
        // Whether anybody else is here is not theirs to know.
        let subject = self.find_subject(text).map_err(|_| foreign_subject())?;
        if self.pseudonym_at(site, own) == Some(subject) || Subject::parse(own) == Some(subject) {
            return Ok(subject);
        }
        Err(foreign_subject())
    }

    fn pseudonym_at(&self, site: &str, identifier: &str) -> Option<Subject> {
        let source = SourceSubject::new(identifier)?;
        Some(self.site_pseudonyms(site).pseudonym(&source))
    }
}

/// Never says what was asked for: it may be somebody's record number.
pub(crate) fn unknown_subject() -> AppError {
    AppError::refused("subject-unknown", "there is no such twin in this keep")
        .hint("`twinkeep twin list` lists them; a source's own identifier works too")
}

pub(crate) fn sender_site_key(key_id: &str) -> String {
    format!("sender-site/{key_id}")
}

/// The site of plain feeds that name none.
pub(crate) const LOCAL_SITE: &str = "local";

/// Where the catalog keeps the names, one a line.
const SITES: &str = "sites";

const SITE_LEN_MAX: usize = 64;
