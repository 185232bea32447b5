//! What the system can do: one file a use case.
