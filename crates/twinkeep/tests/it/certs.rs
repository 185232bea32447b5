//! Certificates of clients through the real server: issued, used, renewed, revoked.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, peer, write};
use crate::serve::Server;

/// A keep whose gate asks for certificates.
fn place(mode: &str, more: &str) -> Place {
    let place = Place::with_keep();
    let path = place.path("keep/twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let asked =
        text.replace("client_certificates = \"off\"", &format!("client_certificates = \"{mode}\""));
    assert_ne!(asked, text);
    let text = asked.replace("rate_per_second = 5", "rate_per_second = 1000");
    write(&path, format!("{text}\n{more}").as_bytes());
    std::fs::create_dir(place.path("certs")).unwrap();
    place
}

fn file(place: &Place, name: &str) -> String {
    place.path(&format!("certs/{name}")).to_str().unwrap().to_owned()
}

fn status(server: &Server<'_>, place: &Place, name: &str, more: &[&str]) -> u32 {
    let (cert, key) = (file(place, &format!("{name}.pem")), file(place, &format!("{name}.key")));
    let args = [&["--cert", &cert, "--key", &key], more].concat();
    server.call("/api/v1/twins?limit=1", &args).status
}

#[test]
fn a_client_certificate_opens_the_gate_until_it_is_revoked() {
    let place = place("asked", "");
    let issue = ["cert", "issue", "ward", "--role", "nurse", "--out", "certs"];
    let issued = place.run(&issue).done();
    let id = issued["id"].as_str().unwrap().to_owned();
    let private = std::fs::metadata(place.path("certs/ward.key")).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(private.permissions().mode() & 0o777, 0o600);
    assert!(issued.get("key").is_none() && !issued.to_string().contains("PRIVATE"));
    // Nothing is written over, and nothing is made in vain.
    assert_eq!(place.run(&issue).refused(), "certificate-file-exists");
    assert_eq!(place.run(&["cert", "list"]).lines().len(), 1);
    let checked = place.run(&["cert", "check", "certs/ward.pem"]).done();
    assert_eq!(checked["caller"], format!("cert:{id}"));
    assert_eq!(checked["roles"][0], "nurse");

    // The gate makes its own certificate anew where there is none.
    std::fs::remove_file(place.path("keep/public/server.pem")).unwrap();
    let server = Server::start(&place);
    assert_eq!(server.call("/api/v1/twins", &[]).status, 401);
    assert_eq!(status(&server, &place, "ward", &[]), 200);
    place.run(&["cert", "revoke", &id]).done();
    assert_eq!(status(&server, &place, "ward", &[]), 401);
    assert_eq!(server.stop(), Some(0));
    let checked = place.run(&["cert", "check", "certs/ward.pem"]);
    assert!(checked.stderr.contains("the reason is `certificate-revoked`"), "{}", checked.stderr);
    let lines = place.run(&["ledger", "show", "--limit", "100"]).lines();
    let about = |what: &str| lines.iter().any(|line| line.to_string().contains(what));
    for what in ["certificate.issued", "certificate.revoked", "certificate-revoked", "gate.renewed"]
    {
        assert!(about(what), "{what}");
    }
    assert!(lines.iter().any(|line| line["actor"] == format!("cert:{id}")), "{lines:#?}");
}

#[test]
fn the_key_may_stay_with_its_owner_and_others_may_check_the_list() {
    let Some(openssl) = peer("openssl") else { return };
    let place = place("asked", "");
    let run = |args: &[&str]| {
        let output =
            Command::new(openssl).args(args).current_dir(place.path("certs")).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let made = run(
        &[&new[..], &["-subj", "/CN=root", "-keyout", "ours.key", "-out", "ours.csr"]].concat()
    );
    assert!(made.0, "{}", made.1);
    let args = ["cert", "issue", "ours", "--csr", "certs/ours.csr", "--dns", "ward.clinic.example"];
    let issued = place.run(&[&args[..], &["--out", "certs"]].concat()).done();
    let server = Server::start(&place);
    assert_eq!(status(&server, &place, "ours", &[]), 200);
    // The successor has the same key, or another; here, one that the keep makes.
    let id = issued["id"].as_str().unwrap();
    let renewed = place.run(&["cert", "renew", id, "--csr", "certs/ours.csr"]).done();
    write(&place.path("certs/next.pem"), renewed["certificate"].as_str().unwrap().as_bytes());
    std::fs::copy(place.path("certs/ours.key"), place.path("certs/next.key")).unwrap();
    assert_eq!(renewed["identity"], "ward.clinic.example");
    assert_eq!(status(&server, &place, "next", &[]), 200);
    place.run(&["cert", "revoke", id]).done();
    assert_eq!(status(&server, &place, "ours", &[]), 401);
    assert_eq!(status(&server, &place, "next", &[]), 200);

    place.run(&["cert", "crl", "--out", "certs/ca.crl"]).done();
    let check = |name: &str| {
        run(&[
            "verify",
            "-CAfile",
            "../keep/public/ca.pem",
            "-crl_check",
            "-CRLfile",
            "ca.crl",
            name,
        ])
    };
    assert!(check("next.pem").0);
    let (good, why) = check("ours.pem");
    assert!(!good && why.contains("revoked"), "{why}");
    let weak = run(&[
        "req", "-new", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=a", "-keyout", "weak.key",
        "-out", "weak.csr",
    ]);
    assert!(weak.0, "{}", weak.1);
    let refused = place.run(&["cert", "issue", "weak", "--csr", "certs/weak.csr"]);
    assert_eq!(refused.refused(), "certificate-request-key");
}

/// An authority of the configuration, made with OpenSSL, and a client of it.
#[test]
fn a_list_of_another_authority_holds_within_moments() {
    let Some(openssl) = peer("openssl") else { return };
    let place = place(
        "required",
        "[[client_ca]]\nname = \"mesh\"\nfile = \"../mesh/ca.pem\"\ncrl = [\"../mesh/ca.crl\"]\n\
         [[client_ca.grant]]\nsan = \"spiffe://mesh.example/ward/*\"\nscopes = [\"twins:read\"]\n",
    );
    std::fs::create_dir(place.path("mesh")).unwrap();
    let script = "set -eu\n\
        printf '[a]\\nkeyUsage=critical,keyCertSign,cRLSign\\nbasicConstraints=critical,CA:TRUE\\n\
        [c]\\nextendedKeyUsage=clientAuth\\nsubjectAltName=URI:spiffe://mesh.example/ward/one\\n\
        [ca]\\ndefault_ca=d\\n[d]\\ndatabase=index\\ncrlnumber=number\\ndefault_md=sha256\\n\
        default_crl_days=7\\ncertificate=ca.pem\\nprivate_key=ca.key\\n[req]\\n\
        distinguished_name=n\\n[n]\\n' >conf\n\
        : >index\n\
        echo 01 >number\n\
        $0 req -config conf -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
          -subj /CN=mesh -extensions a -keyout ca.key -out ca.pem\n\
        $0 req -config conf -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=one \
          -keyout ../certs/one.key -out one.csr\n\
        $0 x509 -req -in one.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 7 -extfile conf \
          -extensions c -out ../certs/one.pem\n\
        $0 ca -config conf -gencrl -out ca.crl\n";
    let run = |script: &str| {
        let output = Command::new("sh")
            .args(["-c", script, openssl])
            .current_dir(place.path("mesh"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(script);
    let server = Server::start(&place);
    assert_eq!(status(&server, &place, "one", &[]), 200);
    run(
        "$0 ca -config conf -revoke ../certs/one.pem && $0 ca -config conf -gencrl -out new && mv new ca.crl",
    );
    let begin = Instant::now();
    while status(&server, &place, "one", &[]) != 401 {
        assert!(begin.elapsed() < Duration::from_secs(120), "the list is not read");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.stop(), Some(0));
    let lines = place.run(&["ledger", "show", "--limit", "100"]).lines();
    let mesh = |line: &Value| line["actor"].as_str().unwrap().starts_with("cert:mesh/");
    assert!(lines.iter().any(mesh), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.to_string().contains("spiffe://")), "no names of others");
}
