//! Each check fires on a planted fault and stays quiet otherwise.

use std::path::Path;

use super::{check_arrows, check_links, check_source};
use crate::manifest::parse;

#[test]
fn an_arrow_that_points_up_is_found() {
    let manifest = parse("[dependencies]\ntwinkeep-app.workspace = true\n");
    let findings = check_arrows("twinkeep-vault", &manifest);
    assert_eq!(findings, ["`twinkeep-vault` must not use `twinkeep-app`; see ARCHITECTURE.md"]);
    assert!(check_arrows("twinkeep-gate", &manifest).is_empty());
}

#[test]
fn a_heavy_dependency_outside_its_room_is_found() {
    let manifest = parse("[dependencies]\naws-lc-rs.workspace = true\n");
    assert_eq!(check_arrows("twinkeep-ledger", &manifest).len(), 1);
    assert!(check_arrows("twinkeep-vault", &manifest).is_empty());
}

#[test]
fn a_crate_that_is_not_on_the_map_is_found() {
    assert_eq!(check_arrows("twinkeep-new", &parse("")).len(), 1);
}

#[test]
fn a_file_without_header_a_long_file_and_a_debt_are_found() {
    assert_eq!(check_source("a.rs", "fn main() {}\n").len(), 1);
    assert_eq!(check_source("a.rs", &format!("//! A.\n{}", "\n".repeat(800))).len(), 1);
    assert_eq!(check_source("a.rs", "//! A.\n// TODO: later\n").len(), 1);
    assert!(check_source("a.rs", "//! A.\n").is_empty());
}

#[test]
fn a_mark_outside_its_home_is_found() {
    let text = "//! A.\nlet batch = Screened::attest(events);\n";
    assert_eq!(check_source("crates/twinkeep-app/src/a.rs", text).len(), 1);
    assert!(check_source("crates/twinkeep-intake/src/a.rs", text).is_empty());
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(check_links(root, "README.md", "[a](missing.md)").len(), 1);
    assert!(check_links(root, "README.md", "[a](src/main.rs) [b](https://example.org)").is_empty());
}
