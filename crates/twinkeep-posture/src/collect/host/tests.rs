//! Tests of what is collected about a computer, on trees of files as the kernel shows them.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Canary, Places, collect, listeners, ssh, storage};
use crate::facts::host::{Encryption, Host, Storage};
use crate::facts::{Facts, Known};
use crate::rules::find;

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A computer with a disk, a LUKS volume on it, a logical volume on that, and another beside it.
fn computer(root: &Path) -> Places {
    let places = Places {
        proc: root.join("proc"),
        sys: root.join("sys"),
        etc: root.join("etc"),
        audit_log: root.join("audit.log"),
    };
    put(
        &places.proc.join("self/mountinfo"),
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
         22 21 254:1 / /srv/with\\040space rw - ext4 /dev/mapper/data rw\n\
         23 21 254:2 / /mixed rw - ext4 /dev/mapper/mixed rw\n\
         24 21 0:30 / /run rw - tmpfs tmpfs rw\n\
         25 21 0:31 / /share rw - nfs4 server:/share rw\n\
         26 21 0:32 / /over rw - overlay overlay rw,lowerdir=/a,upperdir=/srv/with\\040space/up\n",
    );
    let block = |device: &str, name: &str, uuid: Option<&str>, under: &[&str]| {
        let folder = places.sys.join("devices").join(name);
        fs::create_dir_all(folder.join("slaves")).unwrap();
        put(&folder.join("dev"), &format!("{device}\n"));
        if let Some(uuid) = uuid {
            put(&folder.join("dm/uuid"), uuid);
        }
        for name in under {
            symlink(places.sys.join("devices").join(name), folder.join("slaves").join(name))
                .unwrap();
        }
        fs::create_dir_all(places.sys.join("dev/block")).unwrap();
        symlink(&folder, places.sys.join("dev/block").join(device)).unwrap();
    };
    block("8:1", "sda1", None, &[]);
    block("8:2", "sda2", None, &[]);
    block("254:0", "dm-0", Some("CRYPT-LUKS2-0123456789abcdef-crypt\n"), &["sda2"]);
    block("254:1", "dm-1", Some("LVM-abc\n"), &["dm-0"]);
    block("254:2", "dm-2", Some("LVM-abd\n"), &["dm-0", "sda1"]);
    places
}

#[test]
fn a_path_is_followed_down_to_what_encrypts_it() {
    let folder = tempfile::tempdir().unwrap();
    let places = computer(folder.path());
    let of = |path: &str| match storage::under(&places, Path::new(path)) {
        Known::Seen(Storage { encryption, .. }) => Some(encryption),
        Known::Unknown(_) => None,
    };
    let luks = || Some(Encryption::BlockDevice { kind: "CRYPT-LUKS2".into() });
    let clear = |device: &str| Some(Encryption::Nothing { device: device.into() });
    assert_eq!(of("/etc"), clear("sda1"));
    assert_eq!(of("/srv/with space/keep"), luks());
    assert_eq!(of("/srv/with"), clear("sda1"));
    // A volume of which a part lies in the clear is in the clear.
    assert_eq!(of("/mixed/keep"), clear("sda1"));
    assert_eq!(of("/run/keep"), Some(Encryption::Memory));
    assert_eq!(of("/share/keep"), None);
    assert_eq!(of("/over/keep"), luks());
}

#[test]
fn a_socket_that_listens_is_seen_with_its_address() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let found = listeners(&Places::default()).unwrap();
    let seen = found.iter().find(|it| it.port == port).unwrap();
    assert!(seen.address.is_loopback());
}

#[test]
fn a_computer_that_shows_nothing_is_unknown_and_not_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        proc: folder.path().join("none"),
        sys: folder.path().join("none"),
        etc: folder.path().join("none"),
        audit_log: folder.path().join("none"),
    };
    let missing = folder.path().join("missing");
    let host = collect(&places, &[&missing, folder.path()], Canary::Leave, 0);
    assert!(host.listeners.seen().is_err() && host.swaps.seen().is_err());
    assert!(host.sensitive.iter().all(|it| it.storage.seen().is_err()));
    assert!(host.sensitive[0].tree.seen().is_err());
    assert_eq!(host.sensitive[1].tree.seen().unwrap().count, 1);
    assert!(host.audit.canary.seen().is_err());
}

/// The installed `sshd` works out what its files come to; where it is not installed or may not run,
/// nobody knows, and that is what is said.
#[test]
fn what_sshd_makes_of_its_files_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { etc: folder.path().to_path_buf(), ..Places::default() };
    let key = folder.path().join("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    let config = |text: &str| {
        let head = format!("HostKey {}\n", key.display());
        put(&folder.path().join("ssh/sshd_config"), &(head + text));
    };
    config("");
    let installed =
        made.is_ok_and(|status| status.success()) && matches!(ssh(&places), Known::Seen(Some(_)));
    if !installed {
        let _ = writeln!(std::io::stderr(), "skipped: `sshd` is not installed, or may not run");
        return;
    }
    let words = |text: &str| {
        config(text);
        let host = Host { ssh: ssh(&places), ..Host::default() };
        let facts = Facts::from(host);
        ["host-ssh-password", "host-ssh-root", "host-ssh-idle"]
            .map(|rule| find(rule).unwrap().check.judge(&facts).unwrap()[0].outcome.word())
    };
    // What is not said is as `sshd` has it: passwords, none for root, and sessions without an end.
    assert_eq!(words(""), ["fail", "pass", "fail"]);
    let good = "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\n\
                ClientAliveInterval 300\nClientAliveCountMax 2\n";
    assert_eq!(words(good), ["pass"; 3]);
    // The first word holds, and it may be in another file.
    let other = folder.path().join("other.conf");
    put(&other, "PasswordAuthentication yes\nPermitRootLogin yes\nClientAliveCountMax 0\n");
    let with = format!("Include {}\n{good}", other.display());
    assert_eq!(words(&with), ["fail"; 3]);
    assert_eq!(words("NoSuchSetting yes\n"), ["not-checked"; 3]);
}
