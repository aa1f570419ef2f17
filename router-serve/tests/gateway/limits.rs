//! Bounds of what is taken on.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;

use crate::mock::{Behavior, Mock, read_some, words, write};
use crate::world::{SUM, run, three};

#[tokio::test]
async fn beyond_the_queue_requests_are_turned_away() {
    let upstream = Mock::start(&[Behavior::Slow(Duration::from_millis(400), 1)]).await;
    let base = upstream.base();
    let config = "[server]\nconcurrency = 2\nqueue = 1\n".to_owned() + &three([&base, &base, &base], "");
    let running = run(&config).await;
    let ask = || {
        let client = running.client.clone();
        tokio::spawn(async move { client.chat("auto", SUM, json!({})).await })
    };
    let inside = [ask(), ask()];
    upstream.until_seen(2).await;
    let others = [ask(), ask(), ask()];
    let mut statuses = Vec::new();
    for answer in inside.into_iter().chain(others) {
        let answer = answer.await.unwrap();
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("overloaded", "1"));
        }
        statuses.push(answer.status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 503, 503]);
}

#[tokio::test]
async fn a_busy_upstream_gives_way_to_the_next_model() {
    let (slow, quick) = (
        Mock::start(&[Behavior::Slow(Duration::from_millis(500), 1)]).await,
        Mock::start(&[Behavior::Answer(2)]).await,
    );
    let running = run(&three([&slow.base(), &slow.base(), &quick.base()], "concurrency = 1\nqueue = 0")).await;
    let client = running.client.clone();
    let first = tokio::spawn(async move { client.chat("auto", SUM, json!({})).await });
    slow.until_seen(1).await;
    let second = running.client.chat("auto", SUM, json!({})).await;
    assert_eq!((second.content(), second.header("x-router-model")), (words(2), "thrifty"));
    assert_eq!(first.await.unwrap().content(), words(1));
    // With nobody else to ask, that is the gateway's to say.
    let client = running.client.clone();
    let first = tokio::spawn(async move { client.chat("solver", SUM, json!({})).await });
    slow.until_seen(2).await;
    let second = running.client.chat("solver", SUM, json!({})).await;
    assert_eq!((second.status, second.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert_eq!(first.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn bodies_and_heads_have_bounds() {
    let upstream = Mock::start(&[Behavior::Answer(1)]).await;
    let base = upstream.base();
    let config =
        "[server]\nrequest_bytes = 10000\nrequest_seconds = 0.4\n".to_owned() + &three([&base, &base, &base], "");
    let running = run(&config).await;
    let long = running.client.chat("auto", &"x".repeat(20_000), json!({})).await;
    assert_eq!((long.status, long.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"));
    let raw = async |bytes: &[u8]| {
        let address = running.client.base().trim_start_matches("http://").to_owned();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        // Who is told too much hangs up before its end.
        let _ = write(&stream, bytes).await;
        let mut answer = Vec::new();
        while read_some(&stream, &mut answer).await.is_ok_and(|count| count > 0) {}
        String::from_utf8_lossy(&answer).into_owned()
    };
    // A body that never comes, and a head that never ends.
    let slow = raw(b"POST /v1/route HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{").await;
    assert!(slow.starts_with("HTTP/1.1 408"), "{slow}");
    let never = raw(b"POST /v1/route HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    assert!(never.is_empty() || never.starts_with("HTTP/1.1 408"), "{never}");
    let huge = raw(format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)).as_bytes()).await;
    assert!(huge.is_empty() || huge.starts_with("HTTP/1.1 431"), "{huge}");
    assert_eq!(running.client.get("/healthz").await.status, StatusCode::OK);
}
