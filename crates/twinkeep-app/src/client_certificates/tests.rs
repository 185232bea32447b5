//! Certificates of clients, judged by an open keep: what is revoked, over, unknown, or another's.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use twinkeep_domain::Timestamp;
use twinkeep_vault::KekSource;
use twinkeep_vault::certificate::{CertificateAuthority, ClientRequest, Withdrawn};
use twinkeep_vault::ecdsa::parse_pem;

use crate::{
    App, Caller, ClientCaWatch, Config, InitRequest, NewCertificateRequest, Scope, Surroundings,
    init_keep, issue_certificate, read_client_cas, renew_certificate, revocation_list,
    revoke_certificate, shipped_pack_text,
};

thread_local! {
    /// The time of one test, in seconds since 1970.
    static NOW: Cell<i64> = const { Cell::new(1_800_000_000) };
}

const DAY: i64 = 86_400;

fn now() -> Timestamp {
    Timestamp::from_micros(NOW.get() * 1_000_000)
}

fn pass(seconds: i64) {
    NOW.set(NOW.get() + seconds);
}

struct Place {
    dir: TempDir,
    root: PathBuf,
}

impl Place {
    fn new(config: &str) -> (Self, App) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("keep");
        let config = Config::parse(config).unwrap();
        let secret = KekSource::KeyFile(dir.path().join("kek"));
        let pack = shipped_pack_text("icu").unwrap();
        init_keep(&InitRequest { dir: &root, pack, secret: &secret, config, now: now() }).unwrap();
        let place = Self { dir, root };
        let app = place.open();
        (place, app)
    }

    fn open(&self) -> App {
        let secret = KekSource::KeyFile(self.dir.path().join("kek"));
        App::open(&self.root, &secret, &Surroundings { clock: now, state_dir: None }).unwrap()
    }
}

fn new_certificate(app: &App, name: &str) -> (String, Vec<u8>) {
    let request = NewCertificateRequest {
        name,
        identity: None,
        scopes: &[Scope::ReadTwins],
        roles: &["nurse".to_owned()],
        site: None,
        days: 30,
        csr: None,
    };
    let issued = issue_certificate(app, &Caller::operator(), request).unwrap();
    (issued.report.id, der(&issued.report.certificate.unwrap()))
}

fn der(pem: &str) -> Vec<u8> {
    parse_pem("CERTIFICATE", pem).unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

#[track_caller]
fn refused(app: &App, leaf: &[u8]) -> &'static str {
    app.judge_certificate(&[leaf]).unwrap_err().code()
}

#[test]
fn a_certificate_is_its_holder_until_it_is_revoked_or_over() {
    let (place, app) = Place::new("");
    let (id, leaf) = new_certificate(&app, "dashboard");
    let caller = app.judge_certificate(&[&leaf]).unwrap();
    assert_eq!(caller.id, format!("cert:{id}"));
    assert_eq!((caller.scopes, caller.roles), (vec![Scope::ReadTwins], vec!["nurse".to_owned()]));
    assert_eq!(app.caller_site(&Caller::named(&caller.id)).unwrap().as_deref(), Some("local"));
    // What is remembered of it holds no longer than it does.
    pass(30 * DAY + 1);
    assert_eq!(refused(&app, &leaf), "certificate-expired");

    let (id, leaf) = new_certificate(&app, "dashboard");
    assert!(app.judge_certificate(&[&leaf]).is_ok());
    // Another process revokes it.
    revoke_certificate(&place.open(), &Caller::operator(), &id).unwrap();
    assert_eq!(refused(&app, &leaf), "certificate-revoked");
    let unknown = revoke_certificate(&app, &Caller::operator(), "00000000").unwrap_err();
    assert_eq!(unknown.code(), "certificate-unknown");
}

#[test]
fn a_certificate_that_the_keep_did_not_record_is_nobodys() {
    let (_place, app) = Place::new("");
    // Whoever stole the authority's key issues one, and another with a serial number that is known.
    let stolen = app.certificate_authority().unwrap();
    let request =
        ClientRequest { name: "x", identity: "spiffe://mesh.example/root", days: 30, csr: None };
    let forged = stolen.issue_client(request, now()).unwrap();
    assert_eq!(refused(&app, &der(&forged.cert_pem)), "certificate-unknown");
    let mut record = app.certificate_records().unwrap();
    assert!(record.is_empty());
    let (id, _) = new_certificate(&app, "dashboard");
    record = app.certificate_records().unwrap();
    record[0].serial = forged.serial;
    let text = serde_json::to_string(&record[0]).unwrap();
    app.store.set_setting(&format!("client-certificate/{id}"), &text).unwrap();
    assert_eq!(refused(&app, &der(&forged.cert_pem)), "certificate-unknown");
}

#[test]
fn a_successor_is_the_same_client_and_the_old_one_lives_on_for_a_while() {
    let (_place, app) = Place::new("");
    let operator = Caller::operator();
    let (old_id, old) = new_certificate(&app, "dashboard");
    let issued = renew_certificate(&app, &operator, &old_id, 60, 7, None).unwrap();
    let (new_id, new) = (issued.report.id, der(&issued.report.certificate.unwrap()));
    for leaf in [&old, &new] {
        let id = app.judge_certificate(&[leaf]).unwrap().id;
        assert_eq!(app.certificate_lineage(&id).unwrap(), Some(format!("cert:{old_id}")));
    }
    let again = renew_certificate(&app, &operator, &old_id, 60, 7, None).unwrap_err();
    assert_eq!(again.code(), "certificate-not-live");
    let before = revocation_list(&app).unwrap();
    pass(7 * DAY + 1);
    assert_eq!(refused(&app, &old), "certificate-expired");
    assert_eq!(app.judge_certificate(&[&new]).unwrap().id, format!("cert:{new_id}"));
    assert_ne!(revocation_list(&app).unwrap(), before, "the list says that it was superseded");
}

const MESH: &str = r#"
[[client_ca]]
name = "mesh"
file = "mesh.pem"
crl = ["mesh.crl"]
site = "ward-7"
[[client_ca.grant]]
san = "spiffe://mesh.example/ward/*"
scopes = ["twins:read"]
roles = ["nurse"]
[[client_ca.grant]]
san = "root.example"
scopes = ["subjects:erase"]
"#;

/// An authority that is not the keep's, and a client of it.
fn mesh(place: &Place, identity: &str) -> (CertificateAuthority, String, Vec<u8>) {
    let authority = CertificateAuthority::create("Mesh", now()).unwrap();
    write(&place.root.join("mesh.pem"), authority.cert_pem().as_bytes());
    let request = ClientRequest { name: "x", identity, days: 30, csr: None };
    let client = authority.issue_client(request, now()).unwrap();
    list(place, &authority, &[]);
    (authority, client.serial, der(&client.cert_pem))
}

fn list(place: &Place, authority: &CertificateAuthority, serials: &[&str]) {
    let line =
        |serial: &&str| Withdrawn { serial: (*serial).to_owned(), since: now(), superseded: false };
    let lines: Vec<_> = serials.iter().map(line).collect();
    let der = authority.revocation_list(&lines, now(), 7).unwrap();
    write(&place.root.join("mesh.crl"), &der);
}

#[test]
fn a_client_of_another_authority_has_what_its_name_is_granted() {
    let (place, app) = Place::new(MESH);
    let (_, _, leaf) = mesh(&place, "spiffe://mesh.example/ward/one");
    assert_eq!(refused(&app, &leaf), "certificate-untrusted", "its files are not read yet");
    let mut watch = ClientCaWatch::default();
    read_client_cas(&app, &mut watch).unwrap();
    let caller = app.judge_certificate(&[&leaf]).unwrap();
    assert!(caller.id.starts_with("cert:mesh/") && !caller.id.contains("ward"), "{}", caller.id);
    assert_eq!(caller.scopes, [Scope::ReadTwins]);
    assert_eq!(app.caller_site(&caller).unwrap().as_deref(), Some("ward-7"));
    assert_eq!(app.certificate_lineage(&caller.id).unwrap(), None);
    let (place, app) = Place::new(MESH);
    let (_, _, leaf) = mesh(&place, "spiffe://mesh.example/other");
    read_client_cas(&app, &mut watch).unwrap();
    assert_eq!(refused(&app, &leaf), "certificate-unknown");
}

#[test]
fn a_new_list_holds_at_once_and_an_old_one_lets_nobody_in() {
    let (place, app) = Place::new(MESH);
    let (authority, serial, leaf) = mesh(&place, "spiffe://mesh.example/ward/one");
    let mut watch = ClientCaWatch::default();
    read_client_cas(&app, &mut watch).unwrap();
    assert!(app.judge_certificate(&[&leaf]).is_ok());
    list(&place, &authority, &[&serial]);
    // The same length and second as before tells nothing: files are told apart by more.
    let path = place.root.join("mesh.crl");
    let text = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    write(&path, &text);
    read_client_cas(&app, &mut watch).unwrap();
    assert_eq!(refused(&app, &leaf), "certificate-revoked");

    // A list that is broken, or gone, changes nothing, and the ledger says so once.
    for bytes in [&b"garbage"[..], b""] {
        write(&path, bytes);
        assert_eq!(read_client_cas(&app, &mut watch).unwrap_err().code(), "client-ca-crl");
        assert_eq!(refused(&app, &leaf), "certificate-revoked");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(read_client_cas(&app, &mut watch).is_err());
    list(&place, &authority, &[]);
    read_client_cas(&app, &mut watch).unwrap();
    assert!(app.judge_certificate(&[&leaf]).is_ok());
    pass(8 * DAY);
    assert_eq!(refused(&app, &leaf), "certificate-unlisted");
}

#[test]
fn what_is_shown_beside_a_key_holds_too() {
    let (_place, app) = Place::new("");
    let (id, leaf) = new_certificate(&app, "dashboard");
    let request = crate::NewApiKeyRequest {
        name: "dashboard",
        scopes: &[Scope::Predict],
        roles: &[],
        days: 1,
        site: None,
    };
    let key = crate::new_api_key(&app, &Caller::operator(), request).unwrap();
    let key_id = format!("key:{}", key.id);
    let key = key.key.unwrap();
    let ask = |key: Option<&str>, chain: &[&[u8]]| {
        app.recognize_client(key, chain).map(|caller| caller.map(|caller| caller.id))
    };
    assert_eq!(ask(None, &[]).unwrap(), None);
    assert_eq!(ask(None, &[&leaf]).unwrap(), Some(format!("cert:{id}")), "not the key of its name");
    assert_eq!(ask(Some(&key), &[&leaf]).unwrap(), Some(key_id.clone()));
    // A certificate of somebody else's authority is none of this gate's business.
    let foreign = CertificateAuthority::create("Else", now()).unwrap();
    let request = ClientRequest { name: "x", identity: "else.example", days: 1, csr: None };
    let foreign = der(&foreign.issue_client(request, now()).unwrap().cert_pem);
    assert_eq!(ask(Some(&key), &[&foreign]).unwrap(), Some(key_id));
    assert_eq!(ask(None, &[&foreign]).unwrap_err().code(), "certificate-untrusted");
    revoke_certificate(&app, &Caller::operator(), &id).unwrap();
    assert_eq!(ask(Some(&key), &[&leaf]).unwrap_err().code(), "certificate-revoked");
    assert_eq!(ask(None, &[&leaf]).unwrap_err().code(), "certificate-revoked");
}

#[test]
fn where_certificates_are_required_a_key_alone_opens_nothing() {
    let (_place, app) = Place::new("[gate]\nclient_certificates = \"required\"\n");
    let (_, leaf) = new_certificate(&app, "dashboard");
    assert!(app.admit_client(&[&leaf]).is_ok());
    assert!(app.admit_client(&[]).is_err());
    let request = crate::NewApiKeyRequest {
        name: "dashboard",
        scopes: &[Scope::Predict],
        roles: &[],
        days: 1,
        site: None,
    };
    let key = crate::new_api_key(&app, &Caller::operator(), request).unwrap().key.unwrap();
    let code = |chain: &[&[u8]]| app.recognize_client(Some(&key), chain).unwrap_err().code();
    assert_eq!(code(&[]), "certificate-missing");
    let foreign = CertificateAuthority::create("Else", now()).unwrap();
    let request = ClientRequest { name: "x", identity: "else.example", days: 1, csr: None };
    let foreign = der(&foreign.issue_client(request, now()).unwrap().cert_pem);
    assert_eq!(code(&[&foreign]), "certificate-untrusted");
    assert!(app.recognize_client(Some(&key), &[&leaf]).is_ok());
}

#[test]
fn records_go_when_no_list_needs_them_any_more() {
    let (place, app) = Place::new("");
    let (id, _) = new_certificate(&app, "old");
    let before = revocation_list(&app).unwrap();
    revoke_certificate(&app, &Caller::operator(), &id).unwrap();
    let tidied = |app: &App| crate::tidy_catalog(app).unwrap().certificates;
    pass(30 * DAY);
    let (next, leaf) = new_certificate(&app, "new");
    assert_eq!(tidied(&app), 0);
    assert!(before.len() < revocation_list(&app).unwrap().len(), "it is on the list");
    pass(29 * DAY);
    assert_eq!(tidied(&app), 0, "it is in a list for people yet");
    pass(62 * DAY);
    assert_eq!(tidied(&app), 1);
    let left = crate::list_certificates(&place.open()).unwrap();
    assert_eq!(left.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [next.as_str()]);
    assert_eq!(refused(&app, &leaf), "certificate-expired");
}
