//! Rulesets that the kernel has, and who can connect through them: what is said is what happens.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Family, Port, Reach, Ruleset};
use crate::facts::host::Protocol;

const THIS: &str = "rules::host::firewall::ruleset::tests::";
const ROLE: &str = "TWINKEEP_TEST_FIREWALL";
const PORTS: [u16; 4] = [2222, 4443, 8888, 9999];

/// Runs one of these tests in a network namespace of its own.
fn in_a_namespace(test: &str, role: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .arg("-n")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{THIS}{test}"), "--nocapture", "--include-ignored"])
        .env(ROLE, role);
    command
}

fn is(role: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|it| it == role)
}

/// The other end of the connection, if this is its process: it listens until it is told to end.
#[test]
#[ignore = "is started by the test of rulesets"]
fn listens() {
    if is("server") {
        let listening = PORTS.map(|port| TcpListener::bind(("0.0.0.0", port)).unwrap());
        for port in PORTS {
            let socket = UdpSocket::bind(("0.0.0.0", port)).unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 16];
                while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(b"here", from);
                }
            });
        }
        writeln!(std::io::stdout(), "\nlistening").unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        drop(listening);
    }
}

struct Server(Child);

impl Server {
    fn start() -> Server {
        let mut command = in_a_namespace("listens", "server");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        assert!(out.lines().any(|line| line.unwrap() == "listening"));
        let server = Server(child);
        let pid = server.0.id().to_string();
        run("ip", &["link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", &pid]);
        run("ip", &["address", "add", "10.9.0.2/24", "dev", "v0"]);
        run("ip", &["link", "set", "v0", "up"]);
        server.inside("ip", &["address", "add", "10.9.0.1/24", "dev", "v1"]);
        server.inside("ip", &["link", "set", "v1", "up"]);
        server
    }

    /// Runs a program where the server is.
    fn inside(&self, program: &str, arguments: &[&str]) -> String {
        let pid = self.0.id().to_string();
        run("nsenter", &[&["-t", &pid, "-n", program], arguments].concat())
    }

    /// Replaces the ruleset.
    fn rules(&self, text: &str) {
        let pid = self.0.id().to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid, "-n", "nft", "-f", "-"]).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let text = format!("flush ruleset\n{text}\n");
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?} {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

const STATES: &str = "ct state { established, related } accept\n iifname \"lo\" accept\n";

/// A chain at the input with these rules, and sets and a chain that they may name.
fn input(policy: &str, rules: &str) -> String {
    format!(
        "table inet t {{\n set some {{ type inet_service; flags interval; elements = {{ 2222, \
         8000-9000 }} }}\n set none {{ type inet_service; }}\n chain services {{\n tcp dport \
         4443 accept\n tcp dport 9999 drop\n }}\n chain input {{\n type filter hook input \
         priority 0; policy {policy};\n {STATES} {rules}\n }}\n }}"
    )
}

/// Each ruleset, and at which of the ports datagrams arrive through it.
fn udp_rulesets() -> Vec<(String, [bool; 4])> {
    vec![
        (String::new(), [true; 4]),
        (input("drop", ""), [false; 4]),
        (input("accept", ""), [true; 4]),
        (input("drop", "tcp dport 4443 accept"), [false; 4]),
        (input("drop", "udp dport { 2222, 9990-9999 } accept"), [true, false, false, true]),
        (input("accept", "udp dport @some drop"), [false, true, false, true]),
        (input("accept", "tcp dport 4443 drop"), [true; 4]),
        (
            input("drop", "meta l4proto { tcp, udp } th dport 4443 accept"),
            [false, true, false, false],
        ),
        (input("drop", "ip protocol udp accept"), [true; 4]),
        (input("drop", "meta l4proto vmap { tcp : accept, udp : drop }"), [false; 4]),
        (
            input("drop", "udp dport vmap { 2222 : accept, 9999 : drop }"),
            [true, false, false, false],
        ),
    ]
}

/// Each ruleset, and which of the ports can be reached through it.
fn rulesets() -> Vec<(String, [bool; 4])> {
    vec![
        (String::new(), [true; 4]),
        (input("drop", ""), [false; 4]),
        (input("accept", ""), [true; 4]),
        (input("drop", "tcp dport { 2222, 9990-9999 } accept"), [true, false, false, true]),
        (input("accept", "tcp dport 8000-9000 drop"), [true, true, false, true]),
        (input("accept", "tcp dport != 4443 reject"), [false, true, false, false]),
        (input("drop", "tcp dport @some accept"), [true, false, true, false]),
        (input("accept", "tcp dport @some reject"), [false, true, false, true]),
        (input("drop", "tcp dport @none accept"), [false; 4]),
        (input("drop", "jump services"), [false, true, false, false]),
        (input("accept", "jump services"), [true, true, true, false]),
        (
            input("drop", "tcp dport vmap { 2222 : accept, 9999 : drop }"),
            [true, false, false, false],
        ),
        (
            input("accept", "tcp dport vmap { 2222 : drop, 8888 : jump services }"),
            [false, true, true, true],
        ),
        (
            input("drop", "ct state vmap { established : accept, new : jump services }"),
            [false, true, false, false],
        ),
        (
            input("drop", "meta l4proto { tcp, udp } th dport 4443 accept"),
            [false, true, false, false],
        ),
        (input("drop", "udp dport 4443 accept"), [false; 4]),
        // Two tables: each has to let it through.
        (
            input("accept", "")
                + "\ntable ip u {\n chain input {\n type filter hook input \
             priority 10; policy accept;\n tcp dport 2222 drop\n }\n }",
            [false, true, true, true],
        ),
    ]
}

#[test]
fn what_is_said_of_a_ruleset_is_what_happens() {
    if !is("client") {
        let able = Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output();
        if !able.is_ok_and(|output| output.status.success()) {
            let _ = writeln!(std::io::stderr(), "skipped: it takes root, `unshare`, and `nft`");
            return;
        }
        let name = "what_is_said_of_a_ruleset_is_what_happens";
        let ran = in_a_namespace(name, "client").output().unwrap();
        let text = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && text.contains("1 passed"), "{ran:?}");
        return;
    }
    let server = Server::start();
    for (text, wanted) in rulesets() {
        server.rules(&text);
        let said = server.inside("nft", &["-j", "list", "ruleset"]);
        let said = serde_json::from_str(&said).unwrap();
        let rules = Ruleset::read(&said);
        for (port, wanted) in PORTS.into_iter().zip(wanted) {
            let to = Port { number: port, protocol: Protocol::Tcp };
            let reach = rules.reach(Family::V4, to);
            // What must come about has all the time that a busy machine takes.
            let time = Duration::from_millis(if wanted { 60_000 } else { 200 });
            let connected = TcpStream::connect_timeout(&([10, 9, 0, 1], port).into(), time).is_ok();
            assert_eq!(connected, wanted, "{port} {text}");
            assert_eq!(reach != Reach::Closed, wanted, "{port} {reach:?} {text}");
        }
    }
    for (text, wanted) in udp_rulesets() {
        server.rules(&text);
        let said = serde_json::from_str(&server.inside("nft", &["-j", "list", "ruleset"])).unwrap();
        let rules = Ruleset::read(&said);
        for (port, wanted) in PORTS.into_iter().zip(wanted) {
            let reach = rules.reach(Family::V4, Port { number: port, protocol: Protocol::Udp });
            assert_eq!(answers(port, wanted), wanted, "{port} {text}");
            assert_eq!(reach != Reach::Closed, wanted, "{port} {reach:?} {text}");
        }
    }
}

/// Whether a datagram is answered; what must be has all the time that a busy machine takes.
fn answers(port: u16, wanted: bool) -> bool {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let time = Duration::from_millis(if wanted { 60_000 } else { 200 });
    socket.set_read_timeout(Some(time)).unwrap();
    socket.send_to(b"who", ("10.9.0.1", port)).unwrap();
    socket.recv_from(&mut [0; 16]).is_ok()
}
