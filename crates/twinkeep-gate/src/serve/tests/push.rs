//! Attacks on pushed feeds: clients that race, drip, leave, and come in crowds.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use twinkeep_app::{Caller, Dates, SealRequest};
use twinkeep_vault::KekSource;

use super::keep::write_feed;
use super::{Answer, Served, TestKeep, settings};
use crate::GateSettings;
use crate::testing::{PATIENCE, all_at_once, ask, read_to_close};

/// A sender that the keep accepts.
struct Sender {
    dir: tempfile::TempDir,
    key_id: String,
}

impl Sender {
    fn of(keep: &TestKeep) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secret = KekSource::KeyFile(dir.path().join("kek"));
        let made = twinkeep_app::new_identity("ward", dir.path(), &secret).unwrap();
        let public = dir.path().join("ward.identity.pub");
        let caller = Caller::operator();
        twinkeep_app::add_sender(&keep.app, &caller, &public, None, Dates::Real).unwrap();
        Self { dir, key_id: made.key_id }
    }

    /// Seals the next feed.
    fn seal(&self, keep: &TestKeep, people: std::ops::Range<u32>) -> Vec<u8> {
        let input = self.dir.path().join(format!("feed-{}-{}", people.start, people.end));
        write_feed(&input, people);
        let out = input.with_extension("sealed");
        let secret = KekSource::KeyFile(self.dir.path().join("kek"));
        let request = SealRequest {
            input: &input,
            out: &out,
            identity: &self.dir.path().join("ward.identity"),
            secret: &secret,
            recipients: &[keep.root.join("public/keep.identity.pub")],
        };
        twinkeep_app::seal_feed(&request, &mut |_| ()).unwrap();
        std::fs::read(out).unwrap()
    }

    fn path(&self, sequence: u64) -> String {
        format!("/api/v1/feeds/{}/{sequence}", self.key_id)
    }
}

/// The head of a request to send a feed, or a part of one.
fn head(served: &Served, method: &str, path: &str, length: usize, lines: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Api-Key: {}\r\n\
         Content-Length: {length}\r\n{lines}\r\n",
        served.key
    )
    .into_bytes()
}

async fn push(served: &Served, method: &str, path: &str, lines: &str, body: &[u8]) -> Answer {
    let mut bytes = head(served, method, path, body.len(), lines);
    bytes.extend(body);
    Answer::parse(&served.client.raw(&bytes).await)
}

async fn patch(served: &Served, path: &str, offset: usize, last: bool, body: &[u8]) -> Answer {
    let lines = format!(
        "Content-Type: application/partial-upload\r\nUpload-Offset: {offset}\r\n\
         Upload-Complete: ?{}\r\n",
        u8::from(last)
    );
    push(served, "PATCH", path, &lines, body).await
}

async fn offset(served: &Served, path: &str) -> Option<usize> {
    let answer = push(served, "HEAD", path, "", b"").await;
    answer.header("upload-offset")?.parse().ok()
}

/// Waits for something on the server's side.
async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn feeds(keep: &TestKeep) -> usize {
    twinkeep_app::list_feeds(&keep.app, &Caller::operator()).unwrap().len()
}

#[tokio::test]
async fn an_upload_that_drips_is_cut_off_and_goes_on_where_it_was() {
    let keep = TestKeep::empty();
    let sender = Sender::of(&keep);
    let (feed, path) = (sender.seal(&keep, 0..20), sender.path(1));
    // Long enough that some of it is on a slow disk by then.
    let request_time = Duration::from_secs(10);
    let served = Served::open(&keep, GateSettings { request_time, ..settings() });
    let (mut reader, mut writer) = tokio::io::split(served.client.connect("http/1.1").await);
    writer.write_all(&head(&served, "PUT", &path, feed.len(), "")).await.unwrap();
    writer.flush().await.unwrap();
    let bytes = feed.clone();
    let drip = tokio::spawn(async move {
        for byte in bytes {
            if writer.write_all(&[byte]).await.is_err() || writer.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    // The gate ends the connection, long before the feed would be whole at this rate.
    read_to_close(&mut reader).await;
    drip.abort();
    drop(served);
    // What follows may take as long as the disk needs.
    let served = Served::open(&keep, settings());
    // What came is kept, and nobody holds it any more.
    until("the upload was let go", || async {
        let at = offset(&served, &path).await;
        matches!(at, Some(at) if 0 < at && at < feed.len())
            && patch(&served, &path, at.unwrap(), false, b"").await.status == 200
    })
    .await;
    let at = offset(&served, &path).await.unwrap();
    let done = patch(&served, &path, at, true, &feed[at..]).await;
    assert_eq!((done.status, done.json()["state"].as_str()), (200, Some("stored")), "{done:?}");
    assert_eq!(feeds(&keep), 1);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_loses_nothing_of_what_came() {
    let keep = TestKeep::empty();
    let sender = Sender::of(&keep);
    let (feed, path) = (sender.seal(&keep, 0..20), sender.path(1));
    let served = Served::open(&keep, settings());
    let mut at = 0;
    for part in 1..4 {
        let end = feed.len() * part / 4;
        let mut stream = served.client.connect("http/1.1").await;
        let lines = format!(
            "Content-Type: application/partial-upload\r\nUpload-Offset: {at}\r\n\
             Upload-Complete: ?1\r\n"
        );
        let begin = head(&served, "PATCH", &path, feed.len() - at, &lines);
        stream.write_all(&begin).await.unwrap();
        stream.write_all(&feed[at..end]).await.unwrap();
        stream.flush().await.unwrap();
        if part == 2 {
            // Gone without a word: what had not been read yet may be lost with the connection.
            drop(stream);
        } else {
            stream.shutdown().await.unwrap();
            read_to_close(&mut stream).await;
        }
        // Nobody holds the upload any more, and it is as far as it says.
        until("the upload was let go", || async {
            let at = offset(&served, &path).await.unwrap_or(0);
            patch(&served, &path, at, false, b"").await.status == 200
        })
        .await;
        let kept = offset(&served, &path).await.unwrap();
        assert!(at <= kept && kept <= end && (part == 2 || kept == end), "{kept} of {end}");
        at = kept;
    }
    assert_eq!(patch(&served, &path, at, true, &feed[at..]).await.status, 200);
    assert_eq!(feeds(&keep), 1);
}

#[tokio::test]
async fn two_clients_with_the_same_number_store_one_feed() {
    let keep = TestKeep::empty();
    let sender = Sender::of(&keep);
    let (feed, path) = (sender.seal(&keep, 0..20), sender.path(1));
    let served = Served::open(&keep, settings());
    // The same bytes, at the same time.
    let both = (0..2).map(|_| push(&served, "PUT", &path, "", &feed));
    for answer in all_at_once(both).await {
        assert!(matches!(answer.status, 200 | 202 | 409), "{answer:?}");
    }
    until("it was stored", || async { feeds(&keep) == 1 }).await;
    // Others under the same number: whoever is whole first is the one, and nothing mixes.
    let (feed, path) = (sender.seal(&keep, 20..50), sender.path(2));
    let forged: Vec<u8> = feed.iter().map(|byte| !byte).collect();
    let third = feed.len() / 3;
    let begun = patch(&served, &path, 0, false, &forged[..third]).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let interfering = patch(&served, &path, third, true, &feed[third..]).await;
    assert_eq!(interfering.status, 422, "{interfering:?}");
    assert_eq!(patch(&served, &path, 0, false, &feed[..third]).await.status, 200);
    let late = patch(&served, &path, 7, true, &forged[7..]).await;
    assert_eq!((late.status, late.code().as_str()), (409, "upload-offset"));
    assert_eq!(patch(&served, &path, third, true, &feed[third..]).await.status, 200);
    assert_eq!(feeds(&keep), 2);
}

/// A thousand clients; `TWINKEEP_CONNECTIONS` says how many otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "what was measured is printed")]
async fn a_thousand_clients_that_push_the_same_feed_at_once_store_it_once() {
    let asked = std::env::var("TWINKEEP_CONNECTIONS").ok().and_then(|text| text.parse().ok());
    let count = asked.unwrap_or(1000);
    // Both ends of each connection are in this process.
    let granted = twinkeep_vault::process::raise_open_files(count as u64 * 2 + 500);
    let count = count.min(usize::try_from(granted).unwrap_or(usize::MAX).saturating_sub(500) / 2);
    let keep = TestKeep::empty();
    let sender = Sender::of(&keep);
    let (feed, path) = (sender.seal(&keep, 0..20), sender.path(1));
    let served = Served::open(
        &keep,
        GateSettings {
            connection_count_max: count + 10,
            connection_count_per_address_max: count + 10,
            idle_time: PATIENCE * 5,
            request_time: PATIENCE,
            ..settings()
        },
    );
    let begin = Instant::now();
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count {
        // A few at a time: more handshakes than processors only wait for each other.
        let few = 16.min(count - streams.len());
        streams.extend(all_at_once((0..few).map(|_| served.client.connect("http/1.1"))).await);
    }
    let opened = begin.elapsed();
    let mut request = head(&served, "PUT", &path, feed.len(), "");
    request.extend(&feed);
    let begin = Instant::now();
    let pushes = streams.into_iter().map(|mut stream| {
        let request = &request;
        async move { Answer::parse(&ask(&mut stream, request).await) }
    });
    let mut statuses = std::collections::BTreeMap::new();
    for answer in all_at_once(pushes).await {
        // Stored (or known to be), in someone else's hands, refused for haste, or too many at once.
        assert!(matches!(answer.status, 200 | 202 | 409 | 429 | 503), "{answer:?}");
        *statuses.entry(answer.status).or_insert(0) += 1;
    }
    println!("{count} connections in {opened:?}, answers in {:?}: {statuses:?}", begin.elapsed());
    until("it was stored", || async { feeds(&keep) == 1 }).await;
    let again = push(&served, "PUT", &path, "", &feed).await;
    assert_eq!((again.status, again.json()["state"].as_str()), (200, Some("stored")));
    assert_eq!(feeds(&keep), 1);
}
