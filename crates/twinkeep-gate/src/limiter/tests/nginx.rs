//! The limiter beside a real nginx: it accepts what nginx accepted, at the times that nginx saw.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::decide;
use super::RATE;

/// nginx with `limit_req rate=5r/s burst=10 nodelay`; stopped when dropped.
struct Nginx {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nginx {
    fn start(dir: &Path) -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let places =
            [here.join("../../target/peers/nginx/usr/sbin/nginx"), "/usr/sbin/nginx".into()];
        let Some(program) = places.iter().find(|place| place.exists()) else {
            assert!(std::env::var_os("CI").is_none(), ".ci/peers.sh brings nginx");
            #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
            {
                println!("skipped: no nginx");
            }
            return None;
        };
        // Not a port: somebody else could take it before nginx does.
        let socket = dir.join("socket");
        let log = dir.join("log");
        write(&dir.join("f"), "ok");
        let dir = dir.display();
        let rules = format!(
            "daemon off; master_process off; pid {dir}/pid; error_log {dir}/errors;
             events {{ worker_connections 256; }}
             http {{
                 limit_req_zone $binary_remote_addr zone=z:1m rate=5r/s;
                 log_format times '$msec $status';
                 access_log {dir}/log times;
                 client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
                 fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi;
                 scgi_temp_path {dir}/scgi;
                 server {{
                     listen unix:{dir}/socket;
                     location / {{
                         root {dir}; limit_req zone=z burst=10 nodelay; limit_req_status 429;
                     }}
                 }}
             }}"
        );
        let config = log.with_file_name("nginx.conf");
        write(&config, &rules);
        let child = Command::new(program)
            .arg("-p")
            .arg(config.parent().unwrap())
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self { child, socket, log };
        let begin = Instant::now();
        while UnixStream::connect(&nginx.socket).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(120), "nginx did not open its socket");
            sleep(Duration::from_millis(20));
        }
        Some(nginx)
    }

    fn ask(&self) {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(b"GET /f HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
    }
}

fn write(path: &Path, text: &str) {
    fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn it_accepts_what_a_real_nginx_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let Some(nginx) = Nginx::start(dir.path()) else { return };
    for (pause_ms, count) in [(0, 30), (330, 5), (730, 12), (90, 3), (1500, 25)] {
        sleep(Duration::from_millis(pause_ms));
        (0..count).for_each(|_| nginx.ask());
    }
    for _ in 0..20 {
        sleep(Duration::from_millis(130));
        nginx.ask();
    }
    let log = fs::read_to_string(&nginx.log).unwrap();
    let lines: Vec<(u64, bool)> = log.lines().map(line).collect();
    assert_eq!(lines.len(), 95, "{log}");
    assert!(lines.iter().filter(|(_, accepted)| *accepted).count() < 95, "nobody was refused");
    let mut whole_at = 0;
    for (number, (ms, accepted)) in lines.into_iter().enumerate() {
        // nginx limits by one clock and logs another: they differ by less than a millisecond, and
        // so does either from the moment that it was rounded at.
        let near = [ms, ms + 1, ms - 1].map(|ms| decide(RATE, whole_at, ms * 1_000_000));
        let agrees = near.into_iter().find(|(decision, _)| decision.allowed() == accepted);
        let Some((_, next)) = agrees else {
            panic!("request {number} at {ms} ms: nginx says {accepted}, we say otherwise\n{log}");
        };
        whole_at = next;
    }
}

/// Reads `1795363200.123 429`.
fn line(text: &str) -> (u64, bool) {
    let (time, status) = text.split_once(' ').unwrap();
    let (seconds, millis) = time.split_once('.').unwrap();
    let ms = seconds.parse::<u64>().unwrap() * 1000 + millis.parse::<u64>().unwrap();
    assert!(matches!(status, "200" | "429"), "{text}");
    (ms, status == "200")
}
