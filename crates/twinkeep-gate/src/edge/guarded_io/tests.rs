//! What the watch learns from the bytes of a connection.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::GuardedIo;
use crate::edge::watch::{Stall, StallLimits, Watch};

const LIMITS: StallLimits = StallLimits {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(30),
    request: Duration::from_secs(60),
    write: Duration::from_secs(5),
    read_rate_min: 1 << 30,
    write_rate_min: 1000,
    connection: Duration::from_secs(3600),
    drain: Duration::from_secs(3),
};

#[tokio::test]
async fn a_partial_head_is_held_back_and_its_clock_runs() {
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let watch = Watch::new(LIMITS, Instant::now());
    let mut guarded = GuardedIo::http1(server, watch.clone());
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    let mut out = [0; 100];
    let early = tokio::time::timeout(Duration::from_millis(20), guarded.read(&mut out)).await;
    assert!(early.is_err(), "a partial head was handed on");
    assert_eq!(watch.deadline().1, Stall::Head);
    client.write_all(b"\r\n").await.unwrap();
    let count = guarded.read(&mut out).await.unwrap();
    assert_eq!(&out[..count], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(watch.deadline().1, Stall::Idle);
}

#[tokio::test]
async fn half_an_http2_preface_has_a_deadline() {
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let watch = Watch::new(LIMITS, Instant::now());
    let mut guarded = GuardedIo::http2(server, watch.clone());
    assert_eq!(watch.deadline().1, Stall::Idle);
    let mut out = [0; 100];
    client.write_all(b"PRI * HTTP/2").await.unwrap();
    assert_eq!(guarded.read(&mut out).await.unwrap(), 12);
    assert_eq!(watch.deadline().1, Stall::Head);
    client.write_all(b".0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert_eq!(guarded.read(&mut out).await.unwrap(), 12);
    assert_eq!(watch.deadline().1, Stall::Idle);
}

#[tokio::test]
async fn an_answer_that_is_not_read_has_a_deadline() {
    let (mut client, server) = tokio::io::duplex(16);
    let watch = Watch::new(LIMITS, Instant::now());
    let mut guarded = GuardedIo::http1(server, watch.clone());
    let write = guarded.write_all(&[0; 100]);
    assert!(tokio::time::timeout(Duration::from_millis(20), write).await.is_err());
    assert_eq!(watch.deadline().1, Stall::Write);
    let mut out = [0; 100];
    client.read_exact(&mut out[..16]).await.unwrap();
    guarded.flush().await.unwrap();
    assert_eq!(watch.deadline().1, Stall::Idle);
}
