//! Model versions: signed, verified, released, quarantined.
