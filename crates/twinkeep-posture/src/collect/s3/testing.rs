//! A running moto for tests, which speaks S3, S3 Control, and STS; gone when dropped.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::client::{Call, Client};
use super::credentials::{Asked, Settings};
use crate::collect::postgres::testing::free_port;

/// A running moto.
pub(crate) struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    /// Starts one on a free port of loopback. Where it is not installed a test is skipped and says
    /// so, except in CI, where it fails.
    pub(crate) fn start() -> Option<Moto> {
        let program = find("moto_server")?;
        let port = free_port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Moto { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < START_TIME_MAX, "moto does not start");
            thread::sleep(Duration::from_millis(50));
        }
        Some(moto)
    }

    /// Makes a client of it.
    pub(crate) fn client(&self) -> Client {
        client_at(&format!("http://127.0.0.1:{}", self.port))
    }

    /// Makes a bucket.
    pub(crate) fn bucket(&self, name: &str) {
        self.put(name, "", "");
    }

    /// Sets something of a bucket.
    #[track_caller]
    pub(crate) fn put(&self, name: &str, question: &str, body: &str) {
        let answered = self.client().send(&Call::put(name, question, body.into())).unwrap();
        let text = String::from_utf8_lossy(&answered.body);
        assert!(answered.status < 300, "{name} {question}: {} {text}", answered.status);
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a client of an address, with credentials that are nobody's.
pub(crate) fn client_at(address: &str) -> Client {
    let variable = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        "AWS_SHARED_CREDENTIALS_FILE" | "AWS_CONFIG_FILE" => Some("/dev/null".to_owned()),
        _ => None,
    };
    let asked = Asked { endpoint: Some(address.to_owned()), ..Asked::default() };
    Client::new(Settings::find(&asked, &variable).unwrap(), now).unwrap()
}

/// Requests are signed for the time of the system, which a file of it has.
fn now() -> SystemTime {
    std::fs::metadata("/proc/self").unwrap().modified().unwrap()
}

/// An access control list: the owner has everything, and groups have this. moto takes one
/// permission of each grant.
pub(crate) fn acl(groups: &[(&str, &str)]) -> String {
    let owner = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a";
    let mut grants = format!(
        "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:type=\"CanonicalUser\"><ID>{owner}</ID></Grantee>\
         <Permission>FULL_CONTROL</Permission></Grant>"
    );
    for (group, permission) in groups {
        let family = if *group == "LogDelivery" { "s3" } else { "global" };
        grants.push_str(&format!(
            "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/{family}/{group}</URI>\
             </Grantee><Permission>{permission}</Permission></Grant>"
        ));
    }
    format!(
        "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner>\
         <ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList>\
         </AccessControlPolicy>"
    )
}

/// A policy that lets anybody read.
pub(crate) fn public_policy(bucket: &str) -> String {
    format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Sid\":\"Open\",\"Effect\":\"Allow\",\
         \"Principal\":\"*\",\"Action\":\"s3:GetObject\",\
         \"Resource\":\"arn:aws:s3:::{bucket}/*\"}}]}}"
    )
}

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Where `.ci/peers.sh` puts what it installs.
    places.push(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers/bin").into());
    let found = places.into_iter().map(|place| place.join(program)).find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
        println!("skipped: {program} is not installed");
    }
    found
}

/// Far more than it takes.
const START_TIME_MAX: Duration = Duration::from_secs(120);
