//! Detectors of probing: whether somebody asks as one asks who copies a model, or who wants to
//! know whom it has learned from.
//!
//! Rounding answers hardly slows whoever copies a model; knowing who does it helps. So each caller
//! is followed by cheap sequential tests over the features of what they ask, and so are all callers
//! of one address, of one issuer, and all together, so that a run that is divided among ten keys is
//! no smaller.
//!
//! | test | of what | after |
//! |---|---|---|
//! | distance | the rank of a question's Mahalanobis distance among those of real histories | Mahalanobis 1936; Page 1954; Juuti et al. (PRADA) 2019 |
//! | repeats | a question that is nearly, and not, one that was asked before | Lorden 1971; Chen, Carlini, and Wagner 2020 |
//! | members | the same, about somebody whom the model learned from | Broder 1997; Choquette-Choo et al. 2021 |
//! | moments | one twin, asked about at one moment after the other | the same |
//! | volume | different inputs in a day, beside what a copy needs | Tramèr et al. 2016 |
//!
//! # Invariants
//!
//! - Everything here is a pure function of what it is given, in order: it reads no clock, no file,
//!   and no random source.
//! - What is kept of a query is in which part of a variable's distribution its values lie, keyed
//!   digests, and, of the newest ones, when their events were: in memory, and nowhere else.
//! - Memory is bounded: who was not heard of for longest is forgotten first.

mod access;
mod answer_mark;
mod callers;
mod cusum;
mod keyed;
mod parameters;
mod population;
mod stream;
mod trail;

#[cfg(test)]
mod tests;

pub use access::{AccessAlarm, AccessFact, AccessKind, AccessWatch};
pub use answer_mark::{AnswerMark, Compared, Departures, Direction, MarkTest, Stretch, holm};
pub use callers::{Alarm, Asked, Callers, Group, Probing, Question};
pub use cusum::{NormalCusum, Risen, ShareCusum};
pub use keyed::{History, Mark, Members, MixKey};
pub use parameters::{ProbeParameters, ProbeParametersError};
pub use population::{Cells, Population};
