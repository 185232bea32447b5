//! A subject's live state and its charts.
