//! Real servers, started here on loopback: PostgreSQL and sshd, as an operator would run them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

mod peers;
mod postgres;
mod tunnel;
