//! The system calls that no safe crate has: those of fanotify, handles of files, and waiting.
//!
//! # Invariants
//!
//! - Nothing is decided here: each function is one call, its arguments, and what it returned.
#![expect(unsafe_code, reason = "no safe crate has fanotify with process descriptors")]

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Makes a group that is told of what happens to the files it marks.
pub(super) fn init(flags: u32, event_flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes two numbers, and touches no memory of ours.
    let fd = unsafe { libc::fanotify_init(flags, event_flags.cast_unsigned()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just opened it, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Adds a mark to a file or folder, which is not followed if it is a link.
pub(super) fn mark(group: BorrowedFd<'_>, mask: u64, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = libc::FAN_MARK_ADD | libc::FAN_MARK_DONT_FOLLOW;
    // SAFETY: `path` ends with a zero and lives longer than the call.
    let done = unsafe {
        libc::fanotify_mark(group.as_raw_fd(), flags, mask, libc::AT_FDCWD, path.as_ptr())
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits until there is something to be read, and returns whether there is.
pub(super) fn readable(fd: BorrowedFd<'_>, millis_max: i32) -> io::Result<bool> {
    let mut asked = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: `asked` is one element, and lives longer than the call.
    match unsafe { libc::poll(&raw mut asked, 1, millis_max) } {
        1.. => Ok(true),
        0 => Ok(false),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}

/// Takes over a descriptor that came with an event; none where the event has none.
///
/// `raw` must be what the kernel has written into an event that was read just now, and be taken
/// over once.
pub(super) fn adopt(raw: i32) -> Option<OwnedFd> {
    // SAFETY: whoever reads an event owns the descriptors in it; records.rs gives each out once.
    (raw >= 0).then(|| unsafe { OwnedFd::from_raw_fd(raw) })
}

/// A handle as the kernel writes it: lengths, a kind, and bytes.
#[repr(C)]
struct Handle {
    len: u32,
    kind: i32,
    bytes: [u8; HANDLE_LEN_MAX],
}

/// Returns the kind and bytes by which events name a file or folder.
pub(super) fn handle_of(path: &Path) -> io::Result<(i32, Vec<u8>)> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let (mut mount, mut handle) =
        (0, Handle { len: HANDLE_LEN_MAX as u32, kind: 0, bytes: [0; HANDLE_LEN_MAX] });
    // SAFETY: `handle` has room for as many bytes as its `len` says, is laid out as
    // `struct file_handle`, and all pointers live longer than the call.
    let done = unsafe {
        libc::name_to_handle_at(
            libc::AT_FDCWD,
            path.as_ptr(),
            (&raw mut handle).cast::<libc::file_handle>(),
            &raw mut mount,
            0,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    let len = (handle.len as usize).min(HANDLE_LEN_MAX);
    Ok((handle.kind, handle.bytes[..len].to_vec()))
}

/// Opens a file by its handle, only to ask what it is; it need not have a name any more.
pub(super) fn open_handle(mount: BorrowedFd<'_>, kind: i32, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut handle = Handle { len: 0, kind, bytes: [0; HANDLE_LEN_MAX] };
    let room = handle.bytes.get_mut(..bytes.len()).ok_or(io::ErrorKind::InvalidInput)?;
    room.copy_from_slice(bytes);
    handle.len = bytes.len() as u32;
    // SAFETY: as above; the call reads `len` bytes.
    let fd = unsafe {
        libc::open_by_handle_at(
            mount.as_raw_fd(),
            (&raw mut handle).cast::<libc::file_handle>(),
            libc::O_PATH | libc::O_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just opened it, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What the kernel's `MAX_HANDLE_SZ` says.
pub(super) const HANDLE_LEN_MAX: usize = 128;

const _: () = assert!(size_of::<Handle>() == 8 + HANDLE_LEN_MAX);
