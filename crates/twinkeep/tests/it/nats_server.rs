//! A NATS server for tests, and a client that speaks its protocol itself: what the program says is
//! not checked by the library that the program uses.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::peers::{find, free_port};

/// A running server with JetStream; its store outlives a restart, and goes with the value.
pub(crate) struct NatsServer {
    dir: tempfile::TempDir,
    child: Option<Child>,
    pub(crate) port: u16,
}

impl NatsServer {
    /// Starts one with these lines in its configuration.
    pub(crate) fn start(config: &str) -> Option<Self> {
        find("nats-server")?;
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let store = dir.path().join("store");
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{config}\n",
            store.display()
        );
        crate::harness::write_private(&dir.path().join("server.conf"), text.as_bytes());
        let mut server = Self { dir, child: None, port };
        server.run();
        Some(server)
    }

    /// Starts it again on the same port, with what it has stored.
    pub(crate) fn run(&mut self) {
        let program = find("nats-server").unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(self.dir.path().join("server.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        until("the server listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its address, without TLS.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A connection that speaks the protocol.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(server: &NatsServer) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_read_timeout(Some(TIME_MAX)).unwrap();
        let mut client = Self(BufReader::new(stream));
        assert!(client.line().starts_with("INFO"));
        client.send(
            b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nPING\r\n",
        );
        assert_eq!(client.line(), "PONG");
        client
    }

    /// Publishes, and returns the answer; empty where nobody listens.
    pub(crate) fn request(&mut self, subject: &str, payload: &[u8]) -> Vec<u8> {
        self.request_as(&format!("PUB {subject} answers {}", payload.len()), payload)
    }

    fn request_as(&mut self, command: &str, bytes: &[u8]) -> Vec<u8> {
        self.send(format!("SUB answers 1\r\n{command}\r\n").as_bytes());
        self.send(bytes);
        self.send(b"\r\n");
        loop {
            let line = self.line();
            let words: Vec<&str> = line.split(' ').collect();
            let length = match words[0] {
                "MSG" | "HMSG" => words.last().unwrap().parse::<usize>().unwrap(),
                "PING" => {
                    self.send(b"PONG\r\n");
                    continue;
                }
                _ => panic!("{line}"),
            };
            let mut answer = vec![0; length + 2];
            self.0.read_exact(&mut answer).unwrap();
            answer.truncate(length);
            self.send(b"UNSUB 1\r\n");
            return if words[0] == "MSG" { answer } else { Vec::new() };
        }
    }

    fn ask(&mut self, subject: &str, question: &Value) -> Value {
        let answer = self.request(&format!("$JS.API.{subject}"), question.to_string().as_bytes());
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    }

    /// Makes the stream `FEEDS` of all subjects `feeds.>`.
    pub(crate) fn make_stream(&mut self) {
        let config = json!({
            "name": "FEEDS", "subjects": ["feeds.>"], "retention": "limits", "storage": "file",
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "num_replicas": 1,
            "discard": "old",
        });
        self.ask("STREAM.CREATE.FEEDS", &config);
    }

    /// Makes a consumer that gives a message out again after so many seconds.
    pub(crate) fn make_consumer(&mut self, ack_wait: u64, more: &Value) {
        let mut config = json!({
            "durable_name": "keep", "ack_policy": "explicit", "deliver_policy": "all",
            "replay_policy": "instant", "max_deliver": -1, "ack_wait": ack_wait * 1_000_000_000,
        });
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        let question = json!({ "stream_name": "FEEDS", "config": config });
        self.ask("CONSUMER.DURABLE.CREATE.FEEDS.keep", &question);
    }

    /// Publishes what a test wants to be in the stream.
    pub(crate) fn publish(&mut self, payload: &[u8]) {
        let answer: Value = serde_json::from_slice(&self.request("feeds.test", payload)).unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
    }

    /// Publishes with headers of any kind.
    pub(crate) fn publish_with(&mut self, headers: &str, payload: &[u8]) {
        let bytes = [headers.as_bytes(), payload].concat();
        let command = format!("HPUB feeds.test answers {} {}", headers.len(), bytes.len());
        let answer: Value = serde_json::from_slice(&self.request_as(&command, &bytes)).unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
    }

    /// Publishes a file.
    pub(crate) fn publish_file(&mut self, path: &Path) {
        self.publish(&fs::read(path).unwrap());
    }

    /// Returns how many messages the consumer still has to do, those that were given out included.
    pub(crate) fn left(&mut self) -> u64 {
        let info = self.ask("CONSUMER.INFO.FEEDS.keep", &json!({}));
        info["num_pending"].as_u64().unwrap() + info["num_ack_pending"].as_u64().unwrap()
    }

    /// Returns how many messages are in the stream.
    pub(crate) fn stored(&mut self) -> u64 {
        self.ask("STREAM.INFO.FEEDS", &json!({}))["state"]["messages"].as_u64().unwrap()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// Stands between the program and the server, and counts what the program says of its messages.
pub(crate) struct Between {
    pub(crate) port: u16,
    /// How often the program said that it still works on one.
    pub(crate) progress: Arc<AtomicUsize>,
    /// Whether it said that one is done.
    pub(crate) done: Arc<AtomicBool>,
}

impl Between {
    /// With `deaf` the server never hears that a message is done, nor anything after that.
    pub(crate) fn start(server: &NatsServer, deaf: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let between = Self { port, progress: Arc::default(), done: Arc::default() };
        let (progress, done) = (Arc::clone(&between.progress), Arc::clone(&between.done));
        let target = server.port;
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(mut client), Ok(mut server)) =
                    (client, TcpStream::connect(("127.0.0.1", target)))
                else {
                    return;
                };
                let mut back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
                let (progress, done) = (Arc::clone(&progress), Arc::clone(&done));
                thread::spawn(move || {
                    // A word that is cut in two is seen with the piece before.
                    let (mut piece, mut seen) = ([0; 4096], Vec::new());
                    while let Ok(count @ 1..) = client.read(&mut piece) {
                        seen.extend_from_slice(&piece[..count]);
                        let has = |word: &[u8]| seen.windows(word.len()).any(|at| at == word);
                        if has(b"+WPI\r\n") {
                            progress.fetch_add(1, Ordering::SeqCst);
                            seen.clear();
                        } else if has(b"+ACK\r\n") {
                            done.store(true, Ordering::SeqCst);
                        }
                        if deaf && done.load(Ordering::SeqCst) {
                            continue;
                        }
                        let keep = seen.len().min(8);
                        let from = seen.len() - keep;
                        seen.drain(..from);
                        if server.write_all(&piece[..count]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        between
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < TIME_MAX, "{what}: this did not come");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Far more than anything here takes.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(120);
