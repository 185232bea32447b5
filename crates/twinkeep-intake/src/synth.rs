//! The synthesiser.
