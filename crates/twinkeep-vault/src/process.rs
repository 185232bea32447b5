//! What the process itself must not do: leave its memory behind, or run out of files.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, geteuid, getrlimit, set_dumpable_behavior, setrlimit,
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

/// Lets the process have `wanted` files and connections open, as far as the system allows; returns
/// how many it may have. Never lowers the limit.
pub fn raise_open_files(wanted: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let now = current.unwrap_or(u64::MAX);
    let target = wanted.min(maximum.unwrap_or(u64::MAX));
    if target <= now {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(target), maximum }) {
        Ok(()) => target,
        Err(_) => now,
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit};

    use super::raise_open_files;

    #[test]
    fn open_files_are_never_made_fewer() {
        let now = raise_open_files(0);
        assert_eq!(now, getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX));
        assert!(0 < now);
        assert!(now <= raise_open_files(now + 1));
        assert_eq!(raise_open_files(1), raise_open_files(0));
    }
}
