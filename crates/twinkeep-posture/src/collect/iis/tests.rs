//! Folders and files as they are found.

use std::io::Write as _;
use std::path::Path;

use super::collect;

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn names_count_in_any_case_and_what_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    put(&at("a/Web.Config"), b"<configuration/>");
    put(&at("b/web.config"), b"<configuration>");
    put(&at("c/other.config"), b"<configuration>");
    put(&at("d/web.config"), &[0xff, 0x00, 0x01]);
    let wide: Vec<u8> =
        "\u{feff}<configuration/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    put(&at("e/web.config"), &wide);
    std::os::unix::fs::symlink("/etc/passwd", at("web.config")).unwrap();
    let facts = collect(folder.path()).unwrap();
    let names: Vec<&str> = facts.files.iter().map(|it| it.rsplit_once("/").unwrap().0).collect();
    assert!(names[0].ends_with("/a") && names[1].ends_with("/e"), "{names:?}");
    assert_eq!(facts.unread.len(), 3, "{:?}", facts.unread);
    assert!(facts.repairs.steps.is_empty());

    assert!(collect(&at("c")).unwrap_err().to_string().contains("no web.config"));
    assert!(collect(&at("none")).is_err());
    // Whoever names a file means it, whatever it is called.
    assert_eq!(collect(&at("c/other.config")).unwrap().unread.len(), 1);
}
