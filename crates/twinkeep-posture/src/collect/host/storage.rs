//! Follows a path down to what stores it: from the mount to the block device, and through the
//! device mapper to what lies under that.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};

use super::{Places, read};
use crate::facts::Known;
use crate::facts::host::{Encryption, Storage, Swap};
use crate::parse::luks::{self, HEADER_BYTES_MAX, Header};

/// A line of `/proc/self/mountinfo`.
struct Mount {
    device: String,
    point: PathBuf,
    kind: String,
    source: String,
    options: String,
}

/// What a path is stored on.
pub(super) fn under(places: &Places, path: &Path) -> Known<Storage> {
    let mounts = match read(&places.proc.join("self/mountinfo")) {
        Ok(text) => text.lines().filter_map(mount).collect::<Vec<_>>(),
        Err(error) => return Known::Unknown(error.to_string()),
    };
    follow(places, &mounts, path, DEPTH_MAX)
}

/// No path lies on more file systems that lie on each other.
const DEPTH_MAX: usize = 8;

fn follow(places: &Places, mounts: &[Mount], path: &Path, depth: usize) -> Known<Storage> {
    // The last mount over the longest point is the one that is seen.
    let mut over: Vec<&Mount> = mounts.iter().filter(|it| path.starts_with(&it.point)).collect();
    over.sort_by_key(|it| it.point.components().count());
    let Some(mount) = over.last() else {
        return Known::Unknown("no mount has it".to_owned());
    };
    let stored = |encryption| {
        Known::Seen(Storage {
            mount_point: mount.point.display().to_string(),
            file_system: mount.kind.clone(),
            encryption,
        })
    };
    if folder_encrypted(path) {
        return stored(Encryption::Folder);
    }
    match mount.kind.as_str() {
        "tmpfs" | "ramfs" => return stored(Encryption::Memory),
        "overlay" => {
            let upper = mount.options.split(',').find_map(|it| it.strip_prefix("upperdir="));
            return match upper {
                Some(upper) if 0 < depth => {
                    follow(places, mounts, Path::new(&unescape(upper)), depth - 1)
                }
                _ => Known::Unknown("its overlay has no upper folder that can be seen".to_owned()),
            };
        }
        _ => {}
    }
    // File systems over several devices have a number of their own; their source is a device.
    let device = if mount.device.starts_with("0:") {
        match device_number(Path::new(&mount.source)) {
            Some(device) => device,
            None => {
                let why = format!("what is under a file system `{}` cannot be seen", mount.kind);
                return Known::Unknown(why);
            }
        }
    } else {
        mount.device.clone()
    };
    match encryption(places, &device, DEPTH_MAX) {
        Ok(encryption) => stored(encryption),
        Err(why) => Known::Unknown(why),
    }
}

fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let before: Vec<&str> = before.split(' ').collect();
    let mut after = after.split(' ');
    Some(Mount {
        device: (*before.get(2)?).to_owned(),
        point: PathBuf::from(unescape(before.get(4)?)),
        kind: after.next()?.to_owned(),
        source: unescape(after.next()?),
        options: after.next().unwrap_or_default().to_owned(),
    })
}

/// Spaces and the like are octal there: `\040`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the file system encrypts this folder (fscrypt): the kernel says so of each file.
fn folder_encrypted(path: &Path) -> bool {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let seen = rustix::fs::statx(rustix::fs::CWD, path, flags, StatxFlags::empty());
    seen.is_ok_and(|it| it.stx_attributes.contains(StatxAttributes::ENCRYPTED))
}

fn device_number(path: &Path) -> Option<String> {
    let number = fs::metadata(path).ok()?.rdev();
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    (number != 0).then(|| format!("{major}:{minor}"))
}

/// What encrypts a block device, or what lies under it: all of that, or it is in the clear.
fn encryption(places: &Places, device: &str, depth: usize) -> Result<Encryption, String> {
    let unknown = |error: io::Error| format!("block device {device} cannot be seen ({error})");
    let folder = fs::canonicalize(places.sys.join("dev/block").join(device)).map_err(unknown)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Ok(uuid) = read(&folder.join("dm/uuid"))
        && is_encrypting(&uuid)
    {
        if header(places, &folder, uuid.trim()).is_some_and(|header| !header.encrypts()) {
            return Ok(Encryption::Nothing { device: name });
        }
        let kind: Vec<&str> = uuid.trim().split('-').take(2).collect();
        return Ok(Encryption::BlockDevice { kind: kind.join("-") });
    }
    if name.starts_with("zram") || name.starts_with("ram") {
        return Ok(Encryption::Memory);
    }
    let mut under = BTreeSet::new();
    if let Ok(entries) = fs::read_dir(folder.join("slaves")) {
        for entry in entries {
            let entry = entry.map_err(unknown)?;
            under.insert(read(&entry.path().join("dev")).map_err(unknown)?.trim().to_owned());
        }
    }
    if under.is_empty() || depth == 0 {
        return Ok(Encryption::Nothing { device: name });
    }
    let mut kind = None;
    for device in under {
        match encryption(places, &device, depth - 1)? {
            Encryption::BlockDevice { kind: found } => kind = Some(found),
            other => return Ok(other),
        }
    }
    Ok(kind.map_or(Encryption::Nothing { device: name }, |kind| Encryption::BlockDevice { kind }))
}

/// Whether the device mapper encrypts a device of this name. `cryptsetup` names those alike that are
/// only checked (`CRYPT-VERITY`, `CRYPT-INTEGRITY`): what lies under them counts.
fn is_encrypting(uuid: &str) -> bool {
    const KINDS: &[&str] = &["BITLK", "FVAULT2", "LOOPAES", "LUKS1", "LUKS2", "PLAIN", "TCRYPT"];
    let kind = uuid.strip_prefix("CRYPT-").and_then(|rest| rest.split('-').next());
    kind.is_some_and(|kind| KINDS.contains(&kind.trim()))
}

/// The header of a LUKS volume, on the device under it, if it can be read there and is that of this
/// volume: one that is kept elsewhere says nothing, and the device mapper counts.
fn header(places: &Places, folder: &Path, uuid: &str) -> Option<Header> {
    let of = uuid.strip_prefix("CRYPT-LUKS")?.split('-').nth(1)?;
    let mut under = fs::read_dir(folder.join("slaves")).ok()?;
    let name = under.next()?.ok()?.file_name().into_string().ok()?;
    // The kernel writes a folder of `/dev` so.
    let device = fs::File::open(places.dev.join(name.replace('!', "/"))).ok()?;
    let mut bytes = Vec::new();
    device.take(HEADER_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let header = luks::parse(&bytes).ok()?;
    (header.uuid.replace('-', "") == of).then_some(header)
}

/// An area that memory is written out to: a device, or a file on one.
pub(super) fn swap(places: &Places, path: &str) -> Swap {
    let at = PathBuf::from(unescape(path));
    let found = match device_number(&at) {
        Some(device) => encryption(places, &device, DEPTH_MAX),
        None => match under(places, &at) {
            Known::Seen(storage) => Ok(storage.encryption),
            Known::Unknown(why) => Err(why),
        },
    };
    let encryption = match found {
        Ok(encryption) => Known::Seen(encryption),
        Err(why) => Known::Unknown(why),
    };
    Swap { path: at.display().to_string(), encryption }
}
