//! What only a process of its own can show.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "what was measured is printed")]

mod memory;
mod properties;
