//! Feeds through a stream of NATS JetStream: delivered at least once, stored exactly once.

use std::fs;
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::harness::{Place, Ran, peer, write, write_private};
use crate::nats_server::{Between, Client, NatsServer, until};
use crate::peers::Authority;
use crate::send::{serve_with, status_of};

/// A server with a stream.
fn stream() -> Option<(NatsServer, Client)> {
    let server = NatsServer::start("")?;
    let mut client = Client::connect(&server);
    client.make_stream();
    Some((server, client))
}

/// A keep, three sealed feeds of the hospital in order, and a stream.
fn ready() -> Option<(Place, NatsServer, Client)> {
    let (server, client) = stream()?;
    let place = Place::with_keep();
    for number in 1..=3 {
        let name = format!("{number}.tar.gz");
        place.synth(&name, 5, 0, number);
        place.seal(&name).done();
    }
    Some((place, server, client))
}

fn receive_from(place: &Place, url: &str, more: &[&str]) -> Ran {
    let base = ["receive", "nats", url, "--stream", "FEEDS", "--consumer", "keep", "--once"];
    place.run(&[&base[..], more].concat())
}

fn receive(place: &Place, server: &NatsServer) -> Ran {
    receive_from(place, &server.url(), &[])
}

fn send(place: &Place, url: &str, more: &[&str]) -> Ran {
    let base =
        ["send", "--nats", url, "--subject", "feeds.ward", "--identity", "hospital.identity"];
    let keys = ["--key-file", "hospital.kek", "--recipient", "keep/public/keep.identity.pub"];
    place.run(&[&base[..], &keys, &["--retries", "2"], more].concat())
}

/// A receiver that goes on until it is told to stop.
struct Receiving(Child);

impl Receiving {
    fn start(place: &Place, port: u16) -> Self {
        let url = format!("nats://127.0.0.1:{port}");
        let args = ["receive", "nats", &url, "--stream", "FEEDS", "--consumer", "keep", "--json"];
        Self(place.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
    }

    /// Tells it to stop, and returns how it ended.
    fn stop(mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn feeds(place: &Place) -> usize {
    place.run(&["feed", "list"]).lines().len()
}

/// Without those that only hold refused messages.
fn feeds_of_the_hospital(place: &Place) -> usize {
    let lines = place.run(&["feed", "list"]).lines();
    lines.iter().filter(|line| line["sequence"].is_u64()).count()
}

fn outcomes(lines: &[Value]) -> Vec<(&str, Option<u64>, Option<&str>)> {
    lines
        .iter()
        .map(|line| {
            (line["outcome"].as_str().unwrap(), line["sequence"].as_u64(), line["code"].as_str())
        })
        .collect()
}

#[test]
fn what_is_sent_through_a_stream_is_stored_once() {
    let Some((server, mut client)) = stream() else { return };
    let place = Place::with_keep();
    place.synth("monday.tar.gz", 5, 2, 1);
    place.synth("tuesday.tar.gz", 5, 0, 2);
    let sent = send(&place, &server.url(), &["monday.tar.gz", "tuesday.tar.gz"]).lines();
    assert_eq!((&sent[0]["stream"], &sent[1]["message"]), (&json!("FEEDS"), &json!(2)));
    assert_eq!(place.files("hospital.identity.outbox"), Vec::<std::path::PathBuf>::new());
    let lines = receive(&place, &server).lines();
    assert_eq!(outcomes(&lines), [("stored", Some(1), None), ("stored", Some(2), None)]);
    assert_eq!(lines[1]["feed"], "feed-2");
    assert_eq!((feeds(&place), client.left()), (2, 0));
    assert!(receive(&place, &server).lines().is_empty());
    // Another consumer is given everything again, and it is known.
    let again = ["--consumer", "other", "--stream", "FEEDS", "--once"];
    let again = place.run(&[&["receive", "nats", &server.url()], &again[..]].concat()).lines();
    assert_eq!(outcomes(&again), [("known", Some(1), None), ("known", Some(2), None)]);
    assert_eq!(feeds(&place), 2);
    assert!(place.files("keep/incoming").iter().all(|file| file.extension().unwrap() == "report"));
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn a_feed_that_overtook_others_waits_and_one_that_is_lost_is_passed_over_on_request() {
    let Some((place, server, mut client)) = ready() else { return };
    for number in [3, 2] {
        client.publish_file(&place.path(&format!("{number}.tar.gz.sealed")));
    }
    let lines = receive(&place, &server).lines();
    let early = |sequence| ("early", Some(sequence), Some("feed-gap"));
    assert_eq!(outcomes(&lines), [early(3), early(2)]);
    assert_eq!((feeds(&place), client.left()), (0, 2));
    client.publish_file(&place.path("1.tar.gz.sealed"));
    let mut stored = Vec::new();
    until("all are stored", || {
        stored.extend(receive(&place, &server).lines());
        feeds(&place) == 3
    });
    stored.retain(|line| line["outcome"] == "stored");
    let order: Vec<_> = stored.iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
    assert_eq!((order, client.left()), (vec![1, 2, 3], 0));
    // The fourth is lost for good.
    for number in [4, 5, 6] {
        place.synth(&format!("{number}.tar.gz"), 5, 0, number);
        place.seal(&format!("{number}.tar.gz")).done();
    }
    client.publish_file(&place.path("6.tar.gz.sealed"));
    client.publish_file(&place.path("5.tar.gz.sealed"));
    let lines = receive_from(&place, &server.url(), &["--allow-gap"]).lines();
    assert_eq!(
        outcomes(&lines),
        [early(6), early(5), ("stored", Some(5), None), ("stored", Some(6), None)]
    );
    assert_eq!((feeds(&place), client.left()), (5, 0));
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn what_can_never_be_stored_is_kept_and_recorded_and_does_not_come_again() {
    let Some((place, server, mut client)) = ready() else { return };
    let whole = fs::read(place.path("1.tar.gz.sealed")).unwrap();
    let mut flipped = whole.clone();
    let last = flipped.len() - 100;
    flipped[last] ^= 1;
    // A sender that the keep does not know, and a feed for another keep.
    place.run(&["identity", "new", "stranger", "--key-file", "stranger.kek"]).done();
    let seal = |identity: &str, kek: &str, to: &str, out: &str| {
        let base = ["seal", "2.tar.gz", "--identity", identity, "--key-file", kek];
        place.run(&[&base[..], &["--to", to, "--out", out]].concat()).done();
    };
    seal("stranger.identity", "stranger.kek", "keep/public/keep.identity.pub", "strange.sealed");
    seal("hospital.identity", "hospital.kek", "stranger.identity.pub", "elsewhere.sealed");
    let plain = b"MRN-4711,Ada Lovelace,HR,80";
    client.publish(plain);
    client.publish(b"");
    client.publish(&flipped);
    client.publish(&whole[..whole.len() - 1]);
    client.publish_file(&place.path("strange.sealed"));
    client.publish_file(&place.path("elsewhere.sealed"));
    client.publish(&whole);
    let lines = receive(&place, &server).lines();
    let refused = |sequence, code| ("refused", sequence, Some(code));
    assert_eq!(
        outcomes(&lines),
        [
            refused(None, "feed-not-sealed"),
            refused(None, "feed-truncated"),
            refused(Some(1), "feed-segment-forged"),
            refused(Some(1), "feed-truncated"),
            refused(None, "feed-unknown-sender"),
            refused(Some(1), "feed-wrong-recipient"),
            ("stored", Some(1), None),
        ]
    );
    assert_eq!(client.left(), 0, "they come again");
    let kept = |line: &Value| line["kept"].as_str().unwrap().to_owned();
    let file = place.path("keep/incoming/refused").join(kept(&lines[2]));
    assert_eq!(fs::read(&file).unwrap(), flipped);
    let reason = fs::read_to_string(format!("{}.reason.txt", file.display())).unwrap();
    assert!(reason.starts_with("feed-segment-forged"), "{reason}");
    // What is plain is in quarantine, and nowhere in the clear.
    let quarantine = place.run(&["feed", "quarantine", &kept(&lines[0]), "--reveal"]);
    assert!(quarantine.stdout.contains("Ada Lovelace"), "{}", quarantine.stdout);
    for file in place.files("keep") {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(8).any(|at| at == b"Lovelace"), "{}", file.display());
    }
    let ledger = place.run(&["ledger", "show"]).stdout;
    assert_eq!(ledger.matches("message.refused").count(), 6, "{ledger}");
    // The operator comes to know the stranger, and ingests what was kept.
    place.run(&["sender", "add", "stranger.identity.pub"]).done();
    let strange = format!("keep/incoming/refused/{}", kept(&lines[4]));
    assert_eq!(place.run(&["ingest", &strange]).done()["sequence"], 1);
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn another_feed_under_the_number_of_one_that_is_stored_is_refused() {
    let Some((place, server, mut client)) = ready() else { return };
    client.publish_file(&place.path("1.tar.gz.sealed"));
    receive(&place, &server).done();
    // The sender lost its memory, and seals another first feed.
    fs::remove_file(place.path("hospital.identity.sent")).unwrap();
    place.synth("other.tar.gz", 5, 0, 9);
    place.seal("other.tar.gz").done();
    client.publish_file(&place.path("other.tar.gz.sealed"));
    client.publish_file(&place.path("1.tar.gz.sealed"));
    let forked = |ran: &Ran| {
        let lines = ran.lines();
        let expected = [("refused", Some(1), Some("feed-forked")), ("known", Some(1), None)];
        assert_eq!(outcomes(&lines), expected);
    };
    forked(&receive(&place, &server));
    assert_eq!((feeds(&place), client.left()), (1, 0));
    // Without the note of what came, the manifest tells.
    fs::remove_dir_all(place.path("keep/incoming")).unwrap();
    let again = ["--consumer", "again", "--stream", "FEEDS", "--once"];
    let again = place.run(&[&["receive", "nats", &server.url()], &again[..]].concat()).lines();
    assert_eq!(
        outcomes(&again),
        [
            ("known", Some(1), None),
            ("refused", Some(1), Some("feed-forked")),
            ("known", Some(1), None)
        ]
    );
    assert_eq!(feeds(&place), 1);
}

#[test]
fn a_message_that_passes_itself_off_as_a_word_of_the_server_is_seen_for_what_it_is() {
    let Some((place, server, mut client)) = ready() else { return };
    let headers = ["404 No Messages", "408 Request Timeout", "409 Consumer Deleted", "100", "503"];
    for words in headers {
        client.publish_with(&format!("NATS/1.0 {words}\r\n\r\n"), b"junk");
    }
    let whole = fs::read(place.path("1.tar.gz.sealed")).unwrap();
    client.publish_with("NATS/1.0 404\r\nNats-Msg-Id: x\r\n\r\n", &whole);
    let lines = receive(&place, &server).lines();
    let codes: Vec<_> = lines.iter().map(|line| line["code"].as_str()).collect();
    assert_eq!(codes, [[Some("feed-not-sealed"); 5].as_slice(), &[None]].concat());
    assert_eq!((feeds_of_the_hospital(&place), client.left()), (1, 0));
}

#[test]
fn a_message_that_breaks_the_connection_does_not_stop_those_behind_it() {
    let Some((place, server, mut client)) = ready() else { return };
    for headers in ["GARBAGE\r\n\r\n", "NATS/1.0 99999999\r\n\r\n", "NATS/1.0\r\nno colon\r\n\r\n"]
    {
        client.publish_with(headers, b"junk");
    }
    client.publish_file(&place.path("1.tar.gz.sealed"));
    until("the feed behind them is stored", || {
        receive(&place, &server).code == 0 && feeds_of_the_hospital(&place) == 1
    });
}

#[test]
fn what_a_crash_left_half_done_is_finished_by_the_message_that_comes_again() {
    let Some((place, server, mut client)) = ready() else { return };
    let sender = place.run(&["sender", "list"]).lines()[0]["key_id"].as_str().unwrap().to_owned();
    let incoming = |number: u32, suffix: &str| {
        place.path(&format!("keep/incoming/{sender}-{number:016}{suffix}"))
    };
    let sealed = |number: u32| fs::read(place.path(&format!("{number}.tar.gz.sealed"))).unwrap();
    // It died while the message was written, and somebody had damaged the one that was whole.
    std::process::Command::new("mkdir")
        .args(["-m", "700"])
        .arg(place.path("keep/incoming"))
        .status()
        .unwrap();
    write_private(&incoming(1, ".upload"), &sealed(1)[..500]);
    let mut damaged = sealed(1);
    damaged[3000] ^= 1;
    write_private(&incoming(1, ".sealed"), &damaged);
    client.publish(&sealed(1));
    let lines = receive(&place, &server).lines();
    assert_eq!(outcomes(&lines), [("stored", Some(1), None)]);
    // It died after the feed was stored, before anybody knew.
    fs::remove_file(incoming(1, ".report")).unwrap();
    write_private(&incoming(1, ".sealed"), &sealed(1));
    client.publish(&sealed(1));
    // It died when the feed was whole, before it was stored.
    write_private(&incoming(2, ".sealed"), &sealed(2));
    client.publish(&sealed(2));
    let lines = receive(&place, &server).lines();
    assert_eq!(outcomes(&lines), [("known", Some(1), None), ("known", Some(2), None)]);
    assert_eq!((feeds(&place), client.left()), (2, 0));
    let left = place.files("keep/incoming");
    assert!(left.iter().all(|file| file.extension().unwrap() == "report"), "{left:?}");
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn a_receiver_that_dies_between_storing_and_saying_so_stores_nothing_twice() {
    let Some((place, server, mut client)) = ready() else { return };
    client.make_consumer(3, &json!({}));
    client.publish_file(&place.path("1.tar.gz.sealed"));
    let between = Between::start(&server, true);
    let receiving = Receiving::start(&place, between.port);
    until("it says that the message is done", || between.done.load(Ordering::SeqCst));
    receiving.kill();
    assert_eq!((feeds(&place), client.left()), (1, 1));
    let mut lines = Vec::new();
    until("the message comes again", || {
        lines = receive(&place, &server).lines();
        !lines.is_empty()
    });
    assert_eq!(outcomes(&lines), [("known", Some(1), None)]);
    assert_eq!((feeds(&place), client.left()), (1, 0));
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn a_message_that_takes_long_is_not_given_out_again_meanwhile() {
    let Some((place, server, mut client)) = ready() else { return };
    client.make_consumer(6, &json!({}));
    client.publish_file(&place.path("1.tar.gz.sealed"));
    // Somebody else writes to the keep.
    let lock = fs::File::create(place.path("keep/store/writer.lock")).unwrap();
    lock.lock().unwrap();
    let between = Between::start(&server, false);
    let receiving = Receiving::start(&place, between.port);
    until("it says that it works on it", || 2 <= between.progress.load(Ordering::SeqCst));
    lock.unlock().unwrap();
    until("it is done", || client.left() == 0);
    assert_eq!(feeds(&place), 1);
    assert_eq!(receiving.stop(), Some(0));
}

#[test]
fn what_fails_for_a_reason_of_this_keep_comes_again() {
    let Some((place, server, mut client)) = ready() else { return };
    client.publish_file(&place.path("1.tar.gz.sealed"));
    // Nothing can be put into a folder that is a file.
    write_private(&place.path("keep/incoming"), b"");
    let failed = receive(&place, &server);
    assert_eq!((failed.code, client.left()), (3, 1), "{}", failed.stderr);
    fs::remove_file(place.path("keep/incoming")).unwrap();
    until("it comes again, and is stored", || {
        receive(&place, &server).lines().iter().any(|line| line["outcome"] == "stored")
    });
    assert_eq!(client.left(), 0);
}

#[test]
fn a_receiver_outlives_its_server_and_ends_when_it_is_told_to() {
    let Some((place, mut server, mut client)) = ready() else { return };
    let receiving = Receiving::start(&place, server.port);
    client.publish_file(&place.path("1.tar.gz.sealed"));
    until("the first is stored", || feeds(&place) == 1);
    server.kill();
    server.run();
    let mut client = Client::connect(&server);
    client.publish_file(&place.path("2.tar.gz.sealed"));
    until("the second is stored", || feeds(&place) == 2);
    until("it is done", || client.left() == 0);
    assert_eq!(receiving.stop(), Some(0));
    // One that starts before its server waits for it.
    server.kill();
    let receiving = Receiving::start(&place, server.port);
    std::thread::sleep(std::time::Duration::from_secs(1));
    server.run();
    Client::connect(&server).publish_file(&place.path("3.tar.gz.sealed"));
    until("the third is stored", || feeds(&place) == 3);
    assert_eq!(receiving.stop(), Some(0));
}

#[test]
fn the_server_takes_feeds_out_of_its_stream_and_says_when_it_cannot() {
    if peer("curl").is_none() {
        return;
    }
    let Some((place, mut server, mut client)) = ready() else { return };
    let config = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let (stream, consumer) = ("stream = \"FEEDS\"", "consumer = \"keep\"");
    let table = format!("[intake.nats]\nurl = \"{}\"\n{stream}\n{consumer}\n", server.url());
    write(&config, format!("{text}\n{table}credentials = \"missing.creds\"\n").as_bytes());
    // A login that is not there is told before the gate opens.
    let refused = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((refused.code, refused.refused().as_str()), (2, "nats-login-file"));
    write(&config, format!("{text}\n{table}").as_bytes());
    client.publish_file(&place.path("1.tar.gz.sealed"));
    let gate = serve_with(&place, &[]);
    let state = || status_of(&place, &gate)["stream"].as_str().unwrap().to_owned();
    until("the first is stored", || feeds(&place) == 1);
    until("the stream is watched", || state() == "watching");
    assert_eq!(status_of(&place, &gate)["status"], "ready");
    server.kill();
    until("the gate says so", || state() == "failing");
    assert_eq!(status_of(&place, &gate)["status"], "degraded");
    server.run();
    until("the stream is watched again", || state() == "watching");
    Client::connect(&server).publish_file(&place.path("2.tar.gz.sealed"));
    until("the second is stored", || feeds(&place) == 2);
    assert_eq!(gate.stop(), Some(0));
    let lines = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    let watched = lines.iter().filter(|line| line["action"] == "stream.watched");
    let outcomes: Vec<&str> = watched.map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!((outcomes[0], outcomes[2]), ("success", "success"), "{outcomes:?}");
    assert!(outcomes[1].starts_with("nats-"), "{outcomes:?}");
    let by_itself = |line: &&Value| line["action"] == "feed.ingested" && line["actor"] == "system";
    assert_eq!(lines.iter().filter(by_itself).count(), 2);
}

#[test]
fn a_server_is_believed_by_its_certificate_and_lets_in_by_a_login() {
    let place = Place::with_keep();
    let authority = Authority::new(30);
    authority.write(&place.path("ca.pem"));
    Authority::new(30).write(&place.path("other.pem"));
    let (certificate, key) = authority.issue("localhost", 0);
    write_private(&place.path("server.pem"), certificate.as_bytes());
    write_private(&place.path("server.key"), key.as_bytes());
    let config = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\" }}\n\
         authorization {{ users: [ {{ user: twin, password: \"correct horse\" }} ] }}",
        place.path("server.pem").display(),
        place.path("server.key").display(),
    );
    let Some(server) = NatsServer::start(&config) else { return };
    write_private(&place.path("right.txt"), b"correct horse\n");
    write_private(&place.path("wrong.txt"), b"incorrect horse\n");
    write(&place.path("open.txt"), b"correct horse\n");
    let url = format!("tls://localhost:{}", server.port);
    let refused = |url: &str, ca: &str, password: &str| {
        let login = ["--ca", ca, "--user", "twin", "--password-file", password];
        receive_from(&place, url, &login).refused()
    };
    // Let in, and there is no stream: so far the login came.
    assert_eq!(refused(&url, "ca.pem", "right.txt"), "nats-no-stream");
    assert_eq!(refused(&url, "ca.pem", "wrong.txt"), "nats-login");
    assert_eq!(refused(&url, "ca.pem", "open.txt"), "nats-login-file");
    assert_eq!(refused(&url, "other.pem", "right.txt"), "tls-untrusted");
    assert_eq!(refused(&url, "none.pem", "right.txt"), "tls-file");
    let ip = format!("tls://127.0.0.1:{}", server.port);
    assert_eq!(refused(&ip, "ca.pem", "right.txt"), "tls-host-name");
    let nobody = receive_from(&place, &url, &["--ca", "ca.pem"]);
    assert_eq!(nobody.refused(), "nats-login");
    // Whoever did not ask for TLS trusts nobody.
    assert_eq!(receive_from(&place, &server.url(), &[]).refused(), "tls-untrusted");
    assert!(!nobody.stderr.contains("horse"));
    place.synth("feed.tar.gz", 5, 0, 1);
    let login = ["feed.tar.gz", "--ca", "ca.pem", "--user", "twin", "--password-file", "right.txt"];
    assert_eq!(send(&place, &url, &login).refused(), "nats-no-taker");
}

#[test]
fn a_credentials_file_lets_in() {
    let place = Place::with_keep();
    let Some(server) = NatsServer::start(include_str!("nats_login/operator.conf")) else { return };
    let credentials = include_str!("nats_login/user.creds");
    write_private(&place.path("user.creds"), credentials.as_bytes());
    write_private(&place.path("broken.creds"), &credentials.as_bytes()[..300]);
    assert_eq!(receive(&place, &server).refused(), "nats-login");
    let with = |file: &str| receive_from(&place, &server.url(), &["--credentials", file]).refused();
    assert_eq!(with("broken.creds"), "nats-credentials");
    assert_eq!(with("user.creds"), "nats-no-stream");
}

#[test]
fn a_user_needs_no_more_permissions_than_the_guide_says() {
    let guide = include_str!("../../../../docs/guides/nats.md");
    let needed = guide.lines().find(|line| line.starts_with("The user of the keep needs")).unwrap();
    let subjects: Vec<&str> = needed.split('`').filter(|word| word.starts_with("$JS.")).collect();
    assert_eq!(subjects.len(), 4, "{needed}");
    let config = format!(
        "authorization {{ users: [\n\
         {{ user: keep, password: secret, permissions: {{ publish: {subjects:?}, subscribe: \"_INBOX.>\" }} }}\n\
         {{ user: admin, password: admin }} ] }}\nno_auth_user: admin"
    );
    let Some(server) = NatsServer::start(&config) else { return };
    let place = Place::with_keep();
    place.synth("feed.tar.gz", 5, 0, 1);
    place.seal("feed.tar.gz").done();
    let mut client = Client::connect(&server);
    client.make_stream();
    client.publish(b"junk");
    client.publish_file(&place.path("feed.tar.gz.sealed"));
    write_private(&place.path("password"), b"secret");
    let login = ["--user", "keep", "--password-file", "password"];
    let lines = receive_from(&place, &server.url(), &login).lines();
    assert_eq!(lines[1]["outcome"], "stored");
    assert_eq!(client.left(), 0);
}

#[test]
fn a_feed_that_is_too_large_for_the_stream_is_refused_and_its_number_is_free() {
    let Some(server) = NatsServer::start("max_payload: 20000") else { return };
    let place = Place::with_keep();
    place.synth("large.tar.gz", 200, 0, 1);
    place.synth("small.tar.gz", 1, 0, 2);
    let large = send(&place, &server.url(), &["large.tar.gz"]);
    assert_eq!(large.refused(), "nats-too-large");
    assert!(large.stderr.contains("https://"), "{}", large.stderr);
    // No stream takes it yet: it stays, and goes with the same bytes when there is one.
    assert_eq!(send(&place, &server.url(), &["small.tar.gz"]).refused(), "nats-no-taker");
    let sealed = |file: &std::path::PathBuf| file.extension().is_some_and(|it| it == "sealed");
    let waiting: Vec<_> =
        place.files("hospital.identity.outbox").into_iter().filter(sealed).collect();
    let bytes = fs::read(&waiting[0]).unwrap();
    let mut client = Client::connect(&server);
    client.make_stream();
    let sent = send(&place, &server.url(), &[]).done();
    assert_eq!((&sent["sequence"], &sent["size"]), (&json!(1), &json!(bytes.len())));
    let lines = receive(&place, &server).lines();
    assert_eq!(outcomes(&lines), [("stored", Some(1), None)]);
}

#[test]
fn a_message_whose_answer_was_lost_is_published_once() {
    let Some(server) = NatsServer::start("") else { return };
    let place = Place::with_keep();
    place.synth("feed.tar.gz", 5, 0, 1);
    let nowhere = send(&place, "nats://127.0.0.1:1", &["feed.tar.gz"]);
    assert_eq!((nowhere.code, nowhere.refused().as_str()), (3, "nats-unreachable"));
    assert_eq!(send(&place, &server.url(), &["feed.tar.gz"]).refused(), "nats-no-taker");
    // What the outbox is when the sender dies after the stream has taken the feed.
    place.copy("hospital.identity.outbox", "outbox.before");
    let mut client = Client::connect(&server);
    client.make_stream();
    assert_eq!(send(&place, &server.url(), &[]).done()["duplicate"], false);
    fs::remove_dir_all(place.path("hospital.identity.outbox")).unwrap();
    place.copy("outbox.before", "hospital.identity.outbox");
    assert_eq!(send(&place, &server.url(), &["feed.tar.gz"]).done()["duplicate"], true);
    assert_eq!(client.stored(), 1);
}

#[test]
fn a_consumer_that_would_lose_messages_is_not_used() {
    let Some((place, server, mut client)) = ready() else { return };
    client.publish_file(&place.path("1.tar.gz.sealed"));
    client.make_consumer(30, &json!({ "max_deliver": 3 }));
    assert_eq!(receive(&place, &server).refused(), "nats-consumer");
    let other = ["receive", "nats", &server.url(), "--stream", "FEEDS", "--once", "--consumer"];
    let with = |name: &str, more: &[&str]| place.run(&[&other[..], &[name], more].concat());
    assert_eq!(with("a.b", &[]).refused(), "nats-name");
    assert_eq!(with("ward", &["--subject", "feeds..x"]).refused(), "nats-name");
    assert!(with("ward", &["--subject", "feeds.ward.>"]).lines().is_empty());
    assert_eq!(with("ward", &["--subject", "feeds.*"]).refused(), "nats-consumer");
    assert_eq!(with("all", &["--subject", "feeds.*"]).lines()[0]["outcome"], "stored");
    let away = ["receive", "nats", "nats://stream.example", "--stream", "S", "--consumer", "c"];
    assert_eq!(place.run(&away).refused(), "nats-plaintext");
    let secret = ["receive", "nats", "tls://u:hush@localhost", "--stream", "S", "--consumer", "c"];
    let refused = place.run(&secret);
    assert_eq!(refused.refused(), "nats-url");
    assert!(!refused.stderr.contains("hush"), "{}", refused.stderr);
}
