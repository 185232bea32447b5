//! Collects facts about a computer: it reads `/proc`, `/sys`, and `/etc`, and asks `auditctl`,
//! `nft`, and `sshd`. It changes nothing; a canary makes audit events, if that is asked for.
//!
//! Whatever cannot be read, or asked, is a fact that is unknown.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{keep_folder, tree};
use crate::facts::Known;
use crate::facts::file::{File, FileKind};
use crate::facts::host::{CoreDumps, Host, Listener, Protocol, SensitivePath, Storage, Swap, Tree};

mod audit;
mod storage;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// Where things are.
#[derive(Clone, Debug)]
pub struct Places {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/etc`.
    pub etc: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
    /// The newest log of `auditd`.
    pub audit_log: PathBuf,
}

impl Default for Places {
    fn default() -> Places {
        Places {
            proc: "/proc".into(),
            sys: "/sys".into(),
            etc: "/etc".into(),
            dev: "/dev".into(),
            audit_log: "/var/log/audit/audit.log".into(),
        }
    }
}

/// Whether to make audit events and look for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// Make them.
    Make,
    /// Make none.
    Leave,
}

/// Looks at a computer, and at the folders on it that have to be protected.
pub fn collect(places: &Places, sensitive: &[&Path], canary: Canary, taken_us: i64) -> Host {
    Host {
        taken_us,
        sensitive: sensitive.iter().map(|path| sensitive_path(places, path, canary)).collect(),
        audit: audit::collect(places, canary, taken_us),
        firewall: firewall(),
        listeners: known(listeners(places)),
        swaps: known(swaps(places)),
        core_dumps: known(core_dumps(places)),
        clock_daemons: known(clock_daemons(places)),
        ssh: ssh(places),
    }
}

/// Follows a path, of which no part is a link, down to what encrypts it.
pub(crate) fn storage_of(places: &Places, path: &Path) -> Known<Storage> {
    storage::under(places, path)
}

/// No small file of the system is longer.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// More files of a folder are not looked at.
const FILES_MAX: u64 = 1_000_000;

/// More of those that are open to others are not named.
const OPEN_FILES_MAX: usize = 1000;

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(TEXT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn known<T>(found: io::Result<T>) -> Known<T> {
    match found {
        Ok(fact) => Known::Seen(fact),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// What a program of the system says; why not, if it cannot be asked.
fn ask(program: &str, arguments: &[&str]) -> Result<String, String> {
    let asked = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null())
        .output();
    match asked {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(_) => Err(format!("`{program}` refused; run the scan as root")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("`{program}` is not installed"))
        }
        Err(error) => Err(format!("`{program}` could not be run ({error})")),
    }
}

fn sensitive_path(places: &Places, path: &Path, canary: Canary) -> SensitivePath {
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) => {
            let why = error.to_string();
            return SensitivePath {
                path: path.display().to_string(),
                chain: Known::Unknown(why.clone()),
                tree: Known::Unknown(why.clone()),
                storage: Known::Unknown(why.clone()),
                recorded: Known::Unknown(why),
            };
        }
    };
    SensitivePath {
        path: real.display().to_string(),
        chain: known(real.ancestors().map(tree::file).collect()),
        tree: known(look_into(&real)),
        storage: storage::under(places, &real),
        recorded: audit::opened(&places.audit_log, &real, canary),
    }
}

/// The bits of a mode that give anything to the group or to others.
const OTHERS: u32 = 0o077;

/// Those that let them change something.
const CHANGE: u32 = 0o022;

fn look_into(root: &Path) -> io::Result<Tree> {
    let mut found = Tree::default();
    let owner = fs::symlink_metadata(root)?.uid();
    // A folder comes before what is in it.
    let mut keeps: Vec<PathBuf> = root.ancestors().skip(1).map(Path::to_path_buf).collect();
    keeps.retain(|folder| keep_folder::is_keep(folder));
    let mut see = |file: File, path: &Path| {
        if file.kind == FileKind::Folder && keep_folder::is_keep(path) {
            keeps.push(path.to_path_buf());
        }
        found.count += 1;
        if file.acl.is_none() {
            found.unread += 1;
        }
        // What root owns is open to nobody who could not open it anyway.
        let is_others = file.uid != owner && file.uid != 0;
        // What a keep shows may be read, and not changed.
        let (open, forbidden) = match keeps.iter().any(|root| keep_folder::is_shown(root, path)) {
            true => (&mut found.shown, CHANGE),
            false => (&mut found.open, OTHERS),
        };
        let is_open = file.mode & forbidden != 0 || file.acl == Some(true) || is_others;
        if is_open && file.kind != FileKind::Link && open.len() < OPEN_FILES_MAX {
            open.push(file);
        }
    };
    let cut = tree::walk(root, FILES_MAX, &mut see)?;
    found.cut = cut;
    Ok(found)
}

fn firewall() -> Known<serde_json::Value> {
    let said = ask("nft", &["-j", "list", "ruleset"]);
    match said.and_then(|text| {
        serde_json::from_str(&text).map_err(|_| "`nft` said something that is no JSON".to_owned())
    }) {
        Ok(rules) => Known::Seen(rules),
        Err(why) => Known::Unknown(why),
    }
}

fn listeners(places: &Places) -> io::Result<Vec<Listener>> {
    let mut found = Vec::new();
    let tables = [
        ("tcp", Protocol::Tcp),
        ("tcp6", Protocol::Tcp),
        ("udp", Protocol::Udp),
        ("udp6", Protocol::Udp),
    ];
    for (name, protocol) in tables {
        match read(&places.proc.join("net").join(name)) {
            Ok(text) => {
                let lines = text.lines().skip(1);
                found.extend(lines.filter_map(|line| listener(line, protocol)));
            }
            // A kernel without IPv6 has no such table.
            Err(error) if name.ends_with('6') && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// A line of `/proc/net/tcp` or `udp`: number, local address, remote address, state, ..., user.
fn listener(line: &str, protocol: Protocol) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    // A socket of UDP that is not connected to anybody, which the kernel calls closed, takes what
    // anybody sends.
    let open = match protocol {
        Protocol::Tcp => "0A",
        Protocol::Udp => "07",
    };
    if *fields.get(3)? != open {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    let words: Vec<u32> = address
        .as_bytes()
        .chunks(8)
        .map(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    // The kernel prints words of network order as numbers of this machine.
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let address = match bytes.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener { address, port, protocol, uid: fields.get(7)?.parse().ok()? })
}

fn swaps(places: &Places) -> io::Result<Vec<Swap>> {
    let text = read(&places.proc.join("swaps"))?;
    let paths = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    Ok(paths.map(|path| storage::swap(places, path)).collect())
}

fn core_dumps(places: &Places) -> io::Result<CoreDumps> {
    let pattern = read(&places.proc.join("sys/kernel/core_pattern"))?.trim().to_owned();
    let limits = read(&places.proc.join("1/limits"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    let limit = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("unlimited");
    // What stands in parts of the file comes after it, by name, and the last word holds.
    let parts = fs::read_dir(places.etc.join("systemd/coredump.conf.d"));
    let mut files: Vec<PathBuf> =
        parts.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    files.insert(0, places.etc.join("systemd/coredump.conf"));
    let texts: Vec<String> = files.iter().filter_map(|path| read(path).ok()).collect();
    let settings = texts.join("\n");
    let mut storage = settings.lines().filter_map(|line| line.trim().strip_prefix("Storage="));
    Ok(CoreDumps {
        pattern,
        limit: limit.to_owned(),
        storage: storage.next_back().map(|it| it.trim().to_owned()),
    })
}

/// The programs that set the clock, as the kernel shortens their names.
const CLOCK_DAEMONS: &[&str] = &["chronyd", "ntpd", "openntpd", "systemd-timesyn", "ptp4l"];

fn clock_daemons(places: &Places) -> io::Result<Vec<String>> {
    let mut found: Vec<String> = running(places)?
        .into_iter()
        .filter(|name| CLOCK_DAEMONS.contains(&name.as_str()))
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The names of all programs that run.
fn running(places: &Places) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(&places.proc)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if number.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(name) = read(&path.join("comm"))
        {
            names.push(name.trim().to_owned());
        }
    }
    Ok(names)
}

fn ssh(places: &Places) -> Known<Option<BTreeMap<String, Vec<String>>>> {
    // The usual place, as `sshd` is run by its whole path only.
    let program = Path::new("/usr/sbin/sshd");
    if !program.exists() {
        return Known::Seen(None);
    }
    let config = places.etc.join("ssh/sshd_config");
    let Some(config) = config.to_str() else {
        return Known::Unknown("the path of its settings is no text".to_owned());
    };
    // It works out what its settings, those that they include, and its own defaults come to.
    match ask("/usr/sbin/sshd", &["-T", "-f", config]) {
        Ok(text) => {
            let mut found = settings(&text, ' ');
            let blocks = ssh_blocks(places);
            if !blocks.is_empty() {
                found.insert("match".to_owned(), blocks);
            }
            Known::Seen(Some(found))
        }
        Err(why) => Known::Unknown(why),
    }
}

/// The names of settings in blocks for some people or addresses (`Match`), which `sshd -T` leaves
/// out; `include` if there are files elsewhere that nobody looked into.
fn ssh_blocks(places: &Places) -> Vec<String> {
    let usual = places.etc.join("ssh/sshd_config.d");
    let mut files = vec![places.etc.join("ssh/sshd_config")];
    files.extend(fs::read_dir(&usual).into_iter().flatten().flatten().map(|entry| entry.path()));
    let mut found = Vec::new();
    for text in files.iter().filter_map(|path| read(path).ok()) {
        let mut inside = false;
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let name = line.split([' ', '\t', '=']).next().unwrap_or_default();
            let name = name.to_ascii_lowercase();
            if name == "match" {
                inside = true;
            } else if name == "include" && !line.contains("/etc/ssh/sshd_config.d/")
                || inside && !name.is_empty()
            {
                found.push(name);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Settings, a line each, by name in small letters; one that occurs twice has two values.
fn settings(text: &str, between: char) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some((name, value)) = line.split_once(between) {
            let name = name.trim().to_ascii_lowercase();
            found.entry(name).or_default().push(value.trim().to_owned());
        }
    }
    found
}
