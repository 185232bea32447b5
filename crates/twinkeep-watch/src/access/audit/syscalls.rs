//! The names of the system calls that touch files, by architecture: logs have their numbers.

use super::record::Record;

/// The name of a record's system call: as `auditd` added it, or by its number.
pub(super) fn of(record: &Record<'_>) -> Option<String> {
    if record.kind == "URINGOP" {
        let number: u32 = record.field("uring_op")?.parse().ok()?;
        let known = URING.iter().find(|it| it.0 == number);
        return Some(known.map_or_else(|| number.to_string(), |it| it.1.to_owned()));
    }
    if let Some(name) = record.enriched("syscall") {
        return Some(name.to_owned());
    }
    let (arch, written) = (record.field("arch")?, record.field("syscall")?);
    let number: u32 = written.parse().ok()?;
    let known = table(arch).and_then(|table| table.iter().find(|it| it.0 == number));
    Some(known.map_or(written, |it| it.1).to_owned())
}

/// The numbers of those of `names` that an architecture has, in their order.
pub(in crate::access) fn numbers(arch: u32, names: &[&str]) -> Vec<u32> {
    let table = table(&format!("{arch:x}")).unwrap_or_default();
    table.iter().filter(|it| names.contains(&it.1)).map(|it| it.0).collect()
}

/// The name of a call, or its number where `auditctl` may not know the name yet.
pub(in crate::access) fn name_or_number(arch: u32, number: u32) -> String {
    let known =
        table(&format!("{arch:x}")).and_then(|table| table.iter().find(|it| it.0 == number));
    known.filter(|it| it.1 != "fchmodat2").map_or_else(|| number.to_string(), |it| it.1.to_owned())
}

fn table(arch: &str) -> Option<Table> {
    TABLES.iter().find(|table| table.0 == arch).map(|table| table.1)
}

/// The name of an architecture, as logs number them.
pub(super) fn architecture(number: &str) -> Option<&'static str> {
    match number {
        "c000003e" => Some("x86_64"),
        "40000003" => Some("i386"),
        "c00000b7" => Some("aarch64"),
        _ => None,
    }
}

type Table = &'static [(u32, &'static str)];

const TABLES: &[(&str, Table)] = &[("c000003e", X86_64), ("40000003", I386), ("c00000b7", AARCH64)];

const X86_64: Table = &[
    (0, "read"),
    (1, "write"),
    (2, "open"),
    (17, "pread64"),
    (18, "pwrite64"),
    (44, "sendto"),
    (59, "execve"),
    (76, "truncate"),
    (77, "ftruncate"),
    (82, "rename"),
    (83, "mkdir"),
    (84, "rmdir"),
    (85, "creat"),
    (86, "link"),
    (87, "unlink"),
    (88, "symlink"),
    (89, "readlink"),
    (90, "chmod"),
    (91, "fchmod"),
    (92, "chown"),
    (93, "fchown"),
    (94, "lchown"),
    (132, "utime"),
    (133, "mknod"),
    (188, "setxattr"),
    (189, "lsetxattr"),
    (190, "fsetxattr"),
    (191, "getxattr"),
    (194, "listxattr"),
    (197, "removexattr"),
    (198, "lremovexattr"),
    (199, "fremovexattr"),
    (235, "utimes"),
    (257, "openat"),
    (258, "mkdirat"),
    (259, "mknodat"),
    (260, "fchownat"),
    (261, "futimesat"),
    (263, "unlinkat"),
    (264, "renameat"),
    (265, "linkat"),
    (266, "symlinkat"),
    (267, "readlinkat"),
    (268, "fchmodat"),
    (280, "utimensat"),
    (304, "open_by_handle_at"),
    (316, "renameat2"),
    (322, "execveat"),
    (426, "io_uring_enter"),
    (437, "openat2"),
    (452, "fchmodat2"),
];

const I386: Table = &[
    (3, "read"),
    (4, "write"),
    (5, "open"),
    (8, "creat"),
    (9, "link"),
    (10, "unlink"),
    (11, "execve"),
    (15, "chmod"),
    (38, "rename"),
    (83, "symlink"),
    (92, "truncate"),
    (93, "ftruncate"),
    (94, "fchmod"),
    (193, "truncate64"),
    (194, "ftruncate64"),
    (198, "lchown32"),
    (207, "fchown32"),
    (212, "chown32"),
    (226, "setxattr"),
    (227, "lsetxattr"),
    (228, "fsetxattr"),
    (295, "openat"),
    (298, "fchownat"),
    (301, "unlinkat"),
    (302, "renameat"),
    (303, "linkat"),
    (306, "fchmodat"),
    (320, "utimensat"),
    (342, "open_by_handle_at"),
    (353, "renameat2"),
    (437, "openat2"),
    (452, "fchmodat2"),
];

const AARCH64: Table = &[
    (5, "setxattr"),
    (34, "mkdirat"),
    (35, "unlinkat"),
    (36, "symlinkat"),
    (37, "linkat"),
    (38, "renameat"),
    (45, "truncate"),
    (46, "ftruncate"),
    (52, "fchmod"),
    (53, "fchmodat"),
    (54, "fchownat"),
    (55, "fchown"),
    (56, "openat"),
    (63, "read"),
    (64, "write"),
    (88, "utimensat"),
    (221, "execve"),
    (265, "open_by_handle_at"),
    (276, "renameat2"),
    (281, "execveat"),
    (426, "io_uring_enter"),
    (437, "openat2"),
    (452, "fchmodat2"),
];

/// What `io_uring` calls its operations.
const URING: Table = &[
    (1, "readv"),
    (2, "writev"),
    (18, "openat"),
    (22, "read"),
    (23, "write"),
    (28, "openat2"),
    (35, "renameat"),
    (36, "unlinkat"),
    (37, "mkdirat"),
    (38, "symlinkat"),
    (39, "linkat"),
];
