//! What went wrong, for the person who must act: what was attempted, why it failed, what to do.

use std::error::Error;
use std::fmt;

/// Who can mend it; decides the exit code of the program and the status of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The system did its duty and said no: a bad signature, an unknown subject, a limit.
    Refused,
    /// The request or the configuration is wrong.
    Usage,
    /// The disk, the network, or the operating system failed.
    Environment,
}

/// A use case that did not succeed.
pub struct AppError {
    attempt: String,
    code: &'static str,
    class: Class,
    hint: Option<String>,
    wait: Option<u64>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AppError {
    /// Says no: the system did its duty.
    pub fn refused(code: &'static str, attempt: impl Into<String>) -> Self {
        Self::new(Class::Refused, code, attempt.into())
    }

    /// Says that the request or the configuration is wrong.
    pub fn usage(code: &'static str, attempt: impl Into<String>) -> Self {
        Self::new(Class::Usage, code, attempt.into())
    }

    /// Says that the machine failed.
    pub fn environment(code: &'static str, attempt: impl Into<String>) -> Self {
        Self::new(Class::Environment, code, attempt.into())
    }

    fn new(class: Class, code: &'static str, attempt: String) -> Self {
        Self { attempt, code, class, hint: None, wait: None, source: None }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds after how many seconds it is worth another try.
    #[must_use]
    pub fn worth_another_try_after(mut self, seconds: u64) -> Self {
        self.wait = Some(seconds);
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Returns the permanent name, used by the API, the ledger, and the docs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Returns who can mend it.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Returns after how many seconds it is worth another try, if time mends it.
    pub fn wait_seconds(&self) -> Option<u64> {
        self.wait
    }

    /// Returns the next step, if it is known.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.attempt)
    }
}

impl fmt::Debug for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppError({}: {}", self.code, self.attempt)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        f.write_str(")")
    }
}

impl Error for AppError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
