//! Memory for keys that the system neither writes to swap nor to a core dump, and where the kernel
//! can, that nobody else reads: not even root, and not by way of the kernel (`memfd_secret`).
//!
//! Keys are small and many, and the system locks memory by the page, of which a process may lock
//! few. So keys share pages: a slab is a run of pages, cut into slots of one key each.
//!
//! # Invariants
//!
//! - A slot belongs to one [`Slot`] at a time, and is all zero while it belongs to none.
//! - Pages of a slab hold keys only, and are never returned to the system.
//! - Where the kernel has no secret memory, or takes no more of it, pages are locked and left out
//!   of dumps. Where it refuses that, too (`RLIMIT_MEMLOCK`), keys still work, and
//!   [`Slot::is_locked`] says so.
#![expect(unsafe_code, reason = "no safe crate maps, locks, and advises memory")]

use std::ffi::c_void;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::ftruncate;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap, mmap_anonymous};
use zeroize::Zeroize as _;

/// Room for one key.
pub(super) struct Slot {
    place: Place,
}

#[derive(Clone, Copy)]
struct Place {
    bytes: NonNull<[u8; SLOT_LEN]>,
    locked: bool,
}

// SAFETY: a place is plain memory that lives as long as the process, and is used by the one
// `Slot` that has it, or by nobody while it is in the list of free ones.
unsafe impl Send for Place {}
// SAFETY: a shared `Slot` gives out shared references only.
unsafe impl Sync for Place {}

/// The places that nobody has. One list for the process, as the limit on locked memory is.
static FREE: Mutex<Vec<Place>> = Mutex::new(Vec::new());

impl Slot {
    /// Takes a slot; it is all zero.
    pub(super) fn take() -> Self {
        let mut free = lock_free();
        if free.is_empty() {
            map_slab(&mut free);
        }
        let place = free.pop().unwrap_or_else(heap_place);
        Self { place }
    }

    /// Returns whether the system keeps the slot out of swap.
    pub(super) fn is_locked(&self) -> bool {
        self.place.locked
    }

    pub(super) fn bytes(&self) -> &[u8; SLOT_LEN] {
        // SAFETY: the place is valid, was initialised, and nobody else has it.
        unsafe { self.place.bytes.as_ref() }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8; SLOT_LEN] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { self.place.bytes.as_mut() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        lock_free().push(self.place);
    }
}

fn lock_free() -> MutexGuard<'static, Vec<Place>> {
    // A panic elsewhere cannot have left the list half changed: it is pushed to and popped from.
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds the slots of a new slab; adds none if the system has no memory to map.
fn map_slab(free: &mut Vec<Place>) {
    let Some((start, locked)) = map_secret().or_else(map_locked) else { return };
    for index in 0..SLAB_LEN / SLOT_LEN {
        // SAFETY: the offset lies within the mapping.
        let address = unsafe { start.cast::<u8>().add(index * SLOT_LEN) };
        if let Some(bytes) = NonNull::new(address.cast()) {
            free.push(Place { bytes, locked });
        }
    }
}

/// Maps a slab of which the kernel itself loses sight (Linux 5.14): what reads the memory of other
/// processes does not get it, and neither does a fault of the kernel. It is locked, and never
/// dumped.
fn map_secret() -> Option<(*mut c_void, bool)> {
    let file = secret_file()?;
    ftruncate(&file, SLAB_LEN as u64).ok()?;
    // SAFETY: a new mapping at an address that the system chooses touches nothing else. The file
    // has no name and its descriptor is closed here, so that nobody else maps it.
    let start = unsafe {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        mmap(ptr::null_mut(), SLAB_LEN, access, MapFlags::SHARED, &file, 0)
    };
    let start = start.ok()?;
    // SAFETY: the range is the mapping that was just made. A child would share it.
    let own = unsafe { madvise(start, SLAB_LEN, Advice::LinuxDontFork) };
    Some((start, own.is_ok()))
}

/// Makes a file in secret memory; `None` where the kernel has none to give.
pub(super) fn secret_file() -> Option<OwnedFd> {
    // SAFETY: the call takes flags, and returns a new file descriptor or an error.
    let number = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let number = i32::try_from(number).ok().filter(|number| 0 <= *number)?;
    // SAFETY: the descriptor was just made, and nobody else has it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Maps a slab that is locked and left out of dumps, if the system agrees to that.
fn map_locked() -> Option<(*mut c_void, bool)> {
    // SAFETY: a new private mapping at an address that the system chooses touches nothing else.
    let start = unsafe {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        mmap_anonymous(ptr::null_mut(), SLAB_LEN, access, MapFlags::PRIVATE)
    };
    let start = start.ok()?;
    // SAFETY: the range is the mapping that was just made. Both calls change how the system
    // treats the pages, not what is in them.
    let locked = unsafe {
        let hidden = madvise(start, SLAB_LEN, Advice::LinuxDontDump).is_ok();
        mlock(start, SLAB_LEN).is_ok() && hidden
    };
    Some((start, locked))
}

/// Room in ordinary memory, for when the system maps none.
fn heap_place() -> Place {
    let bytes = NonNull::from(Box::leak(Box::new([0; SLOT_LEN])));
    Place { bytes, locked: false }
}

/// Asks the system to leave a range out of core dumps, or to put it back in.
///
/// Only pages that lie wholly within the range are concerned: the others hold foreign data.
pub(super) fn hide_from_dumps(start: *const u8, length: usize, hidden: bool) {
    let page = rustix::param::page_size();
    let first = start.addr().next_multiple_of(page);
    let end = (start.addr() + length) / page * page;
    if end <= first {
        return;
    }
    let advice = if hidden { Advice::LinuxDontDump } else { Advice::LinuxDoDump };
    let address = start.wrapping_add(first - start.addr());
    // SAFETY: the advice changes neither the content of memory nor access to it. Failure is
    // accepted: a process that must not be dumped says so itself (`process`).
    let _ = unsafe { madvise(address.cast_mut().cast::<c_void>(), end - first, advice) };
}

/// Bytes of a key.
const SLOT_LEN: usize = 32;

/// Bytes of a slab: 512 keys. `RLIMIT_MEMLOCK` is 64 KiB on old systems, 8 MiB on new ones.
const SLAB_LEN: usize = 16 * 1024;
