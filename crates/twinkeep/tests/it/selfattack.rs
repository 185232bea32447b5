//! `selfattack` against the real server, of which everything holds, and against nginx, of which not
//! everything does: the suite can fail.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, peer, write};
use crate::peers::free_port;
use crate::serve::{Server, key};

#[test]
fn everything_that_is_tried_on_the_gate_fails() {
    let place = Place::with_patients(60);
    let path = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&path).unwrap();
    // Sooner than the usual ten seconds, so that the test is over sooner.
    let text = text.replace("request_seconds_max = 10", "request_seconds_max = 5");
    let text = text.replace("[gate]\n", "[gate]\nadmin_listen = \"127.0.0.1:0\"\n");
    write(&path, text.as_bytes());
    let (header, _) = key(&place, &[]);
    let credential = header.rsplit(' ').next().unwrap();
    write(&place.path("key"), credential.as_bytes());
    let server = Server::start(&place);
    let url = server.base().replace("127.0.0.1", "localhost");
    let args = ["--ca", "keep/public/ca.pem", "--credential", "key", "--patience", "300"];
    let admin = format!("https://{}", server.started()["admin"].as_str().unwrap());
    let ran = place.run(&[&["selfattack", &url, "--admin", &admin][..], &args].concat());
    let findings: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let open: Vec<_> = findings.iter().filter(|one| one["held"] != true).collect();
    assert!(open.is_empty(), "{open:#?}\n{}", ran.stderr);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let count = |group: &str| findings.iter().filter(|one| one["group"] == group).count();
    let groups = ["tls", "stall", "smuggling", "credential", "flood", "answer", "admin", "limit"];
    assert_eq!(groups.map(count), [9, 12, 47, 11, 6, 8, 3, 1]);
    // What was tried is in the ledger, and no credential of it.
    let ledger = fs::read(place.path("keep/ledger/checkpoint"));
    assert!(ledger.is_ok_and(|text| !text.is_empty()));
}

/// nginx with TLS and a site, as many run it.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nginx(dir: &Path, port: u16) -> Option<Nginx> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [here.join("../../target/peers/nginx/usr/sbin/nginx"), "/usr/sbin/nginx".into()];
    let Some(program) = places.iter().find(|place| place.exists()) else {
        assert!(std::env::var_os("CI").is_none(), ".ci/peers.sh brings nginx");
        println!("skipped: no nginx");
        return None;
    };
    let dir = dir.display();
    let config = format!(
        "daemon off; master_process off; pid {dir}/pid; error_log {dir}/errors;
         events {{ worker_connections 256; }}
         http {{
             access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
             fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
             client_header_timeout 5s; client_body_timeout 5s; keepalive_timeout 5s;
             server {{
                 listen 127.0.0.1:{port} ssl http2; root {dir}; index index.html;
                 ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
                 ssl_protocols TLSv1.2 TLSv1.3;
                 location /predict {{ proxy_pass http://127.0.0.1:1; }}
             }}
         }}"
    );
    let file = Path::new(&dir.to_string()).join("nginx.conf");
    write(&file, config.as_bytes());
    let child = Command::new(program)
        .args(["-p", &dir.to_string(), "-c"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let nginx = Nginx(child);
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(120), "nginx did not open its port");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(nginx)
}

#[test]
fn of_nginx_not_everything_holds_and_it_says_so() {
    let Some(openssl) = peer("openssl") else { return };
    let place = Place::empty();
    fs::create_dir(place.path("site")).unwrap();
    let made = Command::new(openssl)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(place.path("site"))
        .output()
        .unwrap();
    assert!(made.status.success());
    write(&place.path("site/index.html"), b"hello");
    let port = free_port();
    let Some(_nginx) = nginx(&place.path("site"), port) else { return };
    let url = format!("https://localhost:{port}/index.html");
    let ran = place.run(&["selfattack", &url, "--patience", "20"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(ran.refused(), "selfattack-findings");
    let findings: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let held = |attack: &str| {
        let found = findings.iter().find(|one| one["attack"] == attack);
        found.unwrap_or_else(|| panic!("{attack} was not tried"))["held"] == true
    };
    for attack in
        ["a body that drips", "none", "which program answers", "more requests than the limit"]
    {
        assert!(!held(attack), "{attack}: {findings:#?}");
    }
    for attack in ["TLS 1.0", "two lengths", "TLS without a request"] {
        assert!(held(attack), "{attack}: {findings:#?}");
    }
}

#[test]
fn somebody_elses_server_is_not_attacked() {
    let place = Place::empty();
    // TEST-NET-1: nobody is there, and nobody is asked.
    let url = "https://192.0.2.1:443";
    assert_eq!(place.run(&["selfattack", url]).refused(), "selfattack-consent");
    let other = ["selfattack", url, "--i-own-this", "https://192.0.2.2:443"];
    assert_eq!(place.run(&other).refused(), "selfattack-consent");
    for url in ["http://localhost", "localhost", "https://", "https://a@localhost"] {
        assert_eq!(place.run(&["selfattack", url]).refused(), "selfattack-url", "{url}");
    }
    let port = free_port();
    let gone = format!("https://localhost:{port}");
    assert_eq!(place.run(&["selfattack", &gone]).refused(), "selfattack-unreachable");
}
