//! The words of Twinkeep: plain data and its rules, with no dependency but `std`.
//!
//! Everything else in the workspace speaks in these types. They follow the vocabulary of the
//! Medical Event Data Standard (MEDS 0.4): a *subject* has *events*, each with a time, a *code*,
//! and a value; a subject's events in time order are its *timeline*.
//!
//! # Invariants
//!
//! - No type here can be serialised: nothing about a person is written by accident. The crate
//!   that owns a format converts to a private wire type.
//! - A type that can identify a person hides itself in `Debug` and has no `Display`.
//! - Nothing here reads a clock, a file, or a random source.

mod event;
mod forecast;
pub mod limits;
mod pack;
mod screened;
mod split;
mod subject;
mod tensor;
mod time;

pub use event::{Code, Cohort, Event, Events, Timeline};
pub use forecast::{
    Basis, EventPoint, Forecast, ForecastPoint, OUTER, QUANTILES, TargetForecast, WindowAnswer,
    WindowForecast,
};
pub use pack::{
    AttackKind, CodeList, CodePattern, Distinct, EventPlan, ForecastPlan, GroupRange, Noise,
    NotePlan, ObservedUntil, OtherCodes, Pack, PackError, Privacy, PrivacyLimits, Range, Rule,
    Screening, Sex, Subgroup, SubgroupBy, SubjectCodes, UnitConversion, Variable, VariableKind,
    VariableRules, WindowKind, WindowTarget, Words,
};
pub use screened::Screened;
pub use split::{Split, SplitPlan};
pub use subject::{SourceSubject, Subject};
pub use tensor::{Tensor, TensorData};
pub use time::Timestamp;
