//! The gate's certificate through the months: renewed in time, once, and never somebody else's.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write as _;

use tempfile::TempDir;
use twinkeep_domain::Timestamp;
use twinkeep_vault::KekSource;
use twinkeep_vault::certificate::{CertificateAuthority, ClientRequest};

use crate::keep::SERVER_PUBLIC;
use crate::{
    App, Config, InitRequest, ServerIdentity, Surroundings, init_keep, renew_server_certificate,
    shipped_pack_text,
};

thread_local! {
    /// The time of one test, in seconds since 1970.
    static NOW: Cell<i64> = const { Cell::new(1_800_000_000) };
}

fn now() -> Timestamp {
    Timestamp::from_micros(NOW.get() * 1_000_000)
}

fn pass_days(days: i64) {
    NOW.set(NOW.get() + days * 86_400);
}

fn open(dir: &TempDir) -> App {
    let secret = KekSource::KeyFile(dir.path().join("kek"));
    let surroundings = Surroundings { clock: now, state_dir: None };
    App::open(&dir.path().join("keep"), &secret, &surroundings).unwrap()
}

fn keep(config: &str) -> (TempDir, App) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("keep");
    let config = Config::parse(config).unwrap();
    let secret = KekSource::KeyFile(dir.path().join("kek"));
    let pack = shipped_pack_text("icu").unwrap();
    init_keep(&InitRequest { dir: &root, pack, secret: &secret, config, now: now() }).unwrap();
    let app = open(&dir);
    (dir, app)
}

fn put(app: &App, text: &str) {
    let path = app.layout.public().join(SERVER_PUBLIC);
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn renewed(app: &App) -> Option<ServerIdentity> {
    renew_server_certificate(app).unwrap()
}

fn days_left(app: &App, chain: &str) -> f64 {
    let issued = app.certificate_authority().unwrap().issued_server(chain).unwrap();
    issued.not_after.hours_since(now()) / 24.0
}

#[test]
fn a_certificate_is_renewed_when_a_third_of_its_life_is_left_and_then_not_again() {
    let (_dir, app) = keep("");
    let entries = app.ledger_entries().unwrap();
    assert!(renewed(&app).is_none());
    pass_days(39);
    assert!(renewed(&app).is_none());
    assert_eq!(app.ledger_entries().unwrap(), entries, "nothing happened, nothing is recorded");
    pass_days(2);
    let shown = renewed(&app).unwrap();
    assert!((59.9..60.1).contains(&days_left(&app, &shown.chain_pem)));
    assert_eq!(shown.key.expose(), app.server_key().expose());
    assert_eq!(app.ledger_entries().unwrap(), entries + 1);
    assert!(renewed(&app).is_none());
    // However long nobody served.
    pass_days(400);
    assert!(59.9 < days_left(&app, &renewed(&app).unwrap().chain_pem));
}

#[test]
fn one_that_lives_too_long_is_replaced_and_so_is_one_that_is_gone() {
    let (_dir, app) = keep("[gate]\nnames = [\"localhost\"]\n");
    let authority = app.certificate_authority().unwrap();
    for (days, due) in [(89, false), (397, true)] {
        let request = ClientRequest { name: "x", identity: "localhost", days, csr: None };
        put(&app, &authority.issue_client(request, now()).unwrap().cert_pem);
        assert_eq!(renewed(&app).is_some(), due, "{days}");
    }
    fs::remove_file(app.layout.public().join(SERVER_PUBLIC)).unwrap();
    let made = renewed(&app).unwrap();
    assert!(59.9 < days_left(&app, &made.chain_pem));
}

#[test]
fn a_certificate_of_somebody_else_is_left_alone() {
    let (_dir, app) = keep("");
    let other = CertificateAuthority::create("Clinic", now()).unwrap();
    let names = ["localhost".to_owned()];
    let theirs = other.renew_server(app.server_key(), &names, now()).unwrap();
    for text in [theirs.as_str(), "", "-----BEGIN CERTIFICATE-----", &theirs[..100]] {
        put(&app, text);
        pass_days(100);
        assert!(renewed(&app).is_none());
        let path = app.layout.public().join(SERVER_PUBLIC);
        assert_eq!(fs::read_to_string(path).unwrap(), text);
    }
}

#[test]
fn other_names_and_another_address_are_in_the_next_certificate() {
    let (dir, app) = keep("");
    drop(app);
    let config = dir.path().join("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let gate = "[gate]\npublic_url = \"https://keep.example\"\n";
    let text =
        text.replace("[gate]\n", gate).replace("\"::1\"", "\"0:0:0:0:0:0:0:1\", \"keep.example\"");
    File::create(&config).unwrap().write_all(text.as_bytes()).unwrap();
    let app = open(&dir);
    let shown = renewed(&app).unwrap();
    let issued = app.certificate_authority().unwrap().issued_server(&shown.chain_pem).unwrap();
    assert_eq!(issued.names, ["localhost", "127.0.0.1", "::1", "keep.example"]);
    assert_eq!(issued.list_at.as_deref(), Some("https://keep.example/ca.crl"));
    assert!(renewed(&app).is_none(), "the same address written differently is the same");
}
