//! What only a process of its own can show.

mod memory;
