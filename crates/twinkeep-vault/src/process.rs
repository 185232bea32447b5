//! What the process itself must not do: leave its memory behind.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, geteuid, set_dumpable_behavior, setrlimit,
};

/// Returns the number of the user whose rights the process has.
pub fn effective_user() -> u32 {
    geteuid().as_raw()
}

/// Forbids core dumps and reading of this process's memory by others of the same user.
///
/// Returns whether the system agreed to both; the caller warns if not.
pub fn forbid_core_dumps() -> bool {
    let limit = Rlimit { current: Some(0), maximum: Some(0) };
    let no_core = setrlimit(Resource::Core, limit).is_ok();
    let not_dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    no_core && not_dumpable
}
