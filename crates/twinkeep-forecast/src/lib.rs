//! Examples to model; timeline to calibrated forecast; evaluation.
