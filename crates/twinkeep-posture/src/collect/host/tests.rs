//! Tests of what is collected about a computer, on trees of files as the kernel shows them.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use super::testing::{Auditd, Disk, auditctl, cryptsetup, is_root};
use super::{Canary, Places, audit, collect, listeners, ssh, storage};
use crate::facts::host::{Encryption, Host, Listener, Protocol, Storage};
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
        dev: root.join("dev"),
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

/// `integritysetup` and `veritysetup` name their devices alike, and encrypt nothing.
#[test]
fn a_device_that_is_only_checked_is_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let places = computer(folder.path());
    let of = |uuid: &str| {
        put(&places.sys.join("devices/dm-0/dm/uuid"), uuid);
        let found = storage::under(&places, Path::new("/srv/with space/keep"));
        found.seen().unwrap().encryption.clone()
    };
    for uuid in ["CRYPT-INTEGRITY-data\n", "CRYPT-VERITY-0123456789abcdef-data\n"] {
        assert_eq!(of(uuid), Encryption::Nothing { device: "sda2".into() }, "{uuid}");
    }
    let plain = Encryption::BlockDevice { kind: "CRYPT-PLAIN".into() };
    assert_eq!(of("CRYPT-PLAIN-data\n"), plain);
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
fn a_socket_that_takes_datagrams_from_anybody_is_seen() {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let seen = || {
        let found = listeners(&Places::default()).unwrap().into_iter();
        let is_it = |it: &Listener| it.port == port && it.protocol == Protocol::Udp;
        found.filter(is_it).map(|it| it.address.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(seen(), ["0.0.0.0"]);
    // One that is connected takes what its peer sends, and nothing else.
    socket.connect("127.0.0.1:9").unwrap();
    assert_eq!(seen(), [""; 0]);
}

/// What the kernel and the files of a computer show, judged in both ways.
#[test]
fn dumps_clocks_and_the_line_of_the_kernel_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let places = computer(folder.path());
    let word = |rule: &str| {
        let host = collect(&places, &[], Canary::Leave, 0);
        find(rule).unwrap().check.judge(&Facts::from(host)).unwrap()[0].outcome.word()
    };
    put(&places.proc.join("cmdline"), "ro audit=1 quiet\n");
    assert_eq!(word("host-audit-boot"), "pass");
    put(&places.proc.join("cmdline"), "ro audit=1 audit=0\n");
    assert_eq!(word("host-audit-boot"), "fail");

    put(&places.proc.join("7/comm"), "bash\n");
    assert_eq!(word("host-clock"), "fail");
    put(&places.proc.join("8/comm"), "chronyd\n");
    assert_eq!(word("host-clock"), "pass");

    let dumps = places.proc.join("sys/kernel/core_pattern");
    put(&dumps, "core\n");
    put(&places.proc.join("1/limits"), "Max core file size        0      0      bytes\n");
    assert_eq!(word("host-core-dumps"), "pass");
    put(&dumps, "|/lib/systemd/systemd-coredump %P\n");
    assert_eq!(word("host-core-dumps"), "fail");
    put(&places.etc.join("systemd/coredump.conf"), "[Coredump]\nStorage=none\n");
    assert_eq!(word("host-core-dumps"), "pass");
    put(&places.etc.join("systemd/coredump.conf.d/9.conf"), "[Coredump]\nStorage=external\n");
    assert_eq!(word("host-core-dumps"), "fail");
}

/// Folders of this machine: what is above one may be changed by nobody else.
#[test]
fn folders_above_are_judged_by_their_modes_and_owners() {
    let folder = tempfile::tempdir().unwrap();
    let above = folder.path().join("srv");
    let keep = above.join("keep");
    fs::create_dir_all(&keep).unwrap();
    let word = || {
        let host = collect(&Places::default(), &[&keep], Canary::Leave, 0);
        find("host-parents").unwrap().check.judge(&Facts::from(host)).unwrap()[0].outcome.word()
    };
    for (mode, wanted) in [(0o755, "pass"), (0o1777, "pass"), (0o777, "fail"), (0o775, "fail")] {
        fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(word(), wanted, "{mode:o}");
    }
    fs::set_permissions(&above, fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        chown(&above, Some(65534), None).unwrap();
        assert_eq!(word(), "fail", "it belongs to somebody else");
    }
}

/// `/proc/swaps` as the kernel prints it: files of swap, on a volume of LUKS and beside it.
#[test]
fn swap_is_judged_by_what_it_lies_on() {
    let folder = tempfile::tempdir().unwrap();
    let places = computer(folder.path());
    let words = |lines: &str| -> Vec<&str> {
        let head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        put(&places.proc.join("swaps"), &format!("{head}{lines}"));
        let host = collect(&places, &[], Canary::Leave, 0);
        let judged = find("host-swap").unwrap().check.judge(&Facts::from(host)).unwrap();
        judged.iter().map(|judged| judged.outcome.word()).collect()
    };
    let secret = "/srv/with\\040space/swapfile          file\t\t2097148\t\t0\t\t-2\n";
    let clear = "/swapfile                               file\t\t2097148\t\t4096\t\t-3\n";
    assert_eq!(words(""), ["pass"]);
    assert_eq!(words(secret), ["pass"]);
    assert_eq!(words(&format!("{secret}{clear}")), ["pass", "fail"]);
}

/// The settings that Debian's `auditd` comes with, and a log that grows by a mebibyte a day; then
/// settings that keep all of it.
#[test]
fn settings_and_logs_of_auditd_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let places = computer(folder.path());
    let older = folder.path().join("audit.log.1");
    put(
        &older,
        "type=DAEMON_START msg=audit(1700000000.101:8124): op=start ver=3.0.9 format=enriched \
         kernel=6.1.0-13-amd64 auid=4294967295 pid=412 uid=0 ses=4294967295 res=success\n",
    );
    fs::OpenOptions::new().write(true).open(&older).unwrap().set_len(10 << 20).unwrap();
    put(
        &places.audit_log,
        "type=USER_LOGIN msg=audit(1700864000.250:9120): pid=811 uid=0 auid=1000 ses=3 \
         msg='op=login id=1000 exe=\"/usr/sbin/sshd\" res=success'\n",
    );
    let words = |settings: &str| {
        put(&places.etc.join("audit/auditd.conf"), settings);
        let host = collect(&places, &[], Canary::Leave, 0);
        let facts = Facts::from(host);
        ["host-audit-retention", "host-audit-loss"].map(|rule| {
            let judged = find(rule).unwrap().check.judge(&facts).unwrap();
            judged.last().unwrap().outcome.word()
        })
    };
    let usual = "#\n# This file controls the configuration of the audit daemon\n#\n\n\
        local_events = yes\nwrite_logs = yes\nlog_file = /var/log/audit/audit.log\n\
        log_group = adm\nlog_format = ENRICHED\nflush = INCREMENTAL_ASYNC\nfreq = 50\n\
        max_log_file = 8\nnum_logs = 5\npriority_boost = 4\nname_format = NONE\n\
        ##name = mydomain\nmax_log_file_action = ROTATE\nspace_left = 75\n\
        space_left_action = SYSLOG\nadmin_space_left = 50\nadmin_space_left_action = SUSPEND\n\
        disk_full_action = SUSPEND\ndisk_error_action = SUSPEND\n";
    assert_eq!(words(usual), ["fail", "fail"]);
    let kept = usual
        .replace("= ROTATE", "= keep_logs")
        .replace("full_action = SUSPEND", "full_action = HALT");
    assert_eq!(words(&kept), ["pass", "pass"]);
    assert_eq!(words(&usual.replace("max_log_file = 8", "max_log_file = 1000")), ["pass", "fail"]);
}

#[test]
fn a_computer_that_shows_nothing_is_unknown_and_not_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        proc: folder.path().join("none"),
        sys: folder.path().join("none"),
        etc: folder.path().join("none"),
        dev: folder.path().join("none"),
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
    // `sshd -T` leaves out what is for some only.
    let block = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 Match User *\n  PasswordAuthentication yes\n  PermitRootLogin yes\n";
    assert_eq!(words(block), ["not-checked", "not-checked", "fail"]);
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

/// A folder that the file system encrypts, and one beside it, on a disk that is mounted.
#[test]
fn folders_of_a_real_disk_pass_only_if_the_kernel_encrypts_them() {
    let Some(disk) = Disk::mount() else { return };
    let keep = disk.path().join("secret/keep");
    fs::create_dir(&keep).unwrap();
    let clear = disk.path().join("clear");
    let host = collect(&Places::default(), &[&keep, &clear], Canary::Leave, 0);
    let point = disk.path().display().to_string();
    let stored = |number: usize| host.sensitive[number].storage.seen().unwrap();
    assert!((0..2).all(|number| stored(number).mount_point == point));
    assert_eq!(stored(0).encryption, Encryption::Folder);
    let Encryption::Nothing { device } = &stored(1).encryption else { panic!("{:?}", stored(1)) };
    assert!(device.starts_with("loop"), "{device}");
    let judged = find("host-storage").unwrap().check.judge(&Facts::from(host)).unwrap();
    let words: Vec<&str> = judged.iter().map(|judged| judged.outcome.word()).collect();
    assert_eq!(words, ["pass", "fail"]);
}

/// The header is a real one; that the device mapper has it open is what the tree of files says.
#[test]
fn a_volume_whose_header_says_that_nothing_is_encrypted_is_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let places = computer(folder.path());
    let under = places.dev.join("sda2");
    put(&under, "");
    fs::OpenOptions::new().write(true).open(&under).unwrap().set_len(20 << 20).unwrap();
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    let options = ["luksFormat", "--batch-mode", "--type", "luks1", "--uuid", uuid];
    let options = [&options[..], &["--pbkdf-force-iterations", "1000"]].concat();
    let Some(()) = cryptsetup(&[&options[..], &[under.to_str().unwrap(), "-"]].concat()) else {
        return;
    };
    let name = format!("CRYPT-LUKS1-{}-crypt\n", uuid.replace('-', ""));
    put(&places.sys.join("devices/dm-0/dm/uuid"), &name);
    let of =
        |path: &str| storage::under(&places, Path::new(path)).seen().unwrap().encryption.clone();
    let path = "/srv/with space/keep";
    assert_eq!(of(path), Encryption::BlockDevice { kind: "CRYPT-LUKS1".into() });
    let device = fs::OpenOptions::new().write(true).open(&under).unwrap();
    let mut fields = [0; 64];
    fields[..11].copy_from_slice(b"cipher_null");
    fields[32..35].copy_from_slice(b"ecb");
    device.write_all_at(&fields, 8).unwrap();
    assert_eq!(of(path), Encryption::Nothing { device: "dm-0".into() });
    // The header of another volume says nothing about this one.
    device.write_all_at(b"f", 168).unwrap();
    assert_eq!(of(path), Encryption::BlockDevice { kind: "CRYPT-LUKS1".into() });
}

/// A real `auditd`, real rules, and a folder that is opened: the record decides, not the rule.
#[test]
fn a_folder_that_is_opened_passes_only_if_the_record_came() {
    let folder = tempfile::tempdir().unwrap();
    let (watched, other) = (folder.path().join("watched it"), folder.path().join("other"));
    fs::create_dir(&watched).unwrap();
    fs::create_dir(&other).unwrap();
    let Some(auditd) = Auditd::start() else { return };
    let places = Places { audit_log: auditd.log(), ..Places::default() };
    let words = || -> Vec<&str> {
        let look = || collect(&places, &[&watched, &other], Canary::Make, 0);
        // The kernel records what threads do that began after auditing was switched on.
        let host = std::thread::scope(|scope| scope.spawn(look).join().unwrap());
        let judged = find("host-audit-canary").unwrap().check.judge(&Facts::from(host)).unwrap();
        judged.iter().skip(1).map(|judged| judged.outcome.word()).collect()
    };
    assert_eq!(words(), ["fail", "fail"], "no rule is loaded");
    // What the real `auditctl` says, judged.
    let said = || {
        let mut host = collect(&places, &[&watched], Canary::Leave, 0);
        host.audit.status = Known::Seen(audit::status_of(&auditctl(&["-s"]).unwrap()));
        host.audit.rules = Known::Seen(audit::rules_of(&auditctl(&["-l"]).unwrap()));
        let facts = Facts::from(host);
        let judged = |rule: &str| find(rule).unwrap().check.judge(&facts).unwrap();
        let waiting =
            judged("host-audit-loss").into_iter().find(|it| it.resource == "backlog_limit");
        let [running, rules] =
            ["host-audit-running", "host-audit-rules"].map(|it| judged(it).remove(0));
        [running, rules, waiting.unwrap()].map(|judged| judged.outcome.word())
    };
    let usual = audit::status_of(&auditctl(&["-s"]).unwrap())["backlog_limit"].clone();
    let limited = ["64", "8192"].map(|limit| {
        auditctl(&["-b", limit]).unwrap();
        said()
    });
    auditctl(&["-b", &usual]);
    assert_eq!(limited, [["pass", "fail", "fail"], ["pass", "fail", "pass"]]);
    let rule = ["-w", watched.to_str().unwrap(), "-p", "rwa", "-k", "canary"];
    if auditctl(&rule).is_none() {
        super::testing::skipped("this system does not permit to load audit rules");
        return;
    }
    let with = words();
    let covered = said()[..2].to_vec();
    auditctl(&["-W", rule[1], "-p", "rwa", "-k", "canary"]);
    assert_eq!((with, covered), (vec!["pass", "fail"], vec!["pass"; 2]));
    assert_eq!(words(), ["fail", "fail"], "the rule is gone");
    auditctl(&["-e", "0"]);
    assert_eq!(said()[0], "fail", "auditing is off");
}
